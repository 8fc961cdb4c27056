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
 * - a UUID is handed on in lower case. A decimal has as many digits after the point as its type: fewer are filled up, more
 *   are refused unless they are zeros.
 * - null in a list or a map is kept if the schema says so, else refused; a struct whose optional fields are all absent is a
 *   struct of nulls, not null.
 * - members that the schema doesn't know go to `_extra` exactly as written, in their order, repeated ones too: nothing
 *   is rounded and nothing is dropped. A lone surrogate is refused there as well, because no reader could take it.
 *   If they are inside a nested column, the whole value of that column goes there, as written, beside what it knows.
 */
import { isUtf8 } from 'node:buffer';
import type { EventSchema } from './event-schema.ts';
import type { EventBounds } from './guard.ts';
import { hasLoneSurrogate, membersOf } from './json-members.ts';
import type { Reason } from './reasons.ts';
import { type ValueCheck, valueCheck } from './value-check.ts';

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

/** Makes the judge of a schema. Bounds are inclusive. */
export function compileJudge(schema: EventSchema, bounds: EventBounds): Judge {
  const known = new Set(schema.columns.map(({ name }) => name));
  const columns = schema.columns.map((column) => ({
    name: column.name,
    required: column.required,
    check: valueCheck(column, column.name),
  }));
  return (value) => {
    const text = objectText(value);
    if (typeof text !== 'string') return text;
    const sorted = sortMembers(text, known);
    if ('reason' in sorted) return sorted;
    const row = checkColumns(columns, sorted.members);
    if ('reason' in row) return refuse(row.reason, row.field);
    const time = row.values.get(schema.eventTime)!;
    const timeUs = microseconds(time.slice(1, -1));
    if (!(timeUs >= bounds.minTimeUs && timeUs <= bounds.maxTimeUs)) {
      return refuse('time out of bounds', schema.eventTime);
    }
    const isPlain = !row.changed && !sorted.escapedName;
    const json = isPlain ? undefined : Buffer.from(canonical([...row.values]));
    return { ok: true, timeUs, json, extra: extraText([...row.unknown, ...sorted.extras]) };
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
  return { members, escapedName, extras };
}

interface CheckedColumn {
  name: string;
  required: boolean;
  check: ValueCheck;
}

/** The columns' values by name; `unknown`: whole nested values, as written, that have members the schema doesn't know. */
function checkColumns(columns: readonly CheckedColumn[], members: Map<string, string>) {
  const values = new Map<string, string>();
  const unknown: string[] = [];
  let changed = false;
  for (const { name, required, check } of columns) {
    const raw = members.get(name);
    if (raw === undefined || raw === 'null') {
      if (required) return { reason: 'missing', field: name } as const;
      continue;
    }
    const checked = check(raw);
    if ('reason' in checked) return checked;
    changed ||= checked.json !== raw;
    values.set(name, checked.json);
    if (checked.hasUnknown) unknown.push(`"${name}":${raw}`);
  }
  return { values, changed, unknown };
}

const canonical = (values: readonly (readonly [name: string, json: string])[]) =>
  `{${values.map(([name, json]) => `"${name}":${json}`).join()}}`;

const extraText = (members: readonly string[]) => (members.length === 0 ? null : `{${members.join()}}`);

/** Microseconds since 1970 of a canonical date-time; exact from 1685 to 2255, where a double holds them. */
function microseconds(text: string): number {
  const afterSeconds = text.slice(19);
  const [, fraction = '', zone = ''] = /^(?:\.(\d+))?(.+)$/.exec(afterSeconds) ?? [];
  return Date.parse(text.slice(0, 19) + zone) * 1000 + Number(fraction.padEnd(6, '0'));
}
