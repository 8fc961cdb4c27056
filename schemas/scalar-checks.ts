/**
 * The exact word on one value that is not made of others: what DuckDB is to read for its raw JSON text, or the reason
 * against it. `judge.ts` says which decisions stand behind them.
 */

import type { ValueType } from './column.ts';
import type { PlainType } from './column-types.ts';
import { hasLoneSurrogate } from './json-members.ts';
import type { Reason } from './reasons.ts';

/** Raw JSON text → what DuckDB is to read for it (the same string if that is right), or the reason against it. */
export type ScalarCheck = (raw: string) => { json: string } | { reason: Reason };

/** The check of each plain type. */
export const PLAIN_CHECKS: Record<PlainType, ScalarCheck> = {
  string: checkString,
  timestamp: checkTimestamp,
  int32: (raw) => checkInteger(raw, -(2n ** 31n), 2n ** 31n - 1n),
  int64: (raw) => checkInteger(raw, -(2n ** 63n), 2n ** 63n - 1n),
  number: checkNumber,
  boolean: (raw) => (raw === 'true' || raw === 'false' ? { json: raw } : { reason: 'type' }),
  uuid: checkUuid,
};

type Text = { text: string } | { reason: Reason };

/** A JSON string's value. */
function textOf(raw: string): Text {
  if (raw[0] !== '"') return { reason: 'type' };
  if (hasLoneSurrogate(raw)) return { reason: 'lone surrogate' };
  return { text: raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1) };
}

function checkString(raw: string): ReturnType<ScalarCheck> {
  if (raw[0] !== '"') return { reason: 'type' };
  return hasLoneSurrogate(raw) ? { reason: 'lone surrogate' } : { json: raw };
}

/** RFC 9562 section 4: both cases are read, lower case is written. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function checkUuid(raw: string): ReturnType<ScalarCheck> {
  const found = textOf(raw);
  if ('reason' in found) return found;
  return UUID.test(found.text) ? { json: `"${found.text.toLowerCase()}"` } : { reason: 'uuid' };
}

/** RFC 3339 section 5.6, with the fraction cut at six digits. */
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

function checkTimestamp(raw: string): ReturnType<ScalarCheck> {
  const found = textOf(raw);
  if ('reason' in found) return found;
  const [, year, month, day] = DATE_TIME.exec(found.text) ?? [];
  if (year === undefined || !isCalendarDate(Number(year), Number(month), Number(day))) {
    return { reason: 'time' };
  }
  return { json: `"${found.text.toUpperCase()}"` };
}

/** Whether the Gregorian calendar has the date; years 0 to 9999. */
function isCalendarDate(year: number, month: number, day: number): boolean {
  // The calendar repeats every 400 years; Date.UTC takes years below 100 for 19xx. 31 February becomes 2 March.
  const date = new Date(Date.UTC(2000 + (year % 400), month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

const NUMBER_START = /^[-\d]/;
/** Integers that every type has room for, written as DuckDB reads them. */
const SMALL_INTEGER = /^(?:-?[1-9]\d{0,8}|-?0)$/;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** A number as ±`digits` × 10^`exponent`, the digits without zeros at either end; empty: zero. */
function exactNumber(raw: string): { sign: string; digits: string; exponent: number } {
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = NUMBER.exec(raw) ?? [];
  const written = `${whole}${fraction}`.replace(/^0+/, '');
  const digits = written.replace(/0+$/, '');
  return { sign, digits, exponent: Number(exponentText) - fraction.length + written.length - digits.length };
}

function checkInteger(raw: string, min: bigint, max: bigint): ReturnType<ScalarCheck> {
  if (SMALL_INTEGER.test(raw)) return { json: raw };
  if (!NUMBER_START.test(raw)) return { reason: 'type' };
  const { sign, digits, exponent } = exactNumber(raw);
  if (digits === '') return { json: '0' };
  if (exponent < 0) return { reason: 'not an integer' };
  // 19 digits hold every int64; asked first, because 1e999999999 must not be written out.
  if (digits.length + exponent > 19) return { reason: 'range' };
  const value = BigInt(`${sign}${digits}${'0'.repeat(exponent)}`);
  return value < min || value > max ? { reason: 'range' } : { json: String(value) };
}

function checkNumber(raw: string): ReturnType<ScalarCheck> {
  if (!NUMBER_START.test(raw)) return { reason: 'type' };
  const value = Number(raw);
  if (!Number.isFinite(value)) return { reason: 'range' };
  // DuckDB reads the integer -0 as 0, and the fraction -0.0 as what it is.
  return { json: Object.is(value, -0) ? '-0.0' : String(value) };
}

/** A decimal in a text: digits, and a point between digits. */
const DECIMAL_TEXT = /^-?\d+(?:\.\d+)?$/;

/**
 * The check of a decimal type. What DuckDB reads is a text with exactly `scale` digits after the point, because from a
 * JSON number it would make a double first. Nothing is rounded.
 */
export function decimalCheck({
  precision,
  scale,
  inText,
}: Extract<ValueType, { type: 'decimal' }>): ScalarCheck {
  const zero = `"${decimalText('', '', scale)}"`;
  return (raw) => {
    let number = raw;
    if (inText) {
      const found = textOf(raw);
      if ('reason' in found) return found;
      if (!DECIMAL_TEXT.test(found.text)) return { reason: 'decimal' };
      number = found.text;
    } else if (!NUMBER_START.test(raw)) return { reason: 'type' };
    const { sign, digits, exponent } = exactNumber(number);
    if (digits === '') return { json: zero };
    if (exponent + scale < 0) return { reason: 'scale' };
    if (digits.length + exponent + scale > precision) return { reason: 'range' };
    return { json: `"${decimalText(sign, digits + '0'.repeat(exponent + scale), scale)}"` };
  };
}

function decimalText(sign: string, units: string, scale: number): string {
  const padded = units.padStart(scale + 1, '0');
  const whole = padded.slice(0, padded.length - scale);
  return scale === 0 ? sign + whole : `${sign}${whole}.${padded.slice(-scale)}`;
}
