/**
 * How one accepted event lies in the spool: a fixed head, then its byte strings. Local and short-lived, so the layout
 * is free to change; writer and reader stand side by side here.
 *
 *   offset f64 · timestampMs f64 · timeUs f64 · keyLength i32 · valueLength i32 · extraLength i32 · headersLength i32 · headerCount i32
 *   · key · value · extra · headers (Kafka's own record header bytes)
 *
 * A length of -1 is null.
 */
import type { Spool } from './spool.ts';

const HEAD_BYTES = 44;
const NULL_LENGTH = -1;

/** A byte string inside a larger buffer; `start` -1 is null. */
export interface Slice {
  buffer: Buffer;
  start: number;
  end: number;
}

/** Appends one row to an hour of the spool. */
export function writeRow(
  spool: Spool,
  hour: number,
  offset: number,
  timestampMs: number,
  timeUs: number,
  key: Slice,
  value: Slice,
  extra: Buffer | null,
  headers: Slice,
  headerCount: number,
): void {
  const keyLength = key.start < 0 ? NULL_LENGTH : key.end - key.start;
  const valueLength = value.end - value.start;
  const extraLength = extra === null ? NULL_LENGTH : extra.length;
  const headersLength = headerCount === 0 ? 0 : headers.end - headers.start;
  const total = HEAD_BYTES + Math.max(keyLength, 0) + valueLength + Math.max(extraLength, 0) + headersLength;
  let at = spool.reserve(hour, total);
  const to = spool.buffer;
  to.writeDoubleLE(offset, at);
  to.writeDoubleLE(timestampMs, at + 8);
  to.writeDoubleLE(timeUs, at + 16);
  to.writeInt32LE(keyLength, at + 24);
  to.writeInt32LE(valueLength, at + 28);
  to.writeInt32LE(extraLength, at + 32);
  to.writeInt32LE(headersLength, at + 36);
  to.writeInt32LE(headerCount, at + 40);
  at += HEAD_BYTES;
  if (keyLength > 0) at += key.buffer.copy(to, at, key.start, key.end);
  at += value.buffer.copy(to, at, value.start, value.end);
  if (extra !== null) at += extra.copy(to, at);
  if (headersLength > 0) headers.buffer.copy(to, at, headers.start, headers.end);
}

/** A cursor over the rows of a block; its fields describe the row that `next` has moved to. Views are valid as long as the block is. */
export class RowCursor {
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  offset = 0;
  timestampMs = 0;
  timeUs = 0;
  key: Buffer | null = null;
  value: Buffer = this.#block;
  extra: Buffer | null = null;
  headers: Buffer = this.#block;
  headerCount = 0;

  /** Starts at the first row of a block. */
  reset(block: Buffer): void {
    this.#block = block;
    this.#at = 0;
  }

  /** Moves to the next row; false at the end of the block. */
  next(): boolean {
    const block = this.#block;
    let at = this.#at;
    if (at >= block.length) return false;
    this.offset = block.readDoubleLE(at);
    this.timestampMs = block.readDoubleLE(at + 8);
    this.timeUs = block.readDoubleLE(at + 16);
    const keyLength = block.readInt32LE(at + 24);
    const valueLength = block.readInt32LE(at + 28);
    const extraLength = block.readInt32LE(at + 32);
    const headersLength = block.readInt32LE(at + 36);
    this.headerCount = block.readInt32LE(at + 40);
    at += HEAD_BYTES;
    this.key = keyLength < 0 ? null : block.subarray(at, (at += keyLength));
    this.value = block.subarray(at, (at += valueLength));
    this.extra = extraLength < 0 ? null : block.subarray(at, (at += extraLength));
    this.headers = block.subarray(at, (at += headersLength));
    this.#at = at;
    return true;
  }
}
