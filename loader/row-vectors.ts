/**
 * Fills the column vectors of one DuckDB chunk from spooled rows. It goes to the bindings below node-api, because the
 * vectors there take raw memory: no JavaScript string is made of any value, and no value is copied one by one.
 *
 * Strings are handed over as DuckDB's own `duckdb_string_t` (duckdb.h: length, then up to 12 bytes in place, or 4 bytes
 * and a pointer). The bytes pointed at must be DuckDB's, so each spool block is given once, whole, as a value of the last
 * column, which no query selects; DuckDB copies it into the chunk's memory, and its address is read back from there.
 * All vectors of a chunk live and die together. A test compares the result with `from_json` over many kinds of values.
 */
import duckdb from '@duckdb/node-bindings';
import { headersOf } from '../broker/protocol/record-batch.ts';
import type { ColumnType } from '../schemas/column-types.ts';
import { columnsWord, DOUBLE, type RowReader, WORD } from './spool-row.ts';

/** Rows of one DuckDB vector. */
export const VECTOR_ROWS = 2_048;
/** Blocks given with one chunk, bytes: it ends by them where rows are wide. */
const CHUNK_BYTES = 1024 * 1024;
const STRING_BYTES = 16;
const INLINE_BYTES = 12;
const TWO_32 = 0x1_0000_0000;
/** A Kafka record without a timestamp has -1. */
const NO_TIMESTAMP = -1;

/** The columns of the spool's table function before those of the schema; after them comes the heap. */
export const FIXED_COLUMNS = ['offset', 'timestamp', 'key', 'headers', 'extra'] as const;

/** Bytes of one value in a vector, by column type. */
const WIDTHS: Record<ColumnType, number> = {
  string: STRING_BYTES,
  uuid: STRING_BYTES,
  decimal: STRING_BYTES,
  struct: STRING_BYTES,
  list: STRING_BYTES,
  map: STRING_BYTES,
  timestamp: 8,
  int64: 8,
  number: 8,
  int32: 4,
  boolean: 1,
};

/** The values of one column for one chunk, with the bits that say which are there. */
class ColumnBuffer {
  readonly #width: number;
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #validity = new BigUint64Array(VECTOR_ROWS / 64);
  readonly #validityBytes = new Uint8Array(this.#validity.buffer);
  #someNull = false;

  constructor(width: number) {
    this.#width = width;
    this.words = new Int32Array((VECTOR_ROWS * Math.max(width, 4)) / 4);
    this.#bytes = new Uint8Array(this.words.buffer);
  }

