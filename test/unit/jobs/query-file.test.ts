import { expect, test } from 'vitest';
import { parseQuery, readQueries } from '../../../jobs/query-file.ts';

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
  ['grain', 'grains', 'not understood'],
])('a header in which %j became %j is refused with a reason', (from, to, reason) => {
  expect(() => parseQuery('clicks', HEADER.replace(from, to))).toThrow(reason);
});

test('the built-in queries are the six of the contract, and an unknown name lists them', async () => {
  const names = (await readQueries()).map((query) => query.name);
  expect(names).toEqual([
    'sessions_by_hour',
    'status_by_hour',
    'top_paths_by_hour',
    'top_referrers_by_hour',
    'top_searches_by_hour',
    'traffic_by_hour',
  ]);
  await expect(readQueries(['top_secrets'])).rejects.toThrow('known are sessions_by_hour, status_by_hour');
});
