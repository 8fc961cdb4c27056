/**
 * Proposes a schema from events that were seen. It is a proposal: a sample proves nothing of the events to come, so only
 * the event time is required, and a member that had several types, or none, is left out and said to be: its values are
 * kept in `_extra` until somebody decides.
 */
import { COLUMN_NAME, isObject, PATH_COLUMNS } from './column-file.ts';
import { PLAIN_CHECKS } from './scalar-checks.ts';

type Kind = 'string' | 'time' | 'uuid' | 'integer' | 'number' | 'boolean' | 'object' | 'array';

/** What was seen in one place. */
interface Seen {
  values: number;
  nulls: number;
  kinds: Set<Kind>;
  fields: Map<string, Seen>;
  items: Seen | undefined;
}

/** An object with more different members than this has its data in their names: it is proposed as a map. */
const MAX_FIELDS = 64;
/** Members of the root beyond these are left out, and levels of nesting. */
const [MAX_COLUMNS, MAX_DEPTH] = [500, 12];
/** Names that an event time bears more often than others, likeliest first. */
const TIME_NAMES = ['event_time', 'timestamp', 'time', 'ts', 'occurred_at', 'created_at', 'at'];
const INT64_LIMIT = 2 ** 63;

/** No member can tell the time of the events: they could not be sorted into hours. */
export class NoEventTime extends Error {
  override name = 'NoEventTime';
}

export interface Proposal {
  /** The schema file's JSON. */
  schema: Record<string, unknown>;
  /** What was left out, and why. */
  notes: string[];
}

export class SchemaGuess {
  readonly #root = nothing();
  /** Events looked at, and values that are no JSON object. */
  events = 0;
  others = 0;

