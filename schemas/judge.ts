/**
 * The exact word on one event: accepted with its time, or refused with a reason. It is asked wherever the guard could
 * not prove a row, so it must be right about everything JSON allows and may be slower.
 *
 * Decisions, where JSON, RFC 3339 and DuckDB's `from_json` leave room:
 * - `1.0`, `2e2` are integers; they and every other form that `from_json` would read differently (an escaped member name,
 *   `t` or `z` in lower case, -0 in a double, more digits than a double holds) are handed on in canonical form.
 * - second 60 and hour 24 are refused (`time`): the table's time has no leap seconds.
 * - null in an optional member is an absent member; in a required one it is `missing`.
 * - a number too small for a double becomes 0, as in every JSON reader; one too large is `range`.
 * - members that the schema doesn't know go to `_extra` exactly as written, in their order, repeated ones too: nothing
 *   is rounded and nothing is dropped. A lone surrogate is refused there as well, because no reader could take it.
 */
import { isUtf8 } from 'node:buffer';
import type { ColumnType } from './column-types.ts';
import type { Column, EventSchema } from './event-schema.ts';
import type { EventBounds } from './guard.ts';
import { hasLoneSurrogate, membersOf } from './json-members.ts';
import type { Reason } from './reasons.ts';

/**
 * The judge's answer. `timeUs`: event time, µs since 1970. `json`: what DuckDB is to read instead of the value, undefined
 * when the value itself is right. `extra`: the unknown members as one JSON object. `field`: the member that is at fault,
 * null when it is the value as a whole.
 */
export type Verdict =
  | { ok: true; timeUs: number; json: Buffer | undefined; extra: string | null }
  | { ok: false; reason: Reason; field: string | null };

/** Judges the value of one record. Never throws on account of its bytes. */
export type Judge = (value: Buffer) => Verdict;

/** A member's raw JSON text → what DuckDB is to read for it (the same string if that is right), or the reason against it. */
type Check = (raw: string) => { json: string } | { reason: Reason };

const CHECKS: Record<ColumnType, Check> = {
  string: checkString,
  timestamp: checkTimestamp,
  int32: (raw) => checkInteger(raw, -(2n ** 31n), 2n ** 31n - 1n),
  int64: (raw) => checkInteger(raw, -(2n ** 63n), 2n ** 63n - 1n),
  number: checkNumber,
  boolean: (raw) => (raw === 'true' || raw === 'false' ? { json: raw } : { reason: 'type' }),
};

/** Makes the judge of a schema. Bounds are inclusive. */
export function compileJudge(schema: EventSchema, bounds: EventBounds): Judge {
  const known = new Set(schema.columns.map(({ name }) => name));
  return (value) => {
    const text = objectText(value);
    if (typeof text !== 'string') return text;
    const sorted = sortMembers(text, known);
    if ('reason' in sorted) return sorted;
    const row = checkColumns(schema, sorted.members);
    if ('reason' in row) return row;
    const { timeUs } = row;
    if (!(timeUs >= bounds.minTimeUs && timeUs <= bounds.maxTimeUs)) {
      return refuse('time out of bounds', schema.eventTime);
    }
    const json = row.changed || sorted.escapedName ? Buffer.from(`{${row.json.join()}}`) : undefined;
    return { ok: true, timeUs, json, extra: sorted.extra };
  };
}

function refuse(reason: Reason, field: string | null = null) {
  return { ok: false, reason, field } as const;
}

/** The value as text, if it is one JSON object in UTF-8. */
function objectText(value: Buffer): string | ReturnType<typeof refuse> {
  if (!isUtf8(value)) return refuse('not utf-8');
  const text = value.toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refuse('not json');
  }
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  return isObject ? text : refuse('not an object');
}

