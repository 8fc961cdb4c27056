import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseQuery, readQueries } from '../../../jobs/query-file.ts';
import { QueryAnswers } from '../../support/query-answers.ts';

const HEADER = `-- name: clicks
-- grain: one row per hour
-- inputs: event_time timestamp, element string
-- lookbackHours: 2
-- description: a test
`;

test('a query file says its name, inputs and how far it looks back', () => {
  const query = parseQuery('clicks', `${HEADER}SELECT 1`);
  expect(query).toMatchObject({
    name: 'clicks',
    lookbackHours: 2,
    inputs: [
      { name: 'event_time', type: 'timestamp' },
      { name: 'element', type: 'string' },
    ],
  });
  expect(query.sha256).not.toBe(parseQuery('clicks', `${HEADER}SELECT 2`).sha256);
});

test.each([
  ['-- lookbackHours: 2\n', '', 'lacks "-- lookbackHours'],
  ['lookbackHours: 2', 'lookbackHours: 1.5', 'lookbackHours must be a whole number'],
  ['name: clicks', 'name: ../clicks', 'is not made of'],
  ['element string', 'element text', 'input "element text"'],
  ['event_time timestamp, ', '', 'lack "event_time timestamp"'],
  ['grain', 'grains', 'clicks.sql:2: header line not understood'],
  ['lookbackHours: 2', 'lookbackHours: 745', 'clicks.sql:4: lookbackHours must be'],
  ['-- grain', '-- every: week\n-- grain', 'clicks.sql:2: every must be hour or day'],
  ['-- grain', '-- name: clicks\n-- grain', 'clicks.sql:2: its header says name twice'],
])('a header in which %j became %j is refused with a reason', (from, to, reason) => {
  expect(() => parseQuery('clicks.sql', HEADER.replace(from, to))).toThrow(reason);
});

test('the built-in queries are those of the contract, and an unknown name lists them', async () => {
  const names = (await readQueries()).map((query) => query.name);
  expect(names).toEqual([
    'bot_share_by_hour',
    'funnel_by_hour',
    'retention_by_day',
    'sessions_by_hour',
    'status_by_hour',
    'top_paths_by_hour',
    'top_referrers_by_hour',
    'top_searches_by_hour',
    'top_searches_without_result_by_hour',
    'traffic_by_hour',
  ]);
  await expect(readQueries(['top_secrets'])).rejects.toThrow('known are bot_share_by_hour, funnel_by_hour');
});

const DECLARED =
  "-- parameters: n int32 1..60 = 5, word string = 'it''s, so', share number = 1e3, at timestamp = '2026-11-22T13:00:00Z', on boolean = true\n";

let answers: QueryAnswers;
beforeAll(async () => {
  answers = await QueryAnswers.open('query-file');
});
afterAll(() => answers[Symbol.asyncDispose]());

/** A directory with one query of the user's own. */
async function ownQuery(text: string, name = 'clicks'): Promise<string> {
  const directory = answers.dir.join(`own-${Math.random()}`);
  await mkdir(directory);
  await writeFile(`${directory}/${name}.sql`, text);
  return directory;
}

test('parameters have types, ranges and defaults, kept in one form', () => {
  const { parameters } = parseQuery('clicks', `${HEADER}${DECLARED}SELECT 1`);
  expect(parameters.map(({ name, value }) => [name, value])).toEqual([
    ['n', '5'],
    ['word', "it's, so"],
    ['share', '1000'],
    ['at', '2026-11-22 13:00:00'],
    ['on', 'true'],
  ]);
});

test.each([
  ['n int32 = 1.5', 'parameter n is "1.5"; it must be a whole number from -2147483648 to 2147483647'],
  ['n int32 1..60 = 61', 'a whole number from 1 to 60'],
  ['n int64 = 9223372036854775808', 'a whole number'],
  ['n int32 = 5 b int32 = 6', 'are not "name type = value'],
  ["n int32 = '5'", 'are not "name type = value'],
  ['word string = bare', 'are not "name type = value'],
  ["at timestamp = '2026-02-31T00:00:00'", 'a UTC time like'],
  ['on boolean = yes', 'true or false'],
  ['n int32 = 1, n int32 = 2', 'declared twice'],
  ['word string 1..2 = 5', 'are not "name type = value'],
])('parameters "%s" are refused with file, line and reason', (text, reason) => {
  const parse = () => parseQuery('clicks.sql', `${HEADER}-- parameters: ${text}\nSELECT 1`);
  expect(parse).toThrow('query clicks.sql:6: ');
  expect(parse).toThrow(reason);
});