  /** Looks at the value of one record. */
  add(value: Buffer | null): void {
    let event: unknown;
    try {
      event = JSON.parse(value?.toString('utf8') ?? '');
    } catch {
      event = undefined;
    }
    if (!isObject(event)) {
      this.others++;
      return;
    }
    this.events++;
    see(this.#root, event, 0);
  }

  /** The proposal; `eventTime` names the member that tells the time, else the likeliest is taken. Throws NoEventTime. */
  propose(eventTime?: string): Proposal {
    const notes: string[] = [];
    if (this.others > 0)
      notes.push(`${this.others} of ${this.events + this.others} values are no JSON object`);
    const time = this.#eventTime(eventTime);
    const fields = [...this.#root.fields].sort(([a], [b]) => Number(b === time) - Number(a === time));
    if (fields.length > MAX_COLUMNS) notes.push(`more than ${MAX_COLUMNS} members; the others are left out`);
    const properties = propertiesOf(fields.slice(0, MAX_COLUMNS), '', notes);
    return {
      schema: {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $comment: `proposed from ${this.events} events; look it through before use`,
        type: 'object',
        'x-event-time': time,
        required: [time],
        properties,
      },
      notes,
    };
  }

  #eventTime(wanted: string | undefined): string {
    const isTime = (seen: Seen) => kindOf(seen) === 'time' && seen.nulls === 0 && seen.values === this.events;
    const times = [...this.#root.fields].filter(([, seen]) => isTime(seen)).map(([name]) => name);
    const found = wanted ?? TIME_NAMES.find((name) => times.includes(name)) ?? times[0];
    if (found !== undefined && times.includes(found)) return found;
    const which = wanted === undefined ? 'no member is' : `${wanted} is not`;
    const there = times.length === 0 ? '' : `; these are: ${times.join(', ')}`;
    throw new NoEventTime(
      `${which} an RFC 3339 date-time with an offset in every event${there}: without one a topic has no schema and is` +
        ' loaded raw, by the time of its records',
    );
  }
}

function nothing(): Seen {
  return { values: 0, nulls: 0, kinds: new Set(), fields: new Map(), items: undefined };
}

function see(seen: Seen, value: unknown, depth: number): void {
  if (value === null) {
    seen.nulls++;
    return;
  }
  seen.values++;
  const kind = kindOfValue(value);
  seen.kinds.add(kind);
  if (depth > MAX_DEPTH) return;
  if (Array.isArray(value)) {
    seen.items ??= nothing();
    for (const item of value) see(seen.items, item, depth + 1);
  } else if (isObject(value))
    for (const [name, member] of Object.entries(value)) {
      let field = seen.fields.get(name);
      if (field === undefined) seen.fields.set(name, (field = nothing()));
      see(field, member, depth + 1);
    }
}

function kindOfValue(value: unknown): Kind {
  if (typeof value === 'string') {
    const raw = JSON.stringify(value);
    if ('json' in PLAIN_CHECKS.timestamp(raw)) return 'time';
    return 'json' in PLAIN_CHECKS.uuid(raw) ? 'uuid' : 'string';
  }
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < INT64_LIMIT ? 'integer' : 'number';
  if (typeof value === 'boolean') return 'boolean';
  return Array.isArray(value) ? 'array' : 'object';
}

/** The one kind that holds all that was seen; undefined: there is none. */
function kindOf({ kinds }: Seen): Kind | undefined {
  const [first, ...others] = kinds;
  if (others.length === 0) return first;
  const all = [...kinds];
  if (all.every((kind) => kind === 'string' || kind === 'time' || kind === 'uuid')) return 'string';
  return all.every((kind) => kind === 'integer' || kind === 'number') ? 'number' : undefined;
}

function propertiesOf(
  fields: Iterable<[string, Seen]>,
  path: string,
  notes: string[],
): Record<string, object> {
  const properties: Record<string, object> = {};
  const folded = new Set<string>();
  for (const [name, seen] of fields) {
    const place = path + name.toWellFormed();
    const isTwin = folded.has(name.toLowerCase());
    const isPath = path === '' && PATH_COLUMNS.includes(name.toLowerCase());
    if (!COLUMN_NAME.test(name) || isTwin || isPath) {
      notes.push(`${place}: left out, ${isTwin ? 'another differs only in case' : 'no name for a column'}`);
      continue;
    }
    const property = propertyOf(seen, place, notes);
    if (property === undefined) continue;
    folded.add(name.toLowerCase());
    properties[name] = property;
  }
  return properties;
}

const PLAIN: Partial<Record<Kind, { type: string; format?: string }>> = {
  string: { type: 'string' },
  time: { type: 'string', format: 'date-time' },
  uuid: { type: 'string', format: 'uuid' },
  integer: { type: 'integer' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
};

function propertyOf(seen: Seen, place: string, notes: string[]): object | undefined {
  const leaveOut = (why: string) => void notes.push(`${place}: left out, ${why}`);
  const kind = kindOf(seen);
  if (seen.kinds.size === 0) return leaveOut('nothing but null was seen');
  if (kind === undefined) return leaveOut(`of several types: ${[...seen.kinds].join(', ')}`);
  if (kind === 'array') {
    const items = seen.items === undefined ? undefined : elementOf(seen.items, `${place}[]`, notes);
    return items === undefined ? leaveOut('no type for its elements') : { type: 'array', items };
  }
  if (kind === 'object') return objectOf(seen, place, notes);
  return PLAIN[kind];
}

/** An object whose members have names that no column can have, or too many, is a map, if one type holds their values. */
function objectOf(seen: Seen, place: string, notes: string[]): object | undefined {
  const isMap =
    seen.fields.size > MAX_FIELDS || [...seen.fields.keys()].some((name) => !COLUMN_NAME.test(name));
  if (isMap) {
    const all = nothing();
    for (const field of seen.fields.values()) merge(all, field);
    const values = elementOf(all, `${place}{}`, notes);
    if (values !== undefined) return { type: 'object', additionalProperties: values };
  }
  const properties = propertiesOf(seen.fields, `${place}.`, notes);
  if (Object.keys(properties).length > 0) return { type: 'object', properties };
  notes.push(`${place}: left out, no members with a type`);
  return undefined;
}

/** An element of a list or a value of a map: null must be said to be allowed. */
function elementOf(seen: Seen, place: string, notes: string[]): object | undefined {
  const property = propertyOf(seen, place, notes) as { type: string } | undefined;
  if (property === undefined || seen.nulls === 0) return property;
  return { ...property, type: [property.type, 'null'] };
}

function merge(into: Seen, from: Seen): void {
  into.values += from.values;
  into.nulls += from.nulls;
  for (const kind of from.kinds) into.kinds.add(kind);
  if (from.items !== undefined) merge((into.items ??= nothing()), from.items);
  for (const [name, field] of from.fields) {
    let known = into.fields.get(name);
    if (known === undefined) into.fields.set(name, (known = nothing()));
    merge(known, field);
  }
}
