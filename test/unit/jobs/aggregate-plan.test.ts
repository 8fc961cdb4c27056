import { expect, test } from 'vitest';
import {
  batchOf,
  type HourState,
  hoursBetween,
  inputsOf,
  isAnsweredAt,
  isUpToDate,
  portionsOf,
  type WantedHour,
} from '../../../jobs/aggregate-plan.ts';
import type { AggregateRecord, InputState } from '../../../jobs/aggregate-record.ts';
import { readQueries } from '../../../jobs/query-file.ts';
import { type Hour, hourName } from '../../../loader/hour.ts';

const queries = new Map((await readQueries()).map((query) => [query.name, query]));
const [sessions, traffic, retention] = ['sessions_by_hour', 'traffic_by_hour', 'retention_by_day'].map(
  (name) => queries.get(name),
);
const LIMITS = { hours: 256, files: 1_024, rows: 250_000 };

const state = (marker: number | null, ...files: [path: string, rows: number][]): HourState => ({
  marker,
  rewriteSeq: 0,
  files: files.map(([path, rows]) => ({ path, rows, bytes: rows * 10 })),
});

const recordOf = (inputs: InputState[], sqlSha256: string) => ({ inputs, sqlSha256 }) as AggregateRecord;

test('a query that looks back reads the hour before, over midnight and if nothing is there', () => {
  const hours = new Map([['2026-11-22T00', state(1, ['a', 5])]]);
  expect(inputsOf(sessions!, '2026-11-22T00', hours)).toMatchObject([
    { hour: '2026-11-21T23', files: 0, rows: 0, marker: null },
    { hour: '2026-11-22T00', files: 1, rows: 5, bytes: 50, marker: 1 },
  ]);
});

test('an hour is up to date until a file it reads comes, goes or grows, or its query changes', () => {
  const hour = '2026-11-22T13';
  const before = '2026-11-22T12';
  const then = new Map([
    [before, state(1, ['x', 1])],
    [hour, state(1, ['a', 5], ['b', 6])],
  ]);
  const now = (changes: [Hour, HourState][], query = sessions!) =>
    isUpToDate(
      recordOf(inputsOf(query, hour, then), query.sha256),
      query,
      inputsOf(query, hour, new Map([...then, ...changes])),
    );
  expect(now([])).toBe(true);
  expect(now([[hour, state(2, ['b', 6], ['a', 5])]]), 'a new marker of the same files').toBe(true);
  expect(now([[hour, state(1, ['a', 5])]])).toBe(false);
  expect(now([[hour, state(1, ['a', 5], ['b', 7])]])).toBe(false);
  expect(now([[before, state(2, ['x', 1], ['y', 1])]]), 'handed on by the hour before').toBe(false);
  expect(now([[before, state(2, ['x', 1], ['y', 1])]], traffic!), 'not looked back on').toBe(true);
  const changed = { ...sessions!, sha256: '0'.repeat(64) };
  const inputs = inputsOf(sessions!, hour, then);
  expect(isUpToDate(recordOf(inputs, sessions!.sha256), changed, inputs)).toBe(false);
});

test('only complete hours are chosen unless all are asked for; both ends count', () => {
  const hours = new Map([
    ['2026-11-22T12', state(1)],
    ['2026-11-22T10', state(1, ['a', 1])],
    ['2026-11-22T11', state(null, ['b', 1])],
    ['2026-11-22T13', state(3, ['c', 1])],
  ]);
  expect(hoursBetween(hours, {})).toEqual(['2026-11-22T10', '2026-11-22T12', '2026-11-22T13']);
  expect(hoursBetween(hours, { all: true, from: '2026-11-22T11', to: '2026-11-22T12' })).toEqual([
    '2026-11-22T11',
    '2026-11-22T12',
  ]);
});

test('portions keep all queries of an hour together and stay under the limits, but for one large hour', () => {
  const names = Array.from({ length: 600 }, (_, i) => hourName(400_000 + i));
  const hours = new Map(names.map((hour, i) => [hour, state(1, [hour, i === 5 ? 9_000_000 : 1_000])]));
  const wanted: WantedHour[] = [traffic!, sessions!].flatMap((query) =>
    names.map((hour) => ({ query, hour, n: 1, inputs: [] })),
  );
  const portions = portionsOf(wanted, hours, LIMITS);
  expect(portions.flat().length).toBe(1_200);
  const sizes = portions.map((portion) => new Set(portion.map(({ hour }) => hour)).size);
  expect(sizes).toEqual([5, 1, 250, 250, 94]);
  expect(portions.every((portion, i) => portion.length === sizes[i]! * 2)).toBe(true);
});

test('a query of the day is answered at the last hour of the day, apart from those that look less far back', () => {
  const names = Array.from({ length: 49 }, (_, i) => hourName(400_008 + i));
  const hours = new Map(names.map((hour) => [hour, state(1, [hour, 1_000])]));
  const wanted = [retention!, traffic!].flatMap((query) =>
    names
      .filter((hour) => isAnsweredAt(query, hour))
      .map((hour): WantedHour => ({ query, hour, n: 1, inputs: [] })),
  );
  const days = wanted.filter(({ query }) => query === retention);
  expect(days.map(({ hour }) => hour.slice(11))).toEqual(['23', '23']);
  const portions = portionsOf(wanted, hours, { ...LIMITS, rows: 30_000 });
  const shape = portions.map((portion) => [new Set(portion.map(({ query }) => query.name)), portion.length]);
  expect(shape).toEqual([
    [new Set(['retention_by_day']), 1],
    [new Set(['traffic_by_hour']), 30],
    [new Set(['retention_by_day']), 1],
    [new Set(['traffic_by_hour']), 19],
  ]);
});

test('a batch names every file of the hours and of those looked back on, once', () => {
  const hours = new Map([
    ['2026-11-22T11', state(1, ['x', 1])],
    ['2026-11-22T12', state(1, ['a', 1])],
    ['2026-11-22T13', state(1, ['b', 1])],
  ]);
  const portion = ['2026-11-22T12', '2026-11-22T13'].flatMap((hour) =>
    [traffic!, sessions!].map((query) => ({ query, hour, n: 1, inputs: [] })),
  );
  const batch = batchOf(portion, hours, (path) => `/table/${path}`);
  expect(batch.inputs).toEqual([
    { hour: '2026-11-22T11', files: ['/table/x'] },
    { hour: '2026-11-22T12', files: ['/table/a'] },
    { hour: '2026-11-22T13', files: ['/table/b'] },
  ]);
  expect(batch.tasks.map((task) => [task.query.name, task.hours.length])).toEqual([
    ['traffic_by_hour', 2],
    ['sessions_by_hour', 2],
  ]);
});
