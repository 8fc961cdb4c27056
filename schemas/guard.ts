/**
 * The guard: proves in one walk over a message's bytes that it is a row of its schema and finds its event time, without
 * making a string or an object of it (nested values and decimals excepted). A proof means: one JSON object with nothing but known members, none twice, every required
 * one there, every value of exactly the column's type and in its range, written so that its value is
 * plain to see. Whatever it can't prove (unknown members, exponents, lone surrogates, plain faults) is left to the judge;
 * a guard never refuses. Measured in docs/design.md; it is the loader's innermost loop, hence the numbers for bytes.
 *
 * Reading past `end` is harmless: positions only grow, and the proof ends with "the walk stopped exactly at `end`".
 */
import { isUtf8 } from 'node:buffer';
import { ByteWalk } from './byte-walk.ts';
import type { ColumnType } from './column-types.ts';
import type { EventSchema } from './event-schema.ts';
import { MemberNames } from './member-names.ts';
import { exactMicroseconds, RowSlots } from './row-slots.ts';
import { type ValueCheck, valueCheck } from './value-check.ts';

/** Event times that are accepted: `min <= time <= max`, microseconds since 1970. */
export interface EventBounds {
  minTimeUs: number;
  maxTimeUs: number;
}

/** Event time in microseconds since 1970 if `bytes[start, end)` is proven a row of the schema; else NaN: ask the judge. */
export type Guard = (bytes: Buffer, start: number, end: number) => number;

const KINDS = {
  string: 0,
  timestamp: 1,
  int32: 2,
  int64: 3,
  number: 4,
  boolean: 5,
  uuid: 7,
  decimal: 8,
  struct: 9,
  list: 9,
  map: 9,
} as const satisfies Record<ColumnType, number>;
const EVENT_TIME = 6;
/** A UUID's text: 1 hexadecimal digit in lower case, 2 hyphen. */
const UUID_CHARACTERS = Uint8Array.from({ length: 36 }, (_, i) => ([8, 13, 18, 23].includes(i) ? 2 : 1));
const LOWER_HEX = Uint8Array.from({ length: 256 }, (_, c) => {
  const character = String.fromCharCode(c);
  return character === '-' ? 2 : Number(/[0-9a-f]/.test(character));
});

/**
 * Makes the guard of a schema. It keeps state between calls: not to be shared between threads. After a proof `slots` holds
 * the row's values, its string ranges counted from `start`.
 */
export function compileGuard(
  schema: EventSchema,
  bounds: EventBounds,
  slots: RowSlots = new RowSlots(schema),
): Guard {
  const { minTimeUs, maxTimeUs } = bounds;
  const rows = new RowWalk(schema, slots);
  return (bytes, start, end) => {
    if (!rows.prove(bytes, start, end)) return Number.NaN;
    const { timeUs } = rows;
    return timeUs >= minTimeUs && timeUs <= maxTimeUs ? timeUs : Number.NaN;
  };
}

/** The walk over the members of one row, compiled from a schema into tables. */
class RowWalk {
  timeUs = Number.NaN;
  readonly #names: MemberNames;
  readonly #kinds: Uint8Array;
  /** For the kinds whose values are cut out and checked as texts. */
  readonly #checks: readonly (ValueCheck | undefined)[];
  readonly #required: Uint8Array;
  readonly #requiredCount: number;
  /** The number of the row in which a column was last seen: tells repeats without clearing anything. */
  readonly #seenIn: Float64Array;
  #row = 0;
  readonly #walk = new ByteWalk();
  readonly #slots: RowSlots;
  #start = 0;
  #length = 0;

