/**
 * How one accepted event lies in the spool: typed values first, then the bytes that strings point into. Rows are whole
 * numbers of 8 bytes, so that writer and reader work on typed views of a block. Local and short-lived, so the layout is
 * free to change; writer and reader stand side by side here.
 *
 *   offset f64 · timestampMs f64 · timeUs f64 · then in 32-bit words: row bytes · key start · key length · extra start ·
 *   extra length · headers start · headers length · header count · null mask · two words a column · bytes
 *
 * Starts are counted from the row's first byte; -1 is null. A string column's words are start and length, any other's
 * the low and the high half of its 64-bit value.
 */
import type { RowSlots } from '../schemas/row-slots.ts';
import type { Spool } from './spool.ts';

/** Indexes into the 64-bit floats at the start of a row. */
export const DOUBLE = { offset: 0, timestampMs: 1, timeUs: 2 } as const;
/** Indexes into the 32-bit words of a row. */
export const WORD = {
  rowBytes: 6,
  keyStart: 7,
  keyLength: 8,
  extraStart: 9,
  extraLength: 10,
  headersStart: 11,
  headersLength: 12,
  headerCount: 13,
  mask: 14,
} as const;

const BITS = 32;
const WORD_BYTES = 4;
const ALIGNMENT = 8;

/** Where the words of a row's columns begin. */
export function columnsWord(columns: number): number {
  return WORD.mask + Math.ceil(columns / BITS);
}

/** A byte string inside a larger buffer; `start` -1 is null. */
export interface Slice {
  buffer: Buffer;
  start: number;
  end: number;
}

/** What a row has besides its columns' values; one object serves a whole task. */
export interface RowMeta {
  offset: number;
  timestampMs: number;
  timeUs: number;
  key: Slice;
  /** The message: the first part of the heap that string columns point into. */
  value: Slice;
  extra: Buffer | null;
  headers: Slice;
  headerCount: number;
}

/** Appends one row to an hour of the spool. */
export function writeRow(spool: Spool, hour: number, meta: RowMeta, slots: RowSlots): void {
  const { key, value, extra, headers, headerCount } = meta;
  const columns = slots.there.length;
  const keyLength = key.start < 0 ? 0 : key.end - key.start;
  const valueLength = value.end - value.start;
  const headersLength = headerCount === 0 ? 0 : headers.end - headers.start;
  const heapStart = (columnsWord(columns) + 2 * columns) * WORD_BYTES;
  const keyStart = heapStart + valueLength + slots.tailLength;
  const extraStart = keyStart + keyLength;
  const headersStart = extraStart + (extra === null ? 0 : extra.length);
  const rowBytes = Math.ceil((headersStart + headersLength) / ALIGNMENT) * ALIGNMENT;
  const at = spool.reserve(hour, rowBytes);
  const { buffer, words, doubles } = spool;
  doubles[at / 8 + DOUBLE.offset] = meta.offset;
  doubles[at / 8 + DOUBLE.timestampMs] = meta.timestampMs;
  doubles[at / 8 + DOUBLE.timeUs] = meta.timeUs;
  const word = at / WORD_BYTES;
  words[word + WORD.rowBytes] = rowBytes;
  words[word + WORD.keyStart] = key.start < 0 ? -1 : keyStart;
  words[word + WORD.keyLength] = keyLength;
  words[word + WORD.extraStart] = extra === null ? -1 : extraStart;
  words[word + WORD.extraLength] = extra === null ? 0 : extra.length;
  words[word + WORD.headersStart] = headersStart;
  words[word + WORD.headersLength] = headersLength;
  words[word + WORD.headerCount] = headerCount;
  writeColumns(words, word, slots, heapStart);
  value.buffer.copy(buffer, at + heapStart, value.start, value.end);
  if (slots.tailLength > 0) slots.tail.copy(buffer, at + heapStart + valueLength, 0, slots.tailLength);
  if (keyLength > 0) key.buffer.copy(buffer, at + keyStart, key.start, key.end);
  if (extra !== null) extra.copy(buffer, at + extraStart);
  if (headersLength > 0) headers.buffer.copy(buffer, at + headersStart, headers.start, headers.end);
}

function writeColumns(words: Int32Array, row: number, slots: RowSlots, heapStart: number): void {
  const { there, first, second, isText } = slots;
  const columns = there.length;
  let at = row + columnsWord(columns);
  let mask = 0;
  for (let i = 0; i < columns; i++) {
    if (there[i] === 1) mask |= 1 << (i % BITS);
    words[at++] = isText[i] === 1 ? first[i]! + heapStart : first[i]!;
    words[at++] = second[i]!;
    if (i % BITS === BITS - 1 || i === columns - 1) {
      words[row + WORD.mask + Math.floor(i / BITS)] = mask;
      mask = 0;
    }
  }
}

let blocksRead = 0;

/** Goes over the rows of one hour, block after block; its fields describe the row that `next` has moved to. */
export class RowReader {
  readonly #blocks: Generator<Buffer, void, void>;
  block: Buffer = Buffer.alloc(0);
  words: Int32Array = new Int32Array(0);
  doubles: Float64Array = new Float64Array(0);
  /** Different for every block of every reader: a block's memory is used again for the one after next. */
  blockNumber = 0;
  /** Where the row begins in the block, in bytes. */
  at = 0;
  #next = 0;

  constructor(blocks: Generator<Buffer, void, void>) {
    this.#blocks = blocks;
  }

  /** Moves to the next row; false after the last. */
  next(): boolean {
    if (this.#next >= this.block.length && !this.#nextBlock()) return false;
    this.at = this.#next;
    this.#next += this.words[this.at / WORD_BYTES + WORD.rowBytes]!;
    return true;
  }

  #nextBlock(): boolean {
    const { value: block, done } = this.#blocks.next();
    if (done) return false;
    this.block = block;
    this.words = new Int32Array(block.buffer, block.byteOffset, block.length / WORD_BYTES);
    this.doubles = new Float64Array(block.buffer, block.byteOffset, block.length / ALIGNMENT);
    this.blockNumber = ++blocksRead;
    this.#next = 0;
    return true;
  }

  get offset(): number {
    return this.doubles[this.at / 8 + DOUBLE.offset]!;
  }
  get timeUs(): number {
    return this.doubles[this.at / 8 + DOUBLE.timeUs]!;
  }
}
