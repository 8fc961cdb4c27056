/**
 * Files of two versions of a schema, nested values in both, as one table of Spark and of Hive: created by the statements
 * that `schema ddl` prints, nothing else.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { createTopic, loadTopics, sendRecords } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import {
  NEW_EVENTS,
  NEW_TEXT,
  OLD_EVENTS,
  OLD_TEXT,
  VERSIONS_ROWS,
  versionsQuery,
} from '../support/two-versions.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';
import { startSpark } from './bed/spark.ts';
import { readByHive, type Spark } from './spark-tables.ts';

const TOPIC = 'shop';
const HOURS = ['--from', '2026-03-01T05', '--to', '2026-03-01T06'];

let dir: TempDir;
let broker: Broker;
let hdfs: Hdfs;
let spark: Spark;
beforeAll(async () => {
  dir = new TempDir('real-schema-versions');
  broker = await startBroker(dir.join('data'));
  hdfs = await startHdfs();
  spark = await startSpark({ hdfsUrl: hdfs.fsUrl });
  await createTopic(addressOf(broker), TOPIC, 1);
  mkdirSync(dir.join('schemas'));
  const schemasDir = dir.join('schemas');
  const setup = {
    address: addressOf(broker),
    warehouse: hdfs.url,
    schemasDir,
    loader: { spoolDir: dir.join('spool') },
  };
  for (const [text, events] of [
    [OLD_TEXT, OLD_EVENTS],
    [NEW_TEXT, NEW_EVENTS],
  ] as const) {
    writeFileSync(dir.join('schemas', `${TOPIC}.json`), text);
    const records = events.map((value) => ({ value }));
    await sendRecords(addressOf(broker), TOPIC, records);
    expect(await loadTopics(setup, TOPIC)).toMatchObject({ rows: events.length, quarantined: 0, files: 1 });
  }
  // Elements that are not there are null, as in Hive, and not an error.
  await spark.sql('SET spark.sql.ansi.enabled=false');
});
afterAll(async () => {
  await spark?.[Symbol.asyncDispose]();
  await hdfs?.[Symbol.asyncDispose]();
  await broker?.stop();
  dir[Symbol.dispose]();
});

/** Prints the statements and has Spark run them. */
async function create(reader: string, table: string, ...args: string[]): Promise<void> {
  const location = ['--location', `${hdfs.fsUrl}/warehouse/${TOPIC}`, '--table', table];
  const schemas = ['--set', `schemas.dir=${dir.join('schemas')}`];
  const { stdout, stderr } = await runCli([
    'schema',
    'ddl',
    reader,
    TOPIC,
    '--json',
    ...location,
    ...schemas,
    ...args,
  ]);
  expect(stderr.includes('price')).toBe(reader === 'hive');
  const { statements } = JSON.parse(stdout) as { statements: string[] };
  for (const statement of statements) await spark.sql(statement);
}

const query = (table: string, microseconds: (value: string) => string) =>
  spark.sql(versionsQuery(table, { microseconds, first: 0 }));

describe('old and new files of a topic', () => {
  it.each([
    ['all found', 'found', []],
    ['named one by one', 'named', HOURS],
  ])('are one table of Spark by its printed statement, its hours %s', async (_, table, hours) => {
    await create('spark', table, ...hours);
    expect(await query(table, (value) => `unix_micros(${value})`)).toEqual(VERSIONS_ROWS);
  });

  it.each([
    ['all found', 'hive_found', []],
    ['named one by one', 'hive_named', HOURS],
  ])('are one table of Hive by its printed statement, its hours %s', async (_, table, hours) => {
    await create('hive', table, ...hours);
    await readByHive(spark, false);
    expect(await query(table, (value) => value)).toEqual(VERSIONS_ROWS);
    await readByHive(spark, true);
    const bySerDe = { microseconds: (value: string) => value, first: 0, price: 'NULL' } as const;
    expect(await spark.sql(versionsQuery(table, bySerDe))).toEqual(
      VERSIONS_ROWS.map((row) => ({ ...row, price: null })),
    );
    // What is warned of.
    await expect(spark.sql(`SELECT price FROM ${table}`)).rejects.toThrow(/ETypeConverter.*addLong/s);
  });
});