/** Parts the members into those that are columns (name → raw value) and the rest, kept as written. */
function sortMembers(text: string, known: Set<string>) {
  const members = new Map<string, string>();
  const extras: string[] = [];
  let escapedName = false;
  for (const { name, rawName, raw } of membersOf(text)) {
    if (known.has(name)) {
      if (members.has(name)) return refuse('repeated', name);
      members.set(name, raw);
      escapedName ||= rawName.length !== name.length + 2;
    } else if (hasLoneSurrogate(rawName) || hasLoneSurrogate(raw)) {
      return refuse('lone surrogate', name.toWellFormed());
    } else {
      extras.push(`${rawName}:${raw}`);
    }
  }
  return { members, escapedName, extra: extras.length === 0 ? null : `{${extras.join()}}` };
}

function checkColumns(schema: EventSchema, members: Map<string, string>) {
  const json: string[] = [];
  let changed = false;
  let timeUs = Number.NaN;
  for (const column of schema.columns) {
    const raw = members.get(column.name);
    if (raw === undefined || raw === 'null') {
      if (column.required) return refuse('missing', column.name);
      continue;
    }
    const checked = CHECKS[column.type](raw);
    if ('reason' in checked) return refuse(checked.reason, column.name);
    changed ||= checked.json !== raw;
    json.push(memberText(column, checked.json));
    if (column.name === schema.eventTime) timeUs = microseconds(checked.json.slice(1, -1));
  }
  return { json, changed, timeUs };
}

function memberText({ name }: Column, json: string): string {
  return `"${name}":${json}`;
}

function checkString(raw: string): ReturnType<Check> {
  if (raw[0] !== '"') return { reason: 'type' };
  return hasLoneSurrogate(raw) ? { reason: 'lone surrogate' } : { json: raw };
}

/** RFC 3339 section 5.6, with the fraction cut at six digits. */
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

function checkTimestamp(raw: string): ReturnType<Check> {
  if (raw[0] !== '"') return { reason: 'type' };
  if (hasLoneSurrogate(raw)) return { reason: 'lone surrogate' };
  const text = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
  const [, year, month, day] = DATE_TIME.exec(text) ?? [];
  if (year === undefined || !isCalendarDate(Number(year), Number(month), Number(day))) {
    return { reason: 'time' };
  }
  return { json: `"${text.toUpperCase()}"` };
}

/** Whether the Gregorian calendar has the date; years 0 to 9999. */
function isCalendarDate(year: number, month: number, day: number): boolean {
  // The calendar repeats every 400 years; Date.UTC takes years below 100 for 19xx. 31 February becomes 2 March.
  const date = new Date(Date.UTC(2000 + (year % 400), month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** Microseconds since 1970 of a canonical date-time; exact from 1685 to 2255, where a double holds them. */
function microseconds(text: string): number {
  const afterSeconds = text.slice(19);
  const [, fraction = '', zone = ''] = /^(?:\.(\d+))?(.+)$/.exec(afterSeconds) ?? [];
  return Date.parse(text.slice(0, 19) + zone) * 1000 + Number(fraction.padEnd(6, '0'));
}

const NUMBER_START = /^[-\d]/;
/** Integers that every type has room for, written as DuckDB reads them. */
const SMALL_INTEGER = /^(?:-?[1-9]\d{0,8}|-?0)$/;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

function checkInteger(raw: string, min: bigint, max: bigint): ReturnType<Check> {
  if (SMALL_INTEGER.test(raw)) return { json: raw };
  if (!NUMBER_START.test(raw)) return { reason: 'type' };
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = DECIMAL.exec(raw) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return { json: '0' };
  const exponent = Number(exponentText) - fraction.length + digits.length - significant.length;
  if (exponent < 0) return { reason: 'not an integer' };
  // 19 digits hold every int64; asked first, because 1e999999999 must not be written out.
  if (significant.length + exponent > 19) return { reason: 'range' };
  const value = BigInt(`${sign}${significant}${'0'.repeat(exponent)}`);
  return value < min || value > max ? { reason: 'range' } : { json: String(value) };
}

function checkNumber(raw: string): ReturnType<Check> {
  if (!NUMBER_START.test(raw)) return { reason: 'type' };
  const value = Number(raw);
  if (!Number.isFinite(value)) return { reason: 'range' };
  // DuckDB reads the integer -0 as 0, and the fraction -0.0 as what it is.
  return { json: Object.is(value, -0) ? '-0.0' : String(value) };
}
