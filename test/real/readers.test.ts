/**
 * What readers of Hadoop's world see: the real log from Apache Kafka in HDFS by one command, listed while it is loaded,
 * counted by Spark's reader and by Hive's SerDe; and values at the edges of every column type, read alike by Spark,
 * Hive's SerDe, DuckDB and hyparquet.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EDGE_COLUMNS,
  EDGE_RECORDS,
  EDGE_REFUSED,
  EDGE_ROWS,
  RAW_COLUMNS,
  RAW_RECORDS,
  RAW_ROWS,
} from '../support/edge-rows.ts';
import { PROBE_TEXT } from '../support/event-rows.ts';
import { webRequests } from '../support/events.ts';
import { visibleFiles } from '../support/foreign-eyes.ts';
import { loadTopics, sendRecords } from '../support/load-topic.ts';
import { type NeutralRow, readByDuckDb, readByHyparquet } from '../support/parquet-readers.ts';
import { cleanEnvironment } from '../support/run-cli.ts';
import { sharedLog } from '../support/shared-data.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';
import { type Kafka, startKafka } from './bed/kafka.ts';
import { startSpark } from './bed/spark.ts';
import { oracleNumbers, sparkNumbers } from './blog-numbers.ts';
import {
  type Columns,
  createHiveTable,
  describedColumns,
  describe as describeTable,
  neutralRows,
  readByHive,
  type Spark,
  withTimestamps,
} from './spark-tables.ts';

const MILLRACE = join(import.meta.dirname, '../../bin/millrace.mjs');
const LOG = 'web_request';
const LOG_COLUMNS: Columns = {
  ...{ _partition: 'int32', _offset: 'int64', _timestamp: 'time', _key: 'bytes', _headers: 'headers' },
  ...{ _extra: 'string', event_time: 'time', host: 'string', ident: 'string', auth_user: 'string' },
  ...{ method: 'string', target: 'string', path: 'string', query: 'string', protocol: 'string' },
  ...{ status: 'int32', bytes: 'int64', referrer: 'string', user_agent: 'string' },
};
const PAUSE_MS = 200;
const LOADS = 5;
/** Two partitions with eleven hours, each load. */
const FILES = LOADS * 2 * 11;

const shared = sharedLog('the real log in HDFS, counted by Spark');

