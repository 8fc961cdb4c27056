/**
 * Fills the column vectors of one DuckDB chunk from spooled rows. It goes to the bindings below node-api, because the
 * vectors there take raw bytes: no JavaScript string is made of a key or a message, and 2,048 offsets are one copy.
 */
import duckdb from '@duckdb/node-bindings';
import { headersOf } from '../broker/protocol/record-batch.ts';
import type { RowCursor } from './spool-row.ts';

/** Rows of one DuckDB vector. */
export const VECTOR_ROWS = 2_048;
const BITS_PER_WORD = 64;
/** A Kafka record without a timestamp has -1. */
const NO_TIMESTAMP = -1;

/** Which rows of a nullable column are there: one bit a row, as DuckDB's validity masks are. */
class Validity {
  readonly words = new BigUint64Array(VECTOR_ROWS / BITS_PER_WORD);
  readonly #bytes = new Uint8Array(this.words.buffer);
  #someNull = false;

  reset(): void {
    this.#bytes.fill(0xff);
    this.#someNull = false;
  }
  setNull(row: number): void {
    this.#bytes[row >> 3]! &= ~(1 << (row & 7));
    this.#someNull = true;
  }
  copyTo(vector: duckdb.Vector): void {
    if (!this.#someNull) return;
    duckdb.vector_ensure_validity_writable(vector);
    duckdb.copy_data_to_vector_validity(vector, 0, this.words.buffer, 0, this.words.byteLength);
  }
}

/** The columns of the spool's table function, in order. */
export const SPOOL_COLUMN = { offset: 0, timestamp: 1, key: 2, headers: 3, extra: 4, value: 5 } as const;

/** Takes rows until a vector is full; `finish` hands them to DuckDB. One instance serves a whole task. */
export class RowVectors {
  readonly #offsets = new BigInt64Array(VECTOR_ROWS);
  readonly #timestamps = new BigInt64Array(VECTOR_ROWS);
  readonly #timestampThere = new Validity();
  readonly #keyThere = new Validity();
  readonly #extraThere = new Validity();
  readonly #headersThere = new Validity();
  readonly #headerEntries = new BigUint64Array(2 * VECTOR_ROWS);
  #headers: { key: string; value: Buffer | null }[] = [];
  #vectors: duckdb.Vector[] = [];
  rows = 0;

  begin(chunk: duckdb.DataChunk): void {
    this.#vectors = Object.values(SPOOL_COLUMN).map((column) => duckdb.data_chunk_get_vector(chunk, column));
    for (const validity of [this.#timestampThere, this.#keyThere, this.#extraThere, this.#headersThere])
      validity.reset();
    this.#headers = [];
    this.rows = 0;
  }

  add(row: RowCursor): void {
    const at = this.rows++;
    this.#offsets[at] = BigInt(row.offset);
    if (row.timestampMs === NO_TIMESTAMP) this.#timestampThere.setNull(at);
    else this.#timestamps[at] = BigInt(row.timestampMs * 1_000);
    if (row.key === null) this.#keyThere.setNull(at);
    else duckdb.vector_assign_string_element_len(this.#vectors[SPOOL_COLUMN.key]!, at, row.key);
    if (row.extra === null) this.#extraThere.setNull(at);
    else duckdb.vector_assign_string_element_len(this.#vectors[SPOOL_COLUMN.extra]!, at, row.extra);
    duckdb.vector_assign_string_element_len(this.#vectors[SPOOL_COLUMN.value]!, at, row.value);
    this.#addHeaders(at, row);
  }

  #addHeaders(at: number, row: RowCursor): void {
    if (row.headerCount === 0) {
      this.#headersThere.setNull(at);
      return;
    }
    this.#headerEntries[2 * at] = BigInt(this.#headers.length);
    this.#headerEntries[2 * at + 1] = BigInt(row.headerCount);
    // The row's bytes are reused before `finish` runs, so values are copied.
    for (const { key, value } of headersOf(row.headers, 0, row.headerCount))
      this.#headers.push({ key, value: value && Buffer.from(value) });
  }

  finish(): void {
    const vector = (name: keyof typeof SPOOL_COLUMN) => this.#vectors[SPOOL_COLUMN[name]]!;
    duckdb.copy_data_to_vector(vector('offset'), 0, this.#offsets.buffer, 0, 8 * this.rows);
    duckdb.copy_data_to_vector(vector('timestamp'), 0, this.#timestamps.buffer, 0, 8 * this.rows);
    this.#timestampThere.copyTo(vector('timestamp'));
    this.#keyThere.copyTo(vector('key'));
    this.#extraThere.copyTo(vector('extra'));
    this.#headersThere.copyTo(vector('headers'));
    if (this.#headers.length > 0) this.#finishHeaders(vector('headers'));
  }

  #finishHeaders(list: duckdb.Vector): void {
    const total = this.#headers.length;
    duckdb.list_vector_reserve(list, total);
    duckdb.list_vector_set_size(list, total);
    const entry = duckdb.list_vector_get_child(list);
    const keys = duckdb.struct_vector_get_child(entry, 0);
    const values = duckdb.struct_vector_get_child(entry, 1);
    let anyNull = false;
    for (const [i, { key, value }] of this.#headers.entries()) {
      duckdb.vector_assign_string_element(keys, i, key);
      if (value !== null) duckdb.vector_assign_string_element_len(values, i, value);
      else anyNull = true;
    }
    if (anyNull) setNulls(values, this.#headers);
    duckdb.copy_data_to_vector(list, 0, this.#headerEntries.buffer, 0, 16 * this.rows);
  }
}

/** A list's child vector may be longer than a standard one, so its mask is made to measure. */
function setNulls(vector: duckdb.Vector, headers: readonly { value: Buffer | null }[]): void {
  const words = new BigUint64Array(Math.ceil(headers.length / BITS_PER_WORD));
  const bytes = new Uint8Array(words.buffer).fill(0xff);
  for (const [i, { value }] of headers.entries()) if (value === null) bytes[i >> 3]! &= ~(1 << (i & 7));
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, words.buffer, 0, words.byteLength);
}