  constructor({ columns, eventTime }: EventSchema, slots: RowSlots) {
    this.#slots = slots;
    this.#names = new MemberNames(columns.map(({ name }) => name));
    this.#kinds = Uint8Array.from(columns, ({ name, type }) =>
      name === eventTime ? EVENT_TIME : KINDS[type],
    );
    this.#checks = columns.map((column) =>
      KINDS[column.type] >= KINDS.decimal ? valueCheck(column, column.name) : undefined,
    );
    this.#required = Uint8Array.from(columns, ({ required }) => (required ? 1 : 0));
    this.#requiredCount = columns.filter(({ required }) => required).length;
    this.#seenIn = new Float64Array(columns.length);
  }

  prove(bytes: Buffer, start: number, end: number): boolean {
    const walk = this.#walk;
    walk.begin(bytes, start, end);
    this.#slots.clear();
    this.#start = start;
    this.#length = end - start;
    this.#row++;
    if (!walk.take(0x7b)) return false;
    let missing = this.#requiredCount;
    let column = -1;
    do {
      column = this.#member(column);
      if (column < 0) return false;
      missing -= this.#required[column]!;
    } while (walk.take(0x2c));
    if (!walk.take(0x7d) || !walk.isDone() || missing !== 0) return false;
    return !walk.sawHighByte || isUtf8(bytes.subarray(start, end));
  }

  /** Takes one member and returns its column; -1: not proven. `previous` is the column before it, -1 at the start. */
  #member(previous: number): number {
    const walk = this.#walk;
    if (!walk.take(0x22)) return -1;
    const column = this.#names.find(walk.bytes, walk.view, walk.at, walk.end, previous);
    if (column < 0 || this.#seenIn[column] === this.#row) return -1;
    this.#seenIn[column] = this.#row;
    walk.at += this.#names.lengthOf(column) + 1;
    if (!walk.take(0x3a)) return -1;
    return this.#value(column) ? column : -1;
  }

  #value(column: number): boolean {
    const walk = this.#walk;
    walk.space();
    if (walk.bytes[walk.at] === 0x6e) return this.#required[column] === 0 && walk.takeNull();
    switch (this.#kinds[column]) {
      case 0:
        return this.#string(column);
      case 1:
        return this.#time(column);
      case 2:
        return this.#int32(column);
      case 3:
        return this.#int64(column);
      case 4:
        return this.#number(column);
      case 5:
        return this.#boolean(column);
      case EVENT_TIME:
        if (!this.#time(column)) return false;
        this.timeUs = walk.number;
        return true;
      default:
        return this.#checked(column);
    }
  }

  /** The kinds without a lane of their own: out of line, so that the switch above stays small. */
  #checked(column: number): boolean {
    const kind = this.#kinds[column];
    if (kind === KINDS.uuid) return this.#uuid(column);
    return kind === KINDS.decimal ? this.#decimal(column) : this.#nested(column);
  }

  #uuid(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at + 1;
    if (!walk.takeString() || walk.sawEscape || walk.at - 1 - first !== UUID_CHARACTERS.length) return false;
    for (let i = 0; i < UUID_CHARACTERS.length; i++)
      if (LOWER_HEX[walk.bytes[first + i]!] !== UUID_CHARACTERS[i]) return false;
    this.#slots.setRange(column, first - this.#start, UUID_CHARACTERS.length);
    return true;
  }

  #decimal(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at;
    if (!(walk.bytes[first] === 0x22 ? walk.takeString() : walk.takeNumber())) return false;
    const checked = this.#checks[column]!(this.#text(first, 'utf8'));
    if ('reason' in checked) return false;
    this.#slots.setDecoded(column, checked.json.slice(1, -1), this.#length);
    return true;
  }

  /** A nested value is cut out, read as JSON and checked as the judge would; the rest of the row keeps the fast lane. */
  #nested(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at;
    if (!walk.skipNested()) return false;
    const text = this.#text(first, 'utf8');
    try {
      JSON.parse(text);
    } catch {
      return false;
    }
    const checked = this.#checks[column]!(text);
    if ('reason' in checked || checked.hasUnknown) return false;
    this.#slots.setDecoded(column, checked.json, this.#length);
    return true;
  }

  #string(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at + 1;
    if (!walk.takeString()) return false;
    if (!walk.sawEscape) this.#slots.setRange(column, first - this.#start, walk.at - 1 - first);
    else this.#slots.setDecoded(column, JSON.parse(this.#text(first - 1, 'utf8')) as string, this.#length);
    return true;
  }

  #time(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at + 1;
    if (!walk.takeTime()) return false;
    if (isExact(walk.number)) this.#slots.setInteger(column, walk.number);
    else this.#slots.setBigInteger(column, exactMicroseconds(this.#text(first, 'latin1').slice(0, -1)));
    return true;
  }

  #int32(column: number): boolean {
    const walk = this.#walk;
    if (!walk.takeInteger(10) || walk.number < -2147483648 || walk.number > 2147483647) return false;
    this.#slots.setInteger(column, walk.number);
    return true;
  }

  #int64(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at;
    if (!walk.takeInteger(18)) return false;
    if (isExact(walk.number)) this.#slots.setInteger(column, walk.number);
    else this.#slots.setBigInteger(column, BigInt(this.#text(first, 'latin1')));
    return true;
  }

  #number(column: number): boolean {
    const walk = this.#walk;
    const first = walk.at;
    if (!walk.takeNumber()) return false;
    this.#slots.setDouble(column, Number(this.#text(first, 'latin1')));
    return true;
  }

  #boolean(column: number): boolean {
    const walk = this.#walk;
    const isTrue = walk.bytes[walk.at] === 0x74;
    if (!walk.takeBoolean()) return false;
    this.#slots.setInteger(column, isTrue ? 1 : 0);
    return true;
  }

  /** The text from `first` to where the walk stands. */
  #text(first: number, encoding: 'latin1' | 'utf8'): string {
    const { buffer, byteOffset } = this.#walk.bytes;
    return Buffer.from(buffer, byteOffset + first, this.#walk.at - first).toString(encoding);
  }
}

/** Whether a sum of digits, taken as a double, is still the number written. */
function isExact(value: number): boolean {
  return value < Number.MAX_SAFE_INTEGER && value > -Number.MAX_SAFE_INTEGER;
}