let dir: TempDir;
let hdfs: Hdfs;
let kafka: Kafka;
let spark: Spark;
beforeAll(async () => {
  dir = new TempDir('real-readers');
  hdfs = await startHdfs();
  kafka = await startKafka();
  spark = await startSpark({ hdfsUrl: hdfs.fsUrl });
});
afterAll(async () => {
  await spark?.[Symbol.asyncDispose]();
  await kafka?.[Symbol.asyncDispose]();
  await hdfs?.[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** The command as its users run it; its standard output. */
async function millrace(...args: string[]): Promise<string> {
  const options = { cwd: dir.path, env: cleanEnvironment(), maxBuffer: 2 ** 28 };
  return (await promisify(execFile)(process.execPath, [MILLRACE, ...args], options)).stdout;
}

const tableUrl = (topic: string) => `${hdfs.fsUrl}/warehouse/${topic}`;

/** Path below the topic and length of each file in the hours, by Hadoop's own `fs -ls -R`. */
async function listHours(topic: string): Promise<Map<string, number>> {
  const root = `/warehouse/${topic}/`;
  const lines = (await hdfs.fs('-ls', '-R', `${root}dt=*`)).split('\n');
  const files = lines.filter((line) => line.startsWith('-')).map((line) => line.split(/\s+/));
  return new Map(files.map((words) => [words.slice(7).join(' ').slice(root.length), Number(words[4])]));
}

/** The files that Spark takes for the table by its own index, each opened as Parquet and counted. */
async function sparkFiles(topic: string): Promise<Map<string, number>> {
  const rows =
    await spark.sql(`SELECT _metadata.file_path AS path, _metadata.file_size AS bytes, count(*) AS n
    FROM parquet.\`${tableUrl(topic)}\` GROUP BY ALL`);
  const start = `/warehouse/${topic}/`;
  return new Map(
    rows.map(({ path, bytes }) => {
      const text = decodeURIComponent(String(path));
      return [text.slice(text.indexOf(start) + start.length), Number(bytes)];
    }),
  );
}

/** Nothing is there yet. */
const EMPTY = /No such file or directory|PATH_NOT_FOUND|UNABLE_TO_INFER_SCHEMA/;
const VISIBLE = /^dt=[0-9-]{10}\/hour=[0-9]{2}\/(p\d{5}-[\w-]+\.parquet|_SUCCESS)$/;

interface Listings {
  /** Each file with the length that it was first seen with. */
  first: Map<string, number>;
  /** How many files each look found. */
  looks: Record<'fs' | 'spark', number[]>;
  /** What should not have been seen. */
  wrong: string[];
}

/** Lists a topic again and again, by `fs -ls` and by Spark at once, until told to stop. */
async function watch(topic: string, done: AbortSignal): Promise<Listings> {
  const seen: Listings = { first: new Map(), looks: { fs: [], spark: [] }, wrong: [] };
  const look = async (who: 'fs' | 'spark', list: typeof listHours) => {
    const files = await list(topic).catch((error: Error) => {
      if (EMPTY.test(error.message)) return new Map<string, number>();
      throw error;
    });
    for (const [path, bytes] of files) {
      const before = seen.first.get(path) ?? bytes;
      seen.first.set(path, before);
      if (!VISIBLE.test(path)) seen.wrong.push(`${who}: ${path}`);
      // A marker may be written anew; a file of rows never is.
      if (before !== bytes && path.endsWith('.parquet'))
        seen.wrong.push(`${who}: ${path} ${before}, then ${bytes}`);
    }
    seen.looks[who].push([...files.keys()].filter((path) => path.endsWith('.parquet')).length);
  };
  const keepLooking = async (who: 'fs' | 'spark', list: typeof listHours) => {
    while (!done.aborted) {
      await look(who, list);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  await Promise.all([keepLooking('fs', listHours), keepLooking('spark', sparkFiles)]);
  return seen;
}

describe.runIf(shared)('the real log, from Apache Kafka into HDFS by one command', () => {
  let loaded: { rows: number; quarantined: number };

  beforeAll(async () => {
    const broker = ['--broker', kafka.bootstrap];
    await kafka.createTopic(LOG);
    await millrace('ingest', shared!.path, '--topic', LOG, '--format', 'combined', ...broker);
    const warehouse = ['--warehouse', hdfs.url];
    loaded = JSON.parse(await millrace('load', '--topic', LOG, ...broker, ...warehouse, '--json'));
    await spark.sql(`CACHE TABLE events AS SELECT * FROM parquet.\`${tableUrl(LOG)}\``);
  });

  it('loads every event', () => {
    expect(loaded).toMatchObject({ rows: shared!.oracle().parsed, quarantined: 0 });
  });

  it('is files of rows and markers, and nothing else, to hadoop fs', async () => {
    const names = [...(await listHours(LOG)).keys()];
    expect(names.filter((path) => !VISIBLE.test(path))).toEqual([]);
    const { hours_with_events, span_hours } = shared!.oracle();
    expect(names.filter((path) => path.endsWith('.parquet'))).toHaveLength(hours_with_events);
    expect(names.filter((path) => path.endsWith('_SUCCESS'))).toHaveLength(span_hours);
  });

  it('has the types that Spark finds by itself, hours and days as the directories say', async () => {
    expect(await describeTable(spark, 'events')).toEqual(describedColumns(LOG_COLUMNS));
    const [row] = await spark.sql(
      `SELECT count_if(date_format(event_time, 'yyyy-MM-dd HH') = concat(dt, ' ', hour)) AS n FROM events`,
    );
    expect(row).toEqual({ n: shared!.oracle().parsed });
  });

  it("gives Spark the oracle's numbers", async () => {
    expect(await sparkNumbers(spark)).toEqual(oracleNumbers(shared!.oracle()));
  });

  it("gives Hive's SerDe the same rows, and the oracle's numbers", async () => {
    await createHiveTable(spark, 'log', tableUrl(LOG), LOG_COLUMNS);
    await spark.sql('MSCK REPAIR TABLE log');
    await readByHive(spark, true);
    // Hive's reader makes a task of each file; two tasks of all of them cost a fraction.
    await spark.sql(`CACHE TABLE by_hive AS SELECT /*+ COALESCE(2) */ * EXCEPT (event_time, _timestamp),
      timestamp_micros(event_time) AS event_time, timestamp_micros(_timestamp) AS _timestamp FROM log`);
    const names = [...Object.keys(LOG_COLUMNS), 'dt', 'hour'].join(', ');
    const [differing] = await spark.sql(
      `SELECT count(*) AS n FROM (SELECT ${names} FROM events EXCEPT ALL SELECT ${names} FROM by_hive)`,
    );
    expect(differing).toEqual({ n: 0 });
    await spark.sql('UNCACHE TABLE events');
    await spark.sql('CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM by_hive');
    expect(await sparkNumbers(spark)).toEqual(oracleNumbers(shared!.oracle()));
  }, 900_000);
});

describe('a table that is listed while loads go on', () => {
  it('never shows a hidden or unfinished file in an hour, not to hadoop fs and not to Spark', async () => {
    const topic = 'watched';
    await kafka.createTopic(topic, { partitions: 2 });
    const loader = { spoolDir: dir.join('spool-watched') };
    const topics = { [topic]: { schema: 'web_request' } };
    const setup = { address: kafka.bootstrap, warehouse: hdfs.url, topics, loader };
    const done = new AbortController();
    const load = async () => {
      for (let n = 0; n < LOADS; n++) {
        const records = webRequests(n * 3_600, (n + 1) * 3_600, { partitions: 2, hours: 11 });
        await sendRecords(kafka.bootstrap, topic, records);
        expect(await loadTopics(setup, topic)).toMatchObject({ rows: 3_600, files: FILES / LOADS });
      }
    };
    const loading = load().finally(() => done.abort());
    const [{ first, looks, wrong }] = await Promise.all([watch(topic, done.signal), loading]);
    expect(wrong).toEqual([]);
    const final = await listHours(topic);
    const rows = [...final].filter(([path]) => path.endsWith('.parquet'));
    expect(rows).toHaveLength(FILES);
    // What was seen had its last length at first sight.
    const seen = [...first].filter(([path]) => path.endsWith('.parquet'));
    expect(seen).toEqual(seen.map(([path]) => [path, final.get(path)]));
    for (const counts of [looks.fs, looks.spark])
      expect(counts.filter((count) => count > 0 && count < FILES).length, counts.join(' ')).toBeGreaterThan(
        0,
      );
  });
});

describe('values at the edges of every column type', () => {
  const TOPICS = { edges: [EDGE_COLUMNS, EDGE_ROWS], raw: [RAW_COLUMNS, RAW_ROWS] } as const;
  const topics = ['edges', 'raw'] as const;

  beforeAll(async () => {
    for (const [topic, records] of [
      ['edges', EDGE_RECORDS],
      ['raw', RAW_RECORDS],
    ] as const) {
      // Kafka deletes by the time of a record, and these are of long ago.
      await kafka.createTopic(topic, { configs: { 'retention.ms': '-1' } });
      await sendRecords(kafka.bootstrap, topic, records);
    }
    await mkdir(dir.join('schemas'));
    writeFileSync(dir.join('schemas', 'edges.json'), PROBE_TEXT);
    const loader = { spoolDir: dir.join('spool'), emptyHoursPerRun: 0, eventTimeMin: '1960-01-01T00:00:00Z' };
    const setup = { address: kafka.bootstrap, warehouse: hdfs.url, schemasDir: dir.join('schemas'), loader };
    const result = await loadTopics(setup, [...topics]);
    expect(result.topics.flatMap(({ partitions }) => partitions.map(({ error }) => error))).toEqual([
      null,
      null,
    ]);
    expect(result).toMatchObject({
      rows: EDGE_ROWS.length + RAW_ROWS.length,
      quarantined: EDGE_REFUSED,
    });
    for (const topic of topics) {
      await hdfs.fs('-get', `/warehouse/${topic}`, dir.path);
      await createHiveTable(spark, `${topic}_hive`, tableUrl(topic), TOPICS[topic][0]);
      await createHiveTable(spark, `${topic}_times`, tableUrl(topic), TOPICS[topic][0], withTimestamps);
      for (const table of ['hive', 'times']) await spark.sql(`MSCK REPAIR TABLE ${topic}_${table}`);
    }
  });

  async function byFile(topic: string, read: typeof readByDuckDb): Promise<NeutralRow[]> {
    const files = await Promise.all(visibleFiles(dir.path, topic).map((path) => read(dir.join(topic, path))));
    return files.flatMap(({ rows }) => rows).sort((a, b) => Number(a['_offset']) - Number(b['_offset']));
  }

  it.each(topics)('of %s are read alike by DuckDB, hyparquet and Spark', async (topic) => {
    const [columns, rows] = TOPICS[topic];
    expect(await byFile(topic, readByDuckDb)).toEqual(rows);
    expect(await byFile(topic, readByHyparquet)).toEqual(rows);
    const table = `parquet.\`${tableUrl(topic)}\``;
    await spark.sql(`CREATE OR REPLACE TEMP VIEW ${topic}_found AS SELECT * FROM ${table}`);
    expect(await describeTable(spark, `${topic}_found`)).toEqual(describedColumns(columns));
    expect(await neutralRows(spark, table, columns)).toEqual(rows);
    await readByHive(spark, false);
    expect(await neutralRows(spark, `${topic}_times`, columns)).toEqual(rows);
    expect(await neutralRows(spark, `${topic}_hive`, columns, { timeIsNumber: true })).toEqual(rows);
  });

  it.each(topics)("of %s are read alike by Hive's SerDe, times as numbers of microseconds", async (topic) => {
    const [columns, rows] = TOPICS[topic];
    await readByHive(spark, true);
    expect(await neutralRows(spark, `${topic}_hive`, columns, { timeIsNumber: true })).toEqual(rows);
    await expect(neutralRows(spark, `${topic}_times`, columns)).rejects.toThrow(
      /LongWritable cannot be cast to class .*TimestampWritable/,
    );
  });

  it("become times by Hive's own function, to the microsecond", async () => {
    await spark.sql(
      "CREATE TEMPORARY FUNCTION hive_timestamp AS 'org.apache.hadoop.hive.ql.udf.generic.GenericUDFTimestamp'",
    );
    const rows =
      await spark.sql(`SELECT CAST(hive_timestamp(CAST(us AS DECIMAL(20, 0)) / 1000000) AS STRING) AS at
      FROM VALUES (-1), (1455944445123457), (253402300799999999) AS t (us)`);
    expect(rows.map(({ at }) => at)).toEqual([
      '1969-12-31 23:59:59.999999',
      '2016-02-20 05:00:45.123457',
      '9999-12-31 23:59:59.999999',
    ]);
  });
});
