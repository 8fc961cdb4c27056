/**
 * Which hours of which queries must be computed, and in which portions: pure functions over what the commit chain says.
 * An hour's answer depends on the files of the hour and of the hours its query looks back on; whether to compute it anew
 * is decided by comparing those files with the ones its newest record names. Portions bound memory, open files and the
 * work lost when a run is stopped.
 */
import { createHash } from 'node:crypto';
import { type Hour, hourName, parseHour } from '../loader/hour.ts';
import type { AggregateRecord, InputState } from './aggregate-record.ts';
import type { EngineBatch, PortionLimits } from './engine/engine.ts';
import type { Query } from './query-file.ts';

/** Queries that look back further get portions of their own: all others would run over what these read. */
const NEAR_HOURS = 24;
const HOURS_OF_DAY = 24;
const LAST_HOUR_OF_DAY = /T23$/;

/** A live file of the table; `path` is relative to the warehouse root. */
export interface LiveFile {
  path: string;
  rows: number;
  bytes: number;
}

/** What the loader says of one hour. `marker`: version of its newest marker, null while it is not complete. */
export interface HourState {
  marker: number | null;
  rewriteSeq: number;
  files: readonly LiveFile[];
}

/** Every hour with files or a marker. */
export type TopicHours = ReadonlyMap<Hour, HourState>;

/** One hour of one query to compute; `n` is the number its record wants. */
export interface WantedHour {
  query: Query;
  hour: Hour;
  n: number;
  inputs: InputState[];
}

/** `back` hours before `hour`. */
function hourBefore(hour: Hour, back: number): Hour {
  return hourName(parseHour(hour)! - back);
}

/** The hours that a query reads for one hour of its answer, in order. */
export function hoursRead(query: Query, hour: Hour): Hour[] {
  return Array.from({ length: query.lookbackHours + 1 }, (_, i) => hourBefore(hour, query.lookbackHours - i));
}

/** Whether a query has an answer at this hour. */
export function isAnsweredAt(query: Query, hour: Hour): boolean {
  return query.every === 'hour' || LAST_HOUR_OF_DAY.test(hour);
}

/** State of the hours that a query reads for one hour of its answer. */
export function inputsOf(query: Query, hour: Hour, hours: TopicHours): InputState[] {
  return hoursRead(query, hour).map((read) => {
    const { marker, rewriteSeq, files } = hours.get(read) ?? { marker: null, rewriteSeq: 0, files: [] };
    const digest = createHash('sha256');
    for (const line of files.map(({ path, bytes }) => `${path} ${bytes}\n`).sort()) digest.update(line);
    return {
      hour: read,
      marker,
      rewriteSeq,
      files: files.length,
      rows: files.reduce((sum, file) => sum + file.rows, 0),
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      digest: digest.digest('hex'),
    };
  });
}

/** Whether a record was computed from exactly these inputs by this text of the query. A new marker of the same files changes nothing. */
export function isUpToDate(record: AggregateRecord, query: Query, inputs: readonly InputState[]): boolean {
  const key = (of: readonly InputState[]) => of.map(({ hour, digest }) => `${hour} ${digest}`).join('\n');
  return record.sqlSha256 === query.sha256 && key(record.inputs) === key(inputs);
}

/** Hours to aggregate: complete ones, or `all` that have data, from `from` to `to`, both included. */
export function hoursBetween(
  hours: TopicHours,
  { from, to, all = false }: { from?: Hour | undefined; to?: Hour | undefined; all?: boolean | undefined },
): Hour[] {
  return [...hours]
    .filter(([, { marker }]) => all || marker !== null)
    .map(([hour]) => hour)
    .filter((hour) => (from === undefined || hour >= from) && (to === undefined || hour <= to))
    .sort();
}

/** Files and rows that an hour's answers add to a portion. */
function weightOf({ query, hour }: WantedHour, hours: TopicHours): { files: number; rows: number } {
  const own = Array.from({ length: query.every === 'day' ? HOURS_OF_DAY : 1 }, (_, i) => hourBefore(hour, i));
  const files = own.flatMap((each) => hours.get(each)?.files ?? []);
  return { files: files.length, rows: files.reduce((sum, file) => sum + file.rows, 0) };
}

/** Portions of whole hours, in order: all queries wanted of an hour are in the same one, but for those that look far back. */
export function portionsOf(
  wanted: readonly WantedHour[],
  hours: TopicHours,
  limits: PortionLimits,
): WantedHour[][] {
  const [far, near] = [true, false].map((isFar) =>
    wanted.filter(({ query }) => query.lookbackHours > NEAR_HOURS === isFar),
  );
  const portions = [...portionsInOrder(near!, hours, limits), ...portionsInOrder(far!, hours, limits)];
  // By their last hours, so that files fetched for one portion are soon done with.
  const last = (portion: readonly WantedHour[]) => portion.at(-1)!.hour;
  return portions.sort((a, b) => (last(a) < last(b) ? -1 : last(a) > last(b) ? 1 : 0));
}

function portionsInOrder(
  wanted: readonly WantedHour[],
  hours: TopicHours,
  limits: PortionLimits,
): WantedHour[][] {
  const sorted = [...wanted].sort((a, b) => (a.hour < b.hour ? -1 : a.hour > b.hour ? 1 : 0));
  const portions: WantedHour[][] = [];
  let count = { hours: 0, files: 0, rows: 0 };
  let last: Hour | undefined;
  for (const item of sorted) {
    if (item.hour !== last) {
      const more = weightOf(item, hours);
      const full =
        count.hours + 1 > limits.hours ||
        count.files + more.files > limits.files ||
        count.rows + more.rows > limits.rows;
      if (portions.length === 0 || full) {
        portions.push([]);
        count = { hours: 0, files: 0, rows: 0 };
      }
      count = { hours: count.hours + 1, files: count.files + more.files, rows: count.rows + more.rows };
      last = item.hour;
    }
    portions.at(-1)!.push(item);
  }
  return portions;
}

/** The files of the hours that a portion reads. */
export function filesOf(portion: readonly WantedHour[], hours: TopicHours): string[] {
  const read = new Set(portion.flatMap(({ query, hour }) => hoursRead(query, hour)));
  return [...read].flatMap((hour) => (hours.get(hour)?.files ?? []).map(({ path }) => path));
}

/** What the engine is asked for one portion. `readable` turns a path of the warehouse into one the engine can open. */
export function batchOf(
  portion: readonly WantedHour[],
  hours: TopicHours,
  readable: (path: string) => string,
): Pick<EngineBatch, 'inputs' | 'tasks'> {
  const tasks = new Map<string, { query: Query; hours: Hour[] }>();
  const read = new Set<Hour>();
  for (const { query, hour } of portion) {
    for (const each of hoursRead(query, hour)) read.add(each);
    const task = tasks.get(query.name) ?? { query, hours: [] };
    task.hours.push(hour);
    tasks.set(query.name, task);
  }
  const inputs = [...read].sort().map((hour) => ({
    hour,
    files: (hours.get(hour)?.files ?? []).map((file) => readable(file.path)),
  }));
  return { inputs, tasks: [...tasks.values()] };
}
