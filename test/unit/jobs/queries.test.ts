import { afterAll, beforeAll, expect, test } from 'vitest';
import { readQueries } from '../../../jobs/query-file.ts';
import { ACTIVITY, readRows, WEB_REQUEST, type WebEvent, writeEvents } from '../../support/event-files.ts';
import { QueryAnswers } from '../../support/query-answers.ts';

let answers: QueryAnswers;
beforeAll(async () => {
  answers = await QueryAnswers.open('queries');
});
afterAll(() => answers[Symbol.asyncDispose]());

/** Columns that the topic does not have are no hindrance. */
const answer = (name: string, hours: string[], events: WebEvent[], columns = WEB_REQUEST) =>
  answers.answer(name, hours, events, { columns });

test('traffic counts an unknown size as nothing and an unknown user agent not at all', async () => {
  const rows = await answer(
    'traffic_by_hour',
    ['2026-11-22T13'],
    [
      { at: '2026-11-22T13:00:00Z', host: 'a', bytes: 7, user_agent: 'x' },
      { at: '2026-11-22T13:59:59.999999Z', host: 'a', bytes: null, user_agent: null },
      { at: '2026-11-22T14:00:00Z', host: 'b', bytes: 1, user_agent: 'y' },
    ],
  );
  expect(rows).toEqual([
    { hour_start: '2026-11-22T13:00', events: 2, unique_hosts: 1, unique_user_agents: 1, bytes: 7 },
  ]);
});

test('an hour without events gives a file without rows but with the columns', async () => {
  expect(await answer('traffic_by_hour', ['2026-11-22T13'], [])).toEqual([]);
  expect(
    await answer(
      'status_by_hour',
      ['2026-11-22T12', '2026-11-22T13'],
      [{ at: '2026-11-22T13:00:00Z', status: 200 }],
    ),
  ).toEqual([{ hour_start: '2026-11-22T13:00', status: 200, events: 1 }]);
});

test('top paths keep the first twenty, ties in order of code points', async () => {
  const paths = ['/é', '/z', '/B', '/a', '/Z', ...Array.from({ length: 20 }, (_, i) => `/page-${i + 10}`)];
  const events = paths.map((path) => ({ at: '2026-11-22T13:00:00Z', path }));
  events.push({ at: '2026-11-22T13:00:00Z', path: '/é' });
  const rows = await answer(
    'top_paths_by_hour',
    ['2026-11-22T13'],
    [...events, { at: '2026-11-22T13:00:01Z', path: null }],
  );
  const sorted = paths.filter((path) => path !== '/é').sort();
  expect(rows.map((row) => [row['rank'], row['path'], row['events']])).toEqual([
    [1, '/é', 2],
    ...sorted.slice(0, 19).map((path, i) => [i + 2, path, 1]),
  ]);
});

test('top referrers leave out events without one', async () => {
  const rows = await answer(
    'top_referrers_by_hour',
    ['2026-11-22T13'],
    [
      { at: '2026-11-22T13:00:00Z', referrer: null },
      { at: '2026-11-22T13:00:00Z', referrer: 'https://a.example/' },
    ],
  );
  expect(rows).toEqual([
    { hour_start: '2026-11-22T13:00', rank: 1, referrer: 'https://a.example/', events: 1 },
  ]);
});

test.each([
  ['q=cat', 'cat'],
  ['page=2&s=cat', 'cat'],
  ['s=first&q=second', 'first'],
  ['q=first&s=second', 'first'],
  ['s=a%20b+c', 'a%20b+c'],
  ['s=a=b', 'a=b'],
  ['s=', ''],
  ['s=&q=cat', ''],
  ['s', undefined],
  ['s&q=cat', 'cat'],
  ['qs=cat', undefined],
  ['tags=cat', undefined],
  ['S=cat', undefined],
  ['', undefined],
  [null, undefined],
])('the search in the query %j is %j', async (query, found) => {
  const rows = await answer(
    'top_searches_by_hour',
    ['2026-11-22T13'],
    [{ at: '2026-11-22T13:00:00Z', query }],
  );
  expect(rows.map((row) => row['search_terms'])).toEqual(found === undefined ? [] : [found]);
});

