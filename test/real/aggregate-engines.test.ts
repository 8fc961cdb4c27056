/**
 * DuckDB and Spark give equal rows for every built-in query: over the real log and over generated activity of some days,
 * in a local warehouse; and from HDFS by the command. All of the log, and a million generated events, take minutes: with
 * AGGREGATES_WHOLE=1 (`npm run test:real:whole`); else 10,000 lines of the log and 30,000 events of two days.
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DuckDBConnection } from '@duckdb/node-api';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAccessLogLine } from '../../jobs/activity-in/access-log.ts';
import { generateActivity } from '../../jobs/activity-in/activity-generator.ts';
import { bringUpToDate } from '../../jobs/aggregate.ts';
import { DuckDbEngine } from '../../jobs/engine/duckdb.ts';
import type { Engine } from '../../jobs/engine/engine.ts';
import { SparkEngine } from '../../jobs/engine/spark.ts';
import { readQueries } from '../../jobs/query-file.ts';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { openDuckDb } from '../support/event-files.ts';
import { webRequests } from '../support/events.ts';
import { HourTable } from '../support/hour-table.ts';
import { createTopic, loadTopics, sendRecords, setupSettings } from '../support/load-topic.ts';
import { cleanEnvironment } from '../support/run-cli.ts';
import { sharedLog } from '../support/shared-data.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { startHdfs } from './bed/hdfs.ts';
import { makeSparkHome } from './bed/spark-home.ts';

const MILLRACE = join(import.meta.dirname, '../../bin/millrace.mjs');
const WHOLE = process.env['AGGREGATES_WHOLE'] === '1';
const LIMIT_MS = 1_800_000;
const shared = sharedLog('DuckDB and Spark over the real log');
const log = pino({ level: 'silent' });
const QUERIES = (await readQueries()).map(({ name }) => name);

let dir: TempDir;
let duckdb: DuckDBConnection;
let home: string;
beforeAll(async () => {
  dir = new TempDir('aggregate-engines');
  duckdb = await openDuckDb();
  home = await makeSparkHome(dir.join('spark-home'));
});
afterAll(() => {
  duckdb?.closeSync();
  dir[Symbol.dispose]();
});

async function writeTable(topic: string, events: Iterable<string>): Promise<HourTable> {
  const store = await DirectoryStore.open(dir.join(`warehouse-${topic}`));
  return await HourTable.write(duckdb, store, topic, dir.join(`${topic}.ndjson`), events);
}

/** Computes everything by an engine, then again, which computes nothing; the rows by query. */
async function rowsBy(engine: Engine, table: HourTable): Promise<Map<string, Record<string, unknown>[]>> {
  const { store, topic, hours } = table;
  await store.remove(`${topic}/_loader/queries`);
  await store.remove('_aggregates');
  const localDirectory = dir.join(`local-${topic}`);
  await mkdir(localDirectory, { recursive: true });
  const run = () =>
    bringUpToDate({ store, topic, engine, localDirectory, now: Date.now, log }, async () => hours);
  const { queries, unsettled } = await run();
  expect(unsettled).toEqual([]);
  expect(queries.map(({ computed }) => computed > 0)).toEqual(QUERIES.map(() => true));
  expect((await run()).queries.filter(({ computed }) => computed > 0)).toEqual([]);
  const rows = new Map<string, Record<string, unknown>[]>();
  for (const name of QUERIES) rows.set(name, await table.rowsOf(name));
  return rows;
}

async function byBothEngines(table: HourTable) {
  const spill = { memoryBytes: 2 ** 28, temporaryDirectory: dir.join('spill') };
  await using inProcess = await DuckDbEngine.open(spill);
  const expected = await rowsBy(inProcess, table);
  await using spark = await SparkEngine.open({
    store: table.store,
    warehouse: `file:${table.store.readablePath('')}`,
    home,
    master: 'local[2]',
    localDirectory: dir.path,
    environment: { ...process.env, SPARK_LOCAL_IP: '127.0.0.1' },
    now: Date.now,
  });
  const found = await rowsBy(spark, table);
  return { expected, found };
}

