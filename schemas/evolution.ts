/**
 * What changed between two versions of a schema, and whether it may. Three questions are kept apart: can the new version
 * read what was written for the old one (backward), can a loader that still has the old one read what is written for the
 * new one (forward), and do the files of both remain one table. The last has no level: files stay for years, Hive finds
 * columns by position, and no reader is told that a name once meant something else.
 */
import { type Column, type Item, isNested, typeName, type ValueType } from './column.ts';
import type { EventSchema } from './event-schema.ts';

/** What may be asked of a change. `full`: both. */
export const LEVELS = ['backward', 'forward', 'full'] as const;
export type Level = (typeof LEVELS)[number];

interface Rule {
  backward: boolean;
  forward: boolean;
  /** Files of both versions are one table to every reader. */
  files: boolean;
  why: string;
  /** What to do instead; empty if the change may be made. */
  instead: string;
}

const BY_POSITION = 'Hive finds columns by their position, so values would be read under other names';

/** Each kind of change. `{…}` is filled in. */
export const CHANGES = {
  'added at the end': {
    backward: true,
    forward: true,
    files: true,
    why: 'old files read as null there; loaders with the old version keep it in _extra',
    instead: '',
  },
  'added as required': {
    backward: false,
    forward: true,
    files: true,
    why: 'events written before lack it and would be refused, and old files read as null there',
    instead: 'add it as an optional member',
  },
  'added between others': {
    backward: true,
    forward: true,
    files: false,
    why: BY_POSITION,
    instead: 'put it behind {last}',
  },
  renamed: {
    backward: false,
    forward: false,
    files: false,
    why: 'files and events written before have it as {old}: {new} would read as null in them, and {old} is lost to queries',
    instead:
      'keep {old}, add {new} as an optional member at the end, have producers fill both, and read coalesce({new}, {old})',
  },
  removed: {
    backward: true,
    forward: true,
    files: false,
    why: `${BY_POSITION}; queries that name it would fail`,
    instead: 'leave it in the schema and have producers stop sending it: it becomes null',
  },
  'removed though required': {
    backward: true,
    forward: false,
    files: false,
    why: `loaders with the old version refuse events without it; ${BY_POSITION}`,
    instead: 'leave it in the schema, and make it optional first',
  },
  moved: {
    backward: true,
    forward: true,
    files: false,
    why: BY_POSITION,
    instead: 'keep the order of the old version',
  },
  narrowed: {
    backward: false,
    forward: true,
    files: false,
    why: 'values written before may not fit {new}, and old files hold {old}',
    instead: 'keep {old}, or add an optional member of type {new} under another name at the end',
  },
  widened: {
    backward: true,
    forward: false,
    files: false,
    why: 'old files hold {old}, which Spark and Hive do not read as {new}; loaders with the old version refuse greater values',
    instead: 'add an optional member of type {new} under another name at the end',
  },
  restricted: {
    backward: false,
    forward: true,
    files: true,
    why: 'texts written before may be no {new}; the files are alike',
    instead: 'keep {old} unless nothing else was ever written',
  },
  loosened: {
    backward: true,
    forward: false,
    files: true,
    why: 'loaders with the old version refuse texts that are no {old}; the files are alike',
    instead: 'put the new version in use before producers send other texts',
  },
  'of another type': {
    backward: false,
    forward: false,
    files: false,
    why: 'a {old} is not read as a {new}, neither in events nor in files',
    instead: 'add an optional member of type {new} under another name at the end',
  },
  'made required': {
    backward: false,
    forward: true,
    files: true,
    why: 'events written before may lack it and would be refused, and old files may have null there',
    instead: 'leave it optional; have producers always send it',
  },
  'made optional': {
    backward: true,
    forward: false,
    files: true,
    why: 'loaders with the old version refuse events without it',
    instead: 'put the new version in use before producers leave it out',
  },
  'no longer null': {
    backward: false,
    forward: true,
    files: true,
    why: 'events written before may have null there and would be refused',
    instead: 'leave null allowed',
  },
  'null allowed': {
    backward: true,
    forward: false,
    files: true,
    why: 'loaders with the old version refuse null there',
    instead: 'put the new version in use before producers send null',
  },
  'another event time': {
    backward: false,
    forward: false,
    files: false,
    why: 'the hours of what is loaded were decided by {old}',
    instead: 'keep {old} as the event time, or begin a new topic',
  },
} as const satisfies Record<string, Rule>;

/** One change: the column or the place inside it, what happened, and what to think of it. */
export interface Change extends Rule {
  column: string;
  change: keyof typeof CHANGES;
}

