/**
 * A local, discardable file that sorts what a task reads by hour. The table function that feeds DuckDB is synchronous:
 * it cannot wait for a broker, but it can read a local file. Bytes of one hour gather in a buffer; full buffers are
 * appended to the file as blocks, and a block list per hour finds them again. Memory is bounded however many hours a
 * batch spans (OPEN_BYTES of buffers, 24 bytes per block), and only one Parquet file is open at a time.
 */
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import type { HourIndex } from './hour.ts';

/** A buffer of this size becomes a block. */
const BLOCK_BYTES = 256 * 1024;
/** All buffers become blocks when they reach this together. */
const OPEN_BYTES = 32 * 1024 * 1024;
const FIRST_BUFFER_BYTES = 4 * 1024;

interface HourBytes {
  words: Int32Array;
  doubles: Float64Array;
  /** Position and length of each block in the file, in pairs. */
  blocks: number[];
  /** Reservations so far. */
  rows: number;
  buffer: Buffer;
  used: number;
}

const EMPTY = Buffer.allocUnsafeSlow(0);
/** Buffers are whole numbers of this many bytes, so that words and doubles cover them. */
const ALIGNMENT = 8;

function newHour(): HourBytes {
  return {
    blocks: [],
    rows: 0,
    buffer: EMPTY,
    words: new Int32Array(0),
    doubles: new Float64Array(0),
    used: 0,
  };
}

/** `buffer` begins at the start of its memory and is a whole number of 8 bytes long. */
function setBuffer(bytes: HourBytes, buffer: Buffer): void {
  bytes.buffer = buffer;
  bytes.words = new Int32Array(buffer.buffer, 0, buffer.length / 4);
  bytes.doubles = new Float64Array(buffer.buffer, 0, buffer.length / ALIGNMENT);
}

export class Spool implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  readonly #hours = new Map<HourIndex, HourBytes>();
  #fileBytes = 0;
  #openBytes = 0;
  /** Where the caller writes the bytes it has just reserved, as bytes and as aligned words. */
  buffer: Buffer = EMPTY;
  words: Int32Array = new Int32Array(0);
  doubles: Float64Array = new Float64Array(0);

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /** Creates the file; it must not exist. */
  static create(path: string): Spool {
    return new Spool(path, openSync(path, 'wx+', 0o600));
  }

  /** Bytes spooled so far. */
  get bytes(): number {
    return this.#fileBytes + this.#openBytes;
  }

  /** The hours that hold bytes, ascending. */
  hours(): HourIndex[] {
    return [...this.#hours.keys()].sort((a, b) => a - b);
  }

  /** How often bytes of this hour were reserved. */
  rows(hour: HourIndex): number {
    return this.#hours.get(hour)?.rows ?? 0;
  }

  /** Reserves `length` bytes of an hour, in one piece: the caller writes them into `this.buffer` at the position returned.
   * If all lengths of a spool are whole numbers of 8, positions and blocks are aligned, and `words` and `doubles` may be used. */
  reserve(hour: HourIndex, length: number): number {
    let bytes = this.#hours.get(hour);
    if (bytes === undefined) this.#hours.set(hour, (bytes = newHour()));
    if (bytes.used + length > bytes.buffer.length) this.#makeRoom(bytes, length);
    const at = bytes.used;
    bytes.used += length;
    bytes.rows++;
    this.#openBytes += length;
    if (this.buffer !== bytes.buffer) this.#show(bytes);
    return at;
  }

  #makeRoom(bytes: HourBytes, length: number): void {
    if (this.#openBytes + length > OPEN_BYTES)
      for (const each of this.#hours.values()) this.#flush(each, true);
    const wanted = bytes.used + length;
    if (wanted > BLOCK_BYTES && bytes.used > 0) this.#flush(bytes, false);
    if (bytes.used + length <= bytes.buffer.length) return;
    const doubled = Math.min(2 * bytes.buffer.length, BLOCK_BYTES);
    const capacity = Math.max(FIRST_BUFFER_BYTES, doubled, bytes.used + length);
    const grown = Buffer.allocUnsafeSlow(Math.ceil(capacity / ALIGNMENT) * ALIGNMENT);
    bytes.buffer.copy(grown, 0, 0, bytes.used);
    setBuffer(bytes, grown);
  }

  #show({ buffer, words, doubles }: HourBytes): void {
    this.buffer = buffer;
    this.words = words;
    this.doubles = doubles;
  }

  #flush(bytes: HourBytes, release: boolean): void {
    if (bytes.used > 0) {
      for (let done = 0; done < bytes.used; )
        done += writeSync(this.#fd, bytes.buffer, done, bytes.used - done, this.#fileBytes + done);
      bytes.blocks.push(this.#fileBytes, bytes.used);
      this.#fileBytes += bytes.used;
      this.#openBytes -= bytes.used;
      bytes.used = 0;
    }
    if (release || bytes.buffer.length > BLOCK_BYTES) setBuffer(bytes, EMPTY);
  }

  /** The blocks of an hour in the order they were written; each stays valid until the one after next is asked for. */
  *blocks(hour: HourIndex): Generator<Buffer, void, void> {
    const bytes = this.#hours.get(hour);
    if (bytes === undefined) return;
    const buffers = [EMPTY, EMPTY];
    for (let i = 0; i < bytes.blocks.length; i += 2) {
      const length = bytes.blocks[i + 1]!;
      if (buffers[0]!.length < length) buffers[0] = Buffer.allocUnsafeSlow(Math.max(length, BLOCK_BYTES));
      const block = buffers[0]!;
      buffers.reverse();
      for (let done = 0; done < length; ) {
        const got = readSync(this.#fd, block, done, length - done, bytes.blocks[i]! + done);
        if (got === 0) throw new Error(`${this.#path} was cut short by another process; run the load again`);
        done += got;
      }
      yield block.subarray(0, length);
    }
    if (bytes.used > 0) yield bytes.buffer.subarray(0, bytes.used);
  }

  /** Forgets everything spooled, so that the file can be filled again. */
  clear(): void {
    this.#hours.clear();
    this.#fileBytes = 0;
    this.#openBytes = 0;
    ftruncateSync(this.#fd, 0);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
    rmSync(this.#path, { force: true });
  }
}
