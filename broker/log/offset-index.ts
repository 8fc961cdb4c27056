/**
 * The sparse index of one segment: for about every `indexIntervalBytes` of log one entry, saying which batch begins at
 * which byte. Kept in memory while the segment is open, written to `.index` when it closes. On disk: entries of 8 bytes,
 * big-endian: offset relative to the segment's base (uint32), position (uint32), as in Kafka's OffsetIndex. It has no
 * checksum: whatever is wrong with it is found by `decode` or when an entry is used, and it is rebuilt from the log.
 */
import assert from 'node:assert/strict';

export const OFFSET_ENTRY_BYTES = 8;
const FIRST_CAPACITY = 64;

/** Where an entry points: a batch's first offset, relative to the segment, and its place in the file. */
export interface IndexEntry {
  relativeOffset: number;
  position: number;
}

export class OffsetIndex {
  #entries = new Uint32Array(2 * FIRST_CAPACITY);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds an entry; both numbers must be above those of the last one. */
  add(relativeOffset: number, position: number): void {
    const last = this.at(this.#count - 1);
    assert(
      last === undefined || (relativeOffset > last.relativeOffset && position > last.position),
      `offset index entries must rise: ${relativeOffset}@${position} after ${last?.relativeOffset}@${last?.position}`,
    );
    if (2 * this.#count === this.#entries.length) {
      const wider = new Uint32Array(2 * this.#entries.length);
      wider.set(this.#entries);
      this.#entries = wider;
    }
    this.#entries[2 * this.#count] = relativeOffset;
    this.#entries[2 * this.#count + 1] = position;
    this.#count += 1;
  }

  /** The entry of that number, or undefined outside 0 … count - 1. */
  at(number: number): IndexEntry | undefined {
    if (number < 0 || number >= this.#count) return undefined;
    return {
      relativeOffset: this.#entries[2 * number] as number,
      position: this.#entries[2 * number + 1] as number,
    };
  }

  /** The last entry at or below an offset, or undefined: the search then begins at the segment's first byte. */
  floor(relativeOffset: number): IndexEntry | undefined {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[2 * middle] as number) <= relativeOffset) low = middle + 1;
      else high = middle;
    }
    return this.at(low - 1);
  }

  encode(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#count * OFFSET_ENTRY_BYTES);
    for (let i = 0; i < 2 * this.#count; i++) bytes.writeUInt32BE(this.#entries[i] as number, 4 * i);
    return bytes;
  }

  /** Reads an index file of a segment of that size; undefined if it cannot be right, so that it has to be rebuilt. */
  static decode(bytes: Buffer, segmentBytes: number): OffsetIndex | undefined {
    if (bytes.length % OFFSET_ENTRY_BYTES !== 0) return undefined;
    const index = new OffsetIndex();
    let last: IndexEntry = { relativeOffset: 0, position: 0 };
    for (let at = 0; at < bytes.length; at += OFFSET_ENTRY_BYTES) {
      const entry = { relativeOffset: bytes.readUInt32BE(at), position: bytes.readUInt32BE(at + 4) };
      const rises = entry.relativeOffset > last.relativeOffset && entry.position > last.position;
      if (!rises || entry.position >= segmentBytes) return undefined;
      index.add(entry.relativeOffset, entry.position);
      last = entry;
    }
    return index;
  }
}