describe.runIf(shared)('the real log', () => {
  test(
    'has equal rows by DuckDB and by Spark, of every query',
    async () => {
      const lines = shared!
        .bytes()
        .toString('latin1')
        .split('\n')
        .filter((line) => line !== '');
      const events = lines
        .slice(0, WHOLE ? undefined : 10_000)
        .map((line) => parseAccessLogLine(Buffer.from(line, 'latin1'))!.json);
      const { expected, found } = await byBothEngines(await writeTable('web_request', events));
      for (const name of QUERIES) expect(found.get(name), name).toEqual(expected.get(name));
      // A server's log knows no event types; and what is read of it without AGGREGATES_WHOLE is no two whole days.
      const asked = QUERIES.filter((name) => WHOLE || name !== 'retention_by_day');
      const empty = asked.filter((name) => expected.get(name)!.length === 0);
      expect(empty).toEqual(['top_searches_without_result_by_hour']);
    },
    LIMIT_MS,
  );
});

describe('generated activity', () => {
  test(
    'has equal rows by DuckDB and by Spark, of every query',
    async () => {
      const activity = generateActivity({
        events: WHOLE ? 1_000_000 : 30_000,
        seed: 7,
        startMs: Date.parse('2026-11-01T00:00:00Z'),
        hours: WHOLE ? 9 * 24 : 2 * 24,
        visitors: 5_000,
        skew: 0.02,
        lateShare: 0.01,
        repeatedShare: 0.001,
      });
      const events = activity.map(({ json }) => json);
      const { expected, found } = await byBothEngines(await writeTable('activity', events));
      for (const name of QUERIES) expect(found.get(name), name).toEqual(expected.get(name));
      expect(QUERIES.filter((name) => expected.get(name)!.length === 0)).toEqual([]);
    },
    LIMIT_MS,
  );
});

describe('a warehouse in HDFS', () => {
  /** The command as its users run it. */
  async function aggregateBy(warehouse: string, ...args: string[]): Promise<Answer> {
    const argv = [
      MILLRACE,
      'aggregate',
      '--warehouse',
      warehouse,
      '--topic',
      'web_request',
      '--all',
      '--json',
    ];
    const env = { ...cleanEnvironment(), SPARK_HOME: home, SPARK_LOCAL_IP: '127.0.0.1' };
    const options = { cwd: dir.path, env, maxBuffer: 2 ** 26 };
    return JSON.parse((await promisify(execFile)(process.execPath, [...argv, ...args], options)).stdout);
  }

  test(
    'is aggregated by Spark by one command, which leaves nothing beside the answers; DuckDB finds nothing to do',
    async () => {
      await using hdfs = await startHdfs();
      const broker = await startBroker(dir.join('data'));
      try {
        const topics = { web_request: { schema: 'web_request' } };
        const loader = { spoolDir: dir.join('spool') };
        const setup = { address: addressOf(broker), warehouse: hdfs.url, topics, loader };
        await createTopic(setup.address, 'web_request', 2);
        await sendRecords(setup.address, 'web_request', webRequests(0, 2_000, { partitions: 2, hours: 4 }));
        expect(await loadTopics(setup, 'web_request')).toMatchObject({ rows: 2_000 });
        const asked = ['--query', 'traffic_by_hour', '--query', 'sessions_by_hour'];
        const bySpark = await aggregateBy(hdfs.url, ...asked, '--engine', 'spark');
        expect(bySpark.queries.map(({ computed }) => computed)).toEqual([4, 4]);
        expect(bySpark.rows['traffic_by_hour']!.map(({ events }) => events)).toEqual([500, 500, 500, 500]);
        await using store = await openStore(setupSettings(setup));
        expect(await store.list('_spark')).toEqual([]);
        const byDuckDb = await aggregateBy(hdfs.url, ...asked);
        expect(byDuckDb.queries.map(({ computed }) => computed)).toEqual([0, 0]);
        await store.remove('_aggregates');
        expect((await aggregateBy(hdfs.url, ...asked)).rows).toEqual(bySpark.rows);
      } finally {
        await broker.stop();
      }
    },
    LIMIT_MS,
  );
});

interface Answer {
  queries: { computed: number }[];
  rows: Record<string, Record<string, unknown>[]>;
}
