/**
 * The companion of the offset index that finds records by time: its entry number i says that every record of the segment
 * before entry i of the offset index has a timestamp of at most `maxTimestampMs`. So the first record at or after a time
 * lies between two neighbouring entries, and a lookup scans one index interval at most, however disordered the
 * timestamps. On disk (`.timeindex`) 12 bytes an entry, big-endian: timestamp (int64), relative offset (uint32), the form
 * of Kafka's TimeIndex; rebuilt from the log whenever it doesn't fit.
 */
import assert from 'node:assert/strict';
import type { OffsetIndex } from './offset-index.ts';

export const TIME_ENTRY_BYTES = 12;

export class TimeIndex {
  readonly #timestamps: number[] = [];

  get count(): number {
    return this.#timestamps.length;
  }

  /** The greatest timestamp that the last entry vouches for; undefined without entries. */
  get lastMs(): number | undefined {
    return this.#timestamps.at(-1);
  }

  /** Adds the greatest timestamp so far; it can never fall. */
  add(maxTimestampMs: number): void {
    assert(maxTimestampMs >= (this.lastMs ?? -Infinity), `time index fell to ${maxTimestampMs}`);
    this.#timestamps.push(maxTimestampMs);
  }

  /** Number of the last entry before which every record is older than `timestampMs`; -1: search from the first byte. */
  lastBefore(timestampMs: number): number {
    let low = 0;
    let high = this.#timestamps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timestamps[middle] as number) < timestampMs) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  encode(offsets: OffsetIndex): Buffer {
    assert.equal(offsets.count, this.count, 'offset and time index differ in length');
    const bytes = Buffer.allocUnsafe(this.count * TIME_ENTRY_BYTES);
    for (const [i, timestamp] of this.#timestamps.entries()) {
      bytes.writeBigInt64BE(BigInt(timestamp), i * TIME_ENTRY_BYTES);
      bytes.writeUInt32BE(offsets.at(i)?.relativeOffset ?? 0, i * TIME_ENTRY_BYTES + 8);
    }
    return bytes;
  }

  /** Reads a time index file; undefined if it does not fit the offset index, so that both have to be rebuilt. */
  static decode(bytes: Buffer, offsets: OffsetIndex): TimeIndex | undefined {
    if (bytes.length !== offsets.count * TIME_ENTRY_BYTES) return undefined;
    const index = new TimeIndex();
    for (let i = 0; i < offsets.count; i++) {
      const timestamp = Number(bytes.readBigInt64BE(i * TIME_ENTRY_BYTES));
      const offset = bytes.readUInt32BE(i * TIME_ENTRY_BYTES + 8);
      if (offset !== offsets.at(i)?.relativeOffset || timestamp < (index.lastMs ?? -Infinity))
        return undefined;
      index.add(timestamp);
    }
    return index;
  }
}