/** Whether the new version may take the old one's place at this level. */
export function isAllowed(changes: readonly Change[], level: Level): boolean {
  return changes.every((change) => change.files && allows(change, level));
}

/** Whether one change is allowed at a level, its files left aside. */
export function allows({ backward, forward }: Rule, level: Level): boolean {
  return (backward || level === 'forward') && (forward || level === 'backward');
}

/** Everything that changed, in the order of the old version, what was added last. Titles and descriptions don't count. */
export function changesBetween(old: EventSchema, now: EventSchema): Change[] {
  const changes = fieldChanges(old.columns, now.columns, '');
  if (old.eventTime !== now.eventTime)
    changes.push(changed('another event time', now.eventTime, { old: old.eventTime }));
  return changes;
}

/** A change with its names filled in. */
export function changed(
  change: keyof typeof CHANGES,
  column: string,
  words: Record<string, string> = {},
): Change {
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (_, word: string) => words[word] ?? word);
  const rule: Rule = CHANGES[change];
  return { column, change, ...rule, why: fill(rule.why), instead: fill(rule.instead) };
}

const nameOf = (value: ValueType) =>
  value.type === 'decimal'
    ? `${typeName(value, 'duckdb')}${value.inText ? ' in a text' : ''}`
    : isNested(value)
      ? typeName(value, 'duckdb')
      : value.type;

function fieldChanges(old: readonly Column[], now: readonly Column[], path: string): Change[] {
  const changes: Change[] = [];
  const added = new Set(
    now.filter(({ name }) => !old.some((one) => one.name === name)).map(({ name }) => name),
  );
  const kept = now.filter(({ name }) => !added.has(name)).map(({ name }) => name);
  const keptBefore = old.filter(({ name }) => kept.includes(name)).map(({ name }) => name);
  for (const [i, column] of old.entries()) {
    const place = path + column.name;
    const after = now.find(({ name }) => name === column.name);
    if (after !== undefined) {
      const isMoved = kept.indexOf(column.name) !== keptBefore.indexOf(column.name);
      if (isMoved) changes.push(changed('moved', place));
      changes.push(...valueChanges(column, after, place));
      continue;
    }
    const heir = now[i];
    if (heir !== undefined && added.has(heir.name) && nameOf(heir) === nameOf(column)) {
      added.delete(heir.name);
      changes.push(changed('renamed', place, { old: place, new: path + heir.name }));
    } else changes.push(changed(column.required ? 'removed though required' : 'removed', place));
  }
  const last = now.findLastIndex(({ name }) => !added.has(name));
  for (const [i, column] of now.entries()) {
    if (!added.has(column.name)) continue;
    const place = path + column.name;
    if (column.required) changes.push(changed('added as required', place));
    if (i < last) changes.push(changed('added between others', place, { last: path + now[last]!.name }));
    else if (!column.required) changes.push(changed('added at the end', place));
  }
  return changes;
}

function valueChanges(old: Item, now: Item, place: string): Change[] {
  const isElement = /[\]}]$/.test(place);
  const changes: Change[] = [];
  if (old.required && !now.required)
    changes.push(changed(isElement ? 'null allowed' : 'made optional', place));
  if (!old.required && now.required)
    changes.push(changed(isElement ? 'no longer null' : 'made required', place));
  if (old.type === 'struct' && now.type === 'struct')
    changes.push(...fieldChanges(old.fields, now.fields, `${place}.`));
  else if (old.type === 'list' && now.type === 'list')
    changes.push(...valueChanges(old.items, now.items, `${place}[]`));
  else if (old.type === 'map' && now.type === 'map')
    changes.push(...valueChanges(old.values, now.values, `${place}{}`));
  else if (nameOf(old) !== nameOf(now))
    changes.push(changed(typeChange(old, now), place, { old: nameOf(old), new: nameOf(now) }));
  return changes;
}

function typeChange(old: ValueType, now: ValueType): keyof typeof CHANGES {
  if (old.type === 'string' && now.type !== 'string' && typeName(now, 'hive') === 'STRING')
    return 'restricted';
  if (now.type === 'string' && old.type !== 'string' && typeName(old, 'hive') === 'STRING') return 'loosened';
  if (holds(now, old)) return 'widened';
  return holds(old, now) ? 'narrowed' : 'of another type';
}

/** Whether every value of `small` is one of `big`. */
function holds(big: ValueType, small: ValueType): boolean {
  if (big.type === 'decimal' && small.type === 'decimal')
    return (
      big.inText === small.inText &&
      big.scale >= small.scale &&
      big.precision - big.scale >= small.precision - small.scale
    );
  if (big.type === 'number') return small.type === 'int32' || (small.type === 'decimal' && !small.inText);
  return big.type === 'int64' && small.type === 'int32';
}