test('search terms that an event brings win over its query, and both count together', async () => {
  const rows = await answer(
    'top_searches_by_hour',
    ['2026-11-22T13'],
    [
      { at: '2026-11-22T13:00:00Z', query: 's=raw%20cat', search_terms: 'cat' },
      { at: '2026-11-22T13:10:00Z', query: 's=cat' },
      { at: '2026-11-22T13:20:00Z', search_terms: 'dog' },
    ],
    ACTIVITY,
  );
  expect(rows.map((row) => [row['search_terms'], row['events']])).toEqual([
    ['cat', 2],
    ['dog', 1],
  ]);
});

const session = async (hour: string, events: WebEvent[]) => {
  const [row] = await answer('sessions_by_hour', [hour], events);
  return [row?.['sessions_by_host'], row?.['sessions_by_visitor']];
};

test('a session goes on after exactly 1,800 seconds and ends one microsecond later', async () => {
  const first = { at: '2026-11-22T13:00:00Z', host: 'a' };
  expect(await session('2026-11-22T13', [first, { at: '2026-11-22T13:30:00Z', host: 'a' }])).toEqual([1, 1]);
  expect(await session('2026-11-22T13', [first, { at: '2026-11-22T13:30:00.000001Z', host: 'a' }])).toEqual([
    2, 2,
  ]);
});

test('a session that began in the hour before does not begin again', async () => {
  const before = { at: '2026-11-22T12:45:00Z', host: 'a' };
  expect(await session('2026-11-22T13', [before, { at: '2026-11-22T13:15:00Z', host: 'a' }])).toEqual([0, 0]);
  expect(await session('2026-11-22T13', [before, { at: '2026-11-22T13:15:01Z', host: 'a' }])).toEqual([1, 1]);
});

test('events at the same instant start one session', async () => {
  const event = { at: '2026-11-22T13:00:00Z', host: 'a' };
  expect(await session('2026-11-22T13', [event, event, event])).toEqual([1, 1]);
});

test('an unknown user agent is a visitor of its own', async () => {
  const at = '2026-11-22T13:00:00Z';
  expect(
    await session('2026-11-22T13', [
      { at, host: 'a', user_agent: 'x' },
      { at, host: 'a', user_agent: null },
      { at: '2026-11-22T13:10:00Z', host: 'a', user_agent: null },
      { at, host: 'b', user_agent: null },
    ]),
  ).toEqual([2, 3]);
});

test('files written before a column was added are read along with newer ones', async () => {
  const place = answers.dir.join('evolution');
  const [query] = await readQueries(['top_searches_by_hour']);
  const at = '2026-11-22T13:00:00Z';
  await writeEvents(answers.duckdb, `${place}/old`, [{ at, query: 's=cat' }], WEB_REQUEST);
  await writeEvents(answers.duckdb, `${place}/new`, [{ at, search_terms: 'cat' }], ACTIVITY);
  const [result] = await answers.engine.run({
    inputs: [{ hour: '2026-11-22T13', files: [`${place}/old`, `${place}/new`] }],
    tasks: [{ query: query!, hours: ['2026-11-22T13'] }],
    directory: place,
  });
  expect(await readRows(answers.duckdb, [result!.path])).toMatchObject([{ search_terms: 'cat', events: 2 }]);
});

test('a topic without event times is refused with the setting that helps', async () => {
  const place = answers.dir.join('raw');
  const file = `${place}/raw.parquet`;
  await writeEvents(answers.duckdb, file, [{ at: '2026-11-22T13:00:00Z', host: 'a' }], ['host']);
  const [query] = await readQueries(['traffic_by_hour']);
  await expect(
    answers.engine.run({
      inputs: [{ hour: '2026-11-22T13', files: [file] }],
      tasks: [{ query: query!, hours: ['2026-11-22T13'] }],
      directory: place,
    }),
  ).rejects.toThrow('topics.<name>.schema');
});
