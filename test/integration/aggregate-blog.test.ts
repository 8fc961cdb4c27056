import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAccessLogLine } from '../../jobs/activity-in/access-log.ts';
import { type AggregateResult, bringUpToDate } from '../../jobs/aggregate.ts';
import { DuckDbEngine } from '../../jobs/engine/duckdb.ts';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import { openDuckDb } from '../support/event-files.ts';
import { HourTable } from '../support/hour-table.ts';
import { type Oracle, type SharedLog, sharedLog } from '../support/shared-data.ts';

const shared = sharedLog('the aggregates of the real log against its oracle');
const TOPIC = 'web_request';
let root: string;
let duckdb: DuckDBConnection;
let engine: DuckDbEngine;
let table: HourTable;
let result: AggregateResult;

/** The log, and every hour between as a complete one. */
async function writeTable(log: SharedLog): Promise<HourTable> {
  const lines = log.bytes().toString('latin1').split('\n');
  const events = lines
    .filter((line) => line !== '')
    .map((line) => parseAccessLogLine(Buffer.from(line, 'latin1'))!.json);
  const store = await DirectoryStore.open(join(root, 'warehouse'));
  return await HourTable.write(duckdb, store, TOPIC, join(root, 'events.ndjson'), events);
}

const run = () =>
  bringUpToDate(
    {
      store: table.store,
      topic: TOPIC,
      engine,
      localDirectory: root,
      now: Date.now,
      log: pino({ level: 'silent' }),
    },
    async () => table.hours,
  );

const rowsOf = (query: string) => table.rowsOf(query);

/** `{hour: {…}}` of rows in order of hours, made the way the oracle writes it. */
function byHour<T>(
  rows: Record<string, unknown>[],
  value: (rows: Record<string, unknown>[]) => T,
): Record<string, T> {
  const groups = Map.groupBy(rows, (row) => String(row['hour_start']).slice(0, 13));
  return Object.fromEntries([...groups].map(([hour, group]) => [hour, value(group)]));
}

describe.runIf(shared)('the aggregates of the blog log equal its oracle', () => {
  let oracle: Oracle;

  beforeAll(async () => {
    oracle = shared!.oracle();
    root = await mkdtemp(join(tmpdir(), 'aggregate-blog-'));
    duckdb = await openDuckDb();
    engine = await DuckDbEngine.open({
      memoryBytes: 192 * 1024 * 1024,
      temporaryDirectory: join(root, 'spill'),
    });
    table = await writeTable(shared!);
    result = await run();
  }, 480_000);
  afterAll(async () => {
    duckdb.closeSync();
    await engine[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });

  test('every hour of the span is computed once by each query, empty ones included', async () => {
    expect(table.hours.size).toBe(oracle.span_hours);
    expect(result.unsettled).toEqual([]);
    // A query of the day is answered at the last hour of each day; the 38th is not over.
    const wanted = ({ query }: { query: string }) => (query.endsWith('_by_day') ? 37 : 902);
    for (const query of result.queries)
      expect(query).toMatchObject({ computed: wanted(query), unchanged: 0 });
    for (const query of (await run()).queries)
      expect(query).toMatchObject({ computed: 0, unchanged: wanted(query) });
  });

  test('events, bytes and different hosts of every hour', async () => {
    const rows = await rowsOf('traffic_by_hour');
    const column = (name: string) => byHour(rows, ([row]) => row![name]);
    expect(rows).toHaveLength(oracle.hours_with_events);
    expect(column('events')).toEqual(oracle.events_per_hour_utc);
    expect(column('bytes')).toEqual(oracle.response_bytes_per_hour_utc);
    expect(column('unique_hosts')).toEqual(oracle.unique_hosts_per_hour_utc);
  });

  test('statuses of every hour', async () => {
    const rows = await rowsOf('status_by_hour');
    expect(
      byHour(rows, (group) => Object.fromEntries(group.map((row) => [String(row['status']), row['events']]))),
    ).toEqual(oracle.status_per_hour_utc);
  });

  test('the first three paths of every hour, ties included', async () => {
    const rows = await rowsOf('top_paths_by_hour');
    const top3 = rows.filter((row) => Number(row['rank']) <= 3);
    expect(byHour(top3, (group) => group.map((row) => [row['path'], row['events']]))).toEqual(
      oracle.top3_paths_per_hour_utc,
    );
  });

  test.each([
    ['sessions_by_host', 'sessions_30min_by_host', 45_963],
    ['sessions_by_visitor', 'sessions_30min_by_host_and_user_agent', 56_354],
  ] as const)('%s of every hour', async (column, key, total) => {
    const rows = await rowsOf('sessions_by_hour');
    const started = rows.filter((row) => row[column] !== 0);
    const expected = oracle[key];
    expect(byHour(started, ([row]) => row![column])).toEqual(expected.sessions_by_start_hour_utc);
    expect(rows.reduce((sum, row) => sum + Number(row[column]), 0)).toBe(total);
    expect(expected.sessions).toBe(total);
  });

  test('referrers and searches rank what a count over the rows finds', async () => {
    const referrers = await rowsOf('top_referrers_by_hour');
    expect(Math.max(...referrers.map((row) => Number(row['rank'])))).toBe(20);
    const searches = await rowsOf('top_searches_by_hour');
    // The log has 54 requests with a parameter s or q that has a value.
    expect(searches.reduce((sum, row) => sum + Number(row['events']), 0)).toBe(54);
  });
});