test('values come from settings and from --param, which wins; each changes the identity of the query', async () => {
  const name = 'top_searches_without_result_by_hour';
  const read = async (settings = {}, given: [string, string][] = []) =>
    (await readQueries([name], { settings, given }))[0]!;
  const minutes = (query: Awaited<ReturnType<typeof read>>) => query.parameters[0]!.value;
  const standard = await read();
  const set = await read({ [`${name}.minutes`]: '10' });
  const given = await read({ [`${name}.minutes`]: '10' }, [['minutes', '20']]);
  expect([standard, set, given].map(minutes)).toEqual(['5', '10', '20']);
  expect(new Set([standard.sha256, set.sha256, given.sha256]).size).toBe(3);
  expect((await read({}, [['minutes', '05']])).sha256).toBe(standard.sha256);
});

test.each([
  [{}, [['hours', '1']], '--param hours: no query has that parameter'],
  [
    {},
    [['minutes', '61']],
    'parameter minutes is "61"; it must be a whole number from 1 to 60, from --param minutes',
  ],
  [
    { 'funnel_by_hour.step9': 'x' },
    [],
    'setting aggregates.parameters.funnel_by_hour.step9: no query has that',
  ],
  [{ minutes: '5' }, [], 'write aggregates.parameters.QUERY.minutes'],
] as [Record<string, string>, [string, string][], string][])(
  'values %j and %j are refused',
  async (settings, given, reason) => {
    await expect(readQueries(undefined, { settings, given })).rejects.toThrow(reason);
  },
);

const OWN = `${HEADER}-- parameters: word string = 'x', n int32 = 2
SELECT date_trunc('hour', event_time) AS hour_start, max(word) AS word, sum(n) AS total
FROM events CROSS JOIN parameters
GROUP BY 1;
`;

test("a user's own query runs beside the built-in ones, its parameters being values and never SQL", async () => {
  const directory = await ownQuery(OWN);
  expect((await readQueries(undefined, { directory })).map(({ name }) => name)).toContain('clicks');
  const events = ['00', '01'].map((minute) => ({ at: `2026-11-22T13:${minute}:00Z` }));
  const word = "'); DROP TABLE all_events; --\\";
  const [row] = await answers.answer('clicks', ['2026-11-22T13'], events, {
    directory,
    given: [['word', word]],
  });
  expect(row).toMatchObject({ word, total: 4 });
});

test.each([
  [
    'a name that is taken',
    OWN.replace('clicks', 'traffic_by_hour'),
    'traffic_by_hour',
    'there is a built-in query',
  ],
  ['a name unlike that of its file', OWN, 'other', 'its header calls it "clicks"'],
])('%s is refused', async (_, text, name, reason) => {
  const directory = await ownQuery(text, name);
  await expect(readQueries(undefined, { directory })).rejects.toThrow(reason);
});

test('a directory that is not there is refused with its setting', async () => {
  await expect(readQueries(undefined, { directory: answers.dir.join('none') })).rejects.toThrow(
    'aggregates.dir',
  );
});

test.each([
  ['a column that is not there', OWN.replace('max(word)', 'max(nothing)'), /clicks\.sql:7: .*"nothing"/],
  [
    'a second statement',
    OWN.replace('GROUP BY 1;', 'GROUP BY 1; SELECT 2'),
    /clicks\.sql: .*more than one statement/,
  ],
])('SQL with %s is refused with its file', async (_, text, reason) => {
  const directory = await ownQuery(text);
  await expect(answers.answer('clicks', ['2026-11-22T13'], [], { directory })).rejects.toThrow(reason);
});