  reset(): void {
    if (this.#someNull) this.#validityBytes.fill(0xff);
    this.#someNull = false;
  }

  setNull(row: number): void {
    if (!this.#someNull) this.#validityBytes.fill(0xff);
    this.#someNull = true;
    this.#validityBytes[row >> 3]! &= ~(1 << (row & 7));
    if (this.#width === STRING_BYTES) this.#clearString(row);
  }

  #clearString(row: number): void {
    const { words } = this;
    words[4 * row] = 0;
    words[4 * row + 1] = 0;
    words[4 * row + 2] = 0;
    words[4 * row + 3] = 0;
  }

  setWords(row: number, low: number, high: number): void {
    this.words[2 * row] = low;
    this.words[2 * row + 1] = high;
  }

  setByte(row: number, value: number): void {
    this.#bytes[row] = value;
  }

  /** Writes a `duckdb_string_t` for `block[start, start + length)`, whose copy lies at `address` + `start`. */
  setString(
    row: number,
    block: Buffer,
    start: number,
    length: number,
    address: { low: number; high: number },
  ): void {
    const { words } = this;
    const at = 4 * row;
    words[at] = length;
    if (length > INLINE_BYTES) {
      words[at + 1] =
        block[start]! | (block[start + 1]! << 8) | (block[start + 2]! << 16) | (block[start + 3]! << 24);
      const low = address.low + start;
      words[at + 2] = low;
      words[at + 3] = low >= TWO_32 ? address.high + 1 : address.high;
      return;
    }
    words[at + 1] = 0;
    words[at + 2] = 0;
    words[at + 3] = 0;
    for (let i = 0, to = STRING_BYTES * row + 4; i < length; i++) this.#bytes[to + i] = block[start + i]!;
  }

  copyTo(vector: duckdb.Vector, rows: number): void {
    duckdb.copy_data_to_vector(vector, 0, this.words.buffer as ArrayBuffer, 0, rows * this.#width);
    if (!this.#someNull) return;
    duckdb.vector_ensure_validity_writable(vector);
    duckdb.copy_data_to_vector_validity(vector, 0, this.#validity.buffer, 0, this.#validity.byteLength);
  }
}

/** Takes rows until a vector is full; `finish` hands them to DuckDB. One instance serves one list of columns. */
export class RowVectors {
  readonly #types: readonly ColumnType[];
  readonly #columns: readonly ColumnBuffer[];
  readonly #offsets = new ColumnBuffer(8);
  readonly #timestamps = new ColumnBuffer(8);
  readonly #keys = new ColumnBuffer(STRING_BYTES);
  readonly #extras = new ColumnBuffer(STRING_BYTES);
  readonly #headerLists = new ColumnBuffer(STRING_BYTES);
  #headers: { key: string; value: Buffer | null }[] = [];
  #vectors: duckdb.Vector[] = [];
  readonly #address = { low: 0, high: 0 };
  #block: { bytes: Buffer; words: Int32Array; doubles: Float64Array } = {
    bytes: Buffer.alloc(0),
    words: new Int32Array(0),
    doubles: new Float64Array(0),
  };
  #blockNumber = 0;
  #blocks = 0;
  #blockBytes = 0;
  /** Where each row of the chunk begins in its block, in bytes. */
  readonly #positions = new Int32Array(VECTOR_ROWS);
  #filled = 0;
  rows = 0;

  constructor(types: readonly ColumnType[]) {
    this.#types = types;
    this.#columns = types.map((type) => new ColumnBuffer(WIDTHS[type]));
  }

  begin(chunk: duckdb.DataChunk): void {
    const count = FIXED_COLUMNS.length + this.#columns.length + 1;
    this.#vectors = Array.from({ length: count }, (_, i) => duckdb.data_chunk_get_vector(chunk, i));
    for (const column of [this.#timestamps, this.#keys, this.#extras, this.#headerLists, ...this.#columns])
      column.reset();
    this.#headers = [];
    this.#blockNumber = 0;
    this.#blocks = 0;
    this.#blockBytes = 0;
    this.#filled = 0;
    this.rows = 0;
  }

  /** Whether the chunk is to take no more rows. */
  get isFull(): boolean {
    return this.rows === VECTOR_ROWS || this.#blockBytes >= CHUNK_BYTES;
  }

  /** Takes the reader's row; its values are filled in with those of its block, column by column. */
  add(reader: RowReader): void {
    if (reader.blockNumber !== this.#blockNumber) {
      this.#fillRun();
      this.#giveBlock(reader);
    }
    this.#positions[this.rows++] = reader.at;
  }

  /** Fills in the rows taken since the last call: all of one block. */
  #fillRun(): void {
    const [from, until] = [this.#filled, this.rows];
    this.#filled = until;
    if (from === until) return;
    this.#fillNumbers(from, until);
    this.#fillBytes(this.#keys, WORD.keyStart, from, until);
    this.#fillBytes(this.#extras, WORD.extraStart, from, until);
    for (let row = from; row < until; row++) this.#addHeaders(row);
    let word = columnsWord(this.#types.length);
    for (const [i, type] of this.#types.entries()) {
      if (WIDTHS[type] === STRING_BYTES) this.#fillStrings(i, word, from, until);
      else this.#fillWords(i, word, from, until);
      word += 2;
    }
  }

  #fillNumbers(from: number, until: number): void {
    const { doubles } = this.#block;
    for (let row = from; row < until; row++) {
      const at = this.#positions[row]! / 8;
      const offset = doubles[at + DOUBLE.offset]!;
      this.#offsets.setWords(row, offset, offset / TWO_32);
      const timestampMs = doubles[at + DOUBLE.timestampMs]!;
      const timestampUs = timestampMs * 1_000;
      if (timestampMs === NO_TIMESTAMP) this.#timestamps.setNull(row);
      else this.#timestamps.setWords(row, timestampUs, Math.floor(timestampUs / TWO_32));
    }
  }

  /** A string every row has words for: start (-1: null) and length. */
  #fillBytes(column: ColumnBuffer, startWord: number, from: number, until: number): void {
    const { words, bytes } = this.#block;
    for (let row = from; row < until; row++) {
      const at = this.#positions[row]!;
      const start = words[at / 4 + startWord]!;
      if (start < 0) column.setNull(row);
      else column.setString(row, bytes, at + start, words[at / 4 + startWord + 1]!, this.#address);
    }
  }

  #fillStrings(index: number, word: number, from: number, until: number): void {
    const { words, bytes } = this.#block;
    const column = this.#columns[index]!;
    const [maskWord, maskBit] = [WORD.mask + (index >> 5), 1 << (index & 31)];
    for (let row = from; row < until; row++) {
      const at = this.#positions[row]!;
      const first = at / 4;
      if ((words[first + maskWord]! & maskBit) === 0) column.setNull(row);
      else column.setString(row, bytes, at + words[first + word]!, words[first + word + 1]!, this.#address);
    }
  }

  #fillWords(index: number, word: number, from: number, until: number): void {
    const { words } = this.#block;
    const column = this.#columns[index]!;
    const width = WIDTHS[this.#types[index]!];
    const [maskWord, maskBit] = [WORD.mask + (index >> 5), 1 << (index & 31)];
    for (let row = from; row < until; row++) {
      const first = this.#positions[row]! / 4;
      if ((words[first + maskWord]! & maskBit) === 0) column.setNull(row);
      else if (width === 8) column.setWords(row, words[first + word]!, words[first + word + 1]!);
      else if (width === 4) column.words[row] = words[first + word]!;
      else column.setByte(row, words[first + word]!);
    }
  }

  /** Gives DuckDB the reader's block and learns where its copy lies. */
  #giveBlock({ block, words, doubles, blockNumber }: RowReader): void {
    this.#block = { bytes: block, words, doubles };
    const heap = this.#vectors.at(-1)!;
    duckdb.vector_assign_string_element_len(heap, this.#blocks, block);
    const entry = duckdb.vector_get_data(heap, (this.#blocks + 1) * STRING_BYTES);
    const view = new DataView(entry.buffer, entry.byteOffset + this.#blocks * STRING_BYTES, STRING_BYTES);
    this.#address.low = view.getUint32(8, true);
    this.#address.high = view.getUint32(12, true);
    this.#blocks++;
    this.#blockBytes += block.length;
    this.#blockNumber = blockNumber;
  }

  #addHeaders(row: number): void {
    const { bytes, words } = this.#block;
    const at = this.#positions[row]!;
    const count = words[at / 4 + WORD.headerCount]!;
    if (count === 0) {
      this.#headerLists.setNull(row);
      return;
    }
    const entry = this.#headerLists.words;
    entry.fill(0, 4 * row, 4 * row + 4); // duckdb_list_entry: offset and length, 64 bits each
    entry[4 * row] = this.#headers.length;
    entry[4 * row + 2] = count;
    const start = at + words[at / 4 + WORD.headersStart]!;
    // The block's memory is used again before `finish` runs, so values are copied.
    for (const { key, value } of headersOf(bytes, start, count))
      this.#headers.push({ key, value: value && Buffer.from(value) });
  }

  finish(): void {
    this.#fillRun();
    const [offset, timestamp, key, headers, extra, ...rest] = this.#vectors as [
      duckdb.Vector,
      duckdb.Vector,
      duckdb.Vector,
      duckdb.Vector,
      duckdb.Vector,
    ];
    this.#offsets.copyTo(offset, this.rows);
    this.#timestamps.copyTo(timestamp, this.rows);
    this.#keys.copyTo(key, this.rows);
    this.#extras.copyTo(extra, this.rows);
    if (this.#headers.length > 0) this.#finishHeaders(headers);
    this.#headerLists.copyTo(headers, this.rows);
    for (const [i, column] of this.#columns.entries()) column.copyTo(rest[i]!, this.rows);
    hideAll(this.#vectors.at(-1)!);
  }

  #finishHeaders(list: duckdb.Vector): void {
    const total = this.#headers.length;
    duckdb.list_vector_reserve(list, total);
    duckdb.list_vector_set_size(list, total);
    const entry = duckdb.list_vector_get_child(list);
    const keys = duckdb.struct_vector_get_child(entry, 0);
    const values = duckdb.struct_vector_get_child(entry, 1);
    for (const [i, { key, value }] of this.#headers.entries()) {
      duckdb.vector_assign_string_element(keys, i, key);
      if (value !== null) duckdb.vector_assign_string_element_len(values, i, value);
    }
    if (this.#headers.some(({ value }) => value === null)) setNulls(values, this.#headers);
  }
}

const ALL_NULL = new ArrayBuffer(VECTOR_ROWS / 8);

/** The heap has a few values and else uninitialised memory: nobody may look at it. */
function hideAll(vector: duckdb.Vector): void {
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, ALL_NULL, 0, ALL_NULL.byteLength);
}

/** A list's child vector may be longer than a standard one, so its mask is made to measure. */
function setNulls(vector: duckdb.Vector, headers: readonly { value: Buffer | null }[]): void {
  const words = new BigUint64Array(Math.ceil(headers.length / 64));
  const bytes = new Uint8Array(words.buffer).fill(0xff);
  for (const [i, { value }] of headers.entries()) if (value === null) bytes[i >> 3]! &= ~(1 << (i & 7));
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, words.buffer, 0, words.byteLength);
}
