/**
 * The values of one row, column by column, in the form DuckDB's vectors take them: byte ranges for strings, 64-bit words
 * for everything else. The guard fills it while it walks a message, so a proven row is never parsed a second time; rows
 * that went to the judge are filled from JSON text. Ranges point into the heap: the message's own bytes, then a tail of
 * strings that had to be decoded.
 */
import { COLUMN_TYPES, type ColumnType } from './column-types.ts';
import type { EventSchema } from './event-schema.ts';
import { membersOf } from './json-members.ts';

const TWO_32 = 0x1_0000_0000;
const FIRST_TAIL_BYTES = 4 * 1024;
const MICROSECONDS = 1_000_000n;

export class RowSlots {
  readonly types: readonly ColumnType[];
  readonly #columns: ReadonlyMap<string, number>;
  /** 1: the column is carried as text, its words are a range. A decimal is its digits, a nested value canonical JSON. */
  readonly isText: Uint8Array;
  /** 1: the column has a value in this row. */
  readonly there: Uint8Array;
  /** Strings: start in the heap and length. Others: the low and the high half of the 64-bit value. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Decoded strings of this row; the heap is the message followed by these. */
  tail: Buffer = Buffer.allocUnsafe(FIRST_TAIL_BYTES);
  tailLength = 0;
  readonly #double = new Float64Array(1);
  readonly #doubleWords = new Int32Array(this.#double.buffer);

  constructor({ columns }: Pick<EventSchema, 'columns'>) {
    this.types = columns.map(({ type }) => type);
    this.#columns = new Map(columns.map(({ name }, i) => [name, i]));
    this.isText = Uint8Array.from(columns, ({ type }) => (COLUMN_TYPES[type].carried === 'text' ? 1 : 0));
    this.there = new Uint8Array(columns.length);
    this.first = new Int32Array(columns.length);
    this.second = new Int32Array(columns.length);
  }

  /** Forgets the row before. */
  clear(): void {
    this.there.fill(0);
    this.tailLength = 0;
  }

  /** A string that stands in the message as it is. */
  setRange(column: number, start: number, length: number): void {
    this.there[column] = 1;
    this.first[column] = start;
    this.second[column] = length;
  }

  /** The row is the message itself: a raw table's only column. */
  setWhole(length: number): void {
    this.clear();
    this.setRange(0, 0, length);
  }

  /** A string that had to be decoded; `messageLength` is where the tail begins. */
  setDecoded(column: number, text: string, messageLength: number): void {
    const length = Buffer.byteLength(text);
    if (this.tailLength + length > this.tail.length) {
      const grown = Buffer.allocUnsafe(2 * (this.tailLength + length));
      this.tail.copy(grown, 0, 0, this.tailLength);
      this.tail = grown;
    }
    this.tail.write(text, this.tailLength);
    this.setRange(column, messageLength + this.tailLength, length);
    this.tailLength += length;
  }

  /** An integer that a double holds exactly: int32, int64, microseconds, or 0 and 1 for a boolean. */
  setInteger(column: number, value: number): void {
    this.there[column] = 1;
    this.first[column] = value; // an Int32Array keeps the low 32 bits of any exact integer
    this.second[column] = Math.floor(value / TWO_32);
  }

  setBigInteger(column: number, value: bigint): void {
    this.there[column] = 1;
    this.first[column] = Number(BigInt.asIntN(32, value));
    this.second[column] = Number(BigInt.asIntN(32, value >> 32n));
  }

  setDouble(column: number, value: number): void {
    this.#double[0] = value;
    this.there[column] = 1;
    this.first[column] = this.#doubleWords[0]!;
    this.second[column] = this.#doubleWords[1]!;
  }

  /** Fills the row from canonical JSON text, as the judge hands it on; members that are no columns are passed over. */
  fillFromJson(text: string): void {
    this.clear();
    for (const { name, raw } of membersOf(text)) {
      const column = this.#columns.get(name);
      if (column !== undefined && raw !== 'null') this.#fill(column, raw);
    }
  }

  #fill(column: number, raw: string): void {
    const type = this.types[column];
    if (type === 'string') this.setDecoded(column, JSON.parse(raw) as string, 0);
    else if (type === 'uuid' || type === 'decimal') this.setDecoded(column, raw.slice(1, -1), 0);
    else if (this.isText[column] === 1) this.setDecoded(column, raw, 0);
    else if (type === 'timestamp') this.setBigInteger(column, exactMicroseconds(raw.slice(1, -1)));
    else if (type === 'number') this.setDouble(column, Number(raw));
    else if (type === 'boolean') this.setInteger(column, raw === 'true' ? 1 : 0);
    else this.setBigInteger(column, BigInt(raw));
  }
}

/** Microseconds since 1970 of a date-time in canonical form, exact for every year from 0 to 9999. */
export function exactMicroseconds(text: string): bigint {
  const [, fraction = '', zone = ''] = /^(?:\.(\d+))?(.+)$/.exec(text.slice(19)) ?? [];
  const seconds = BigInt(Date.parse(text.slice(0, 19) + zone) / 1_000);
  return seconds * MICROSECONDS + BigInt(fraction.padEnd(6, '0'));
}
