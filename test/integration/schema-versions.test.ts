/**
 * A schema that grows while a topic is loaded: `schema check` says that it may, `schema ddl` prints the view, and old and
 * new files are one table to DuckDB and hyparquet, before and after they were merged.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { openDuckDb } from '../support/event-files.ts';
import { visibleFiles } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords } from '../support/load-topic.ts';
import { readByHyparquet } from '../support/parquet-readers.ts';
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

const TOPIC = 'shop';

let dir: TempDir;
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('schema-versions');
  broker = await startBroker(dir.join('data'));
  for (const name of ['schemas', 'next']) mkdirSync(dir.join(name));
  writeFileSync(dir.join('schemas', `${TOPIC}.json`), OLD_TEXT);
  writeFileSync(dir.join('next', `${TOPIC}.json`), NEW_TEXT);
  await createTopic(addressOf(broker), TOPIC, 1);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const common = () => [
  ...['--warehouse', `file:${dir.join('warehouse')}`, '--broker', addressOf(broker)],
  ...['--set', `schemas.dir=${dir.join('schemas')}`, '--set', 'loader.graceMs=0'],
];

async function sendAndLoad(events: readonly string[]): Promise<void> {
  await sendRecords(
    addressOf(broker),
    TOPIC,
    events.map((value) => ({ value })),
  );
  const setup = {
    address: addressOf(broker),
    warehouse: dir.join('warehouse'),
    schemasDir: dir.join('schemas'),
    loader: { graceMs: 0, spoolDir: dir.join('spool') },
  };
  expect(await loadTopics(setup, TOPIC)).toMatchObject({ rows: events.length, quarantined: 0 });
}

/** What the query finds through the view that `schema ddl` prints. */
async function byView(): Promise<unknown[]> {
  const ddl = await runCli(['schema', 'ddl', 'duckdb', TOPIC, '--json', ...common()]);
  expect(ddl.stderr).toBe('');
  const { statements } = JSON.parse(ddl.stdout) as { statements: string[] };
  const connection = await openDuckDb();
  try {
    for (const statement of statements) await connection.run(statement);
    const sql = versionsQuery(TOPIC, { microseconds: (value) => `epoch_us(${value})`, first: 1 });
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
  }
}

describe('a schema that grows', () => {
  const files = () => visibleFiles(dir.join('warehouse'), TOPIC);

  test('is checked, loaded, and read with the files from before', async () => {
    await sendAndLoad(OLD_EVENTS);
    const versions = [dir.join('schemas', `${TOPIC}.json`), dir.join('next', `${TOPIC}.json`)];
    const check = await runCli(['schema', 'check', ...versions, '--level', 'full']);
    expect(check.stdout).toContain('may be used (full)');
    expect(check.stdout).toContain('told apart by event_type');
    expect(check.status).toBe(0);
    const back = await runCli(['schema', 'check', ...versions.reverse()]);
    expect(back.stdout).toContain('REFUSED  place.since: removed');
    expect(back.status).toBe(1);
    writeFileSync(dir.join('schemas', `${TOPIC}.json`), NEW_TEXT);
    expect(await byView()).toEqual(VERSIONS_ROWS.slice(0, OLD_EVENTS.length));
    await sendAndLoad(NEW_EVENTS);
    expect(files()).toHaveLength(2);
    expect(await byView()).toEqual(VERSIONS_ROWS);
    const [old, now] = await Promise.all(
      files().map(async (path) => (await readByHyparquet(join(dir.join('warehouse'), TOPIC, path))).rows),
    );
    expect(old!.map((row) => row['lines'] ?? null)).toEqual([null, null]);
    expect(old![0]).toMatchObject({ place: { lat: 1.5, name: 'Nice' }, tags: ['a', null, 'ä'], price: 12.5 });
    expect(now![0]).toMatchObject({
      order_id: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      attrs: { a: 1n, b: -9007199254740991n },
      lines: [
        { sku: 'x', gift: true },
        { sku: 'y', gift: null },
      ],
    });
  });

  test('is remembered version by version, with the offsets that each loaded', async () => {
    const { stdout } = await runCli(['schema', 'versions', '--topic', TOPIC, '--json', ...common()]);
    const { current, versions } = JSON.parse(stdout) as { current: { sha256: string }; versions: unknown[] };
    expect(versions).toMatchObject([
      { name: TOPIC, rows: 2, files: 1, offsets: { 0: [0, 2] } },
      { name: TOPIC, rows: 2, files: 1, offsets: { 0: [2, 4] }, sha256: current.sha256 },
    ]);
    expect(versions[0]).not.toMatchObject({ sha256: current.sha256 });
  });

  test('goes with the files that are there, and the version before it does not any more', async () => {
    const own = await runCli(['schema', 'check', '--topic', TOPIC, ...common()]);
    expect(own).toMatchObject({ status: 0, stderr: '' });
    expect(own.stdout).toMatch(/the same columns.*goes with the files; against dt=2026-03-01/s);
    writeFileSync(dir.join('next', 'old.json'), OLD_TEXT.replace('"price"', '"cost"'));
    const old = await runCli([
      'schema',
      'check',
      '--topic',
      TOPIC,
      dir.join('next', 'old.json'),
      '--json',
      ...common(),
    ]);
    expect(old.status).toBe(1);
    const { changes } = JSON.parse(old.stdout) as { changes: { column: string; change: string }[] };
    expect(changes.map(({ column, change }) => `${column}: ${change}`)).toEqual([
      'place: of another type',
      'price: removed',
      'order_id: removed',
      'attrs: removed',
      'total: removed',
      'lines: removed',
      'cost: added at the end',
    ]);
  });

  test('is one file after compaction, with the same rows', async () => {
    const compact = await runCli(['compact', '--topic', TOPIC, '--hour', '2026-03-01T05', ...common()]);
    expect(compact.stderr).toBe('');
    expect(files()).toHaveLength(1);
    expect(await byView()).toEqual(VERSIONS_ROWS);
  });

  test('is proposed from the records of the topic', async () => {
    const { status, stdout, stderr } = await runCli(['schema', 'infer', '--topic', TOPIC, ...common()]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { properties } = JSON.parse(stdout) as { properties: Record<string, unknown> };
    const { properties: own } = JSON.parse(NEW_TEXT) as { properties: Record<string, unknown> };
    expect(Object.keys(properties)).toEqual(Object.keys(own));
    expect(properties['order_id']).toEqual(own['order_id']);
    const missing = await runCli(['schema', 'infer', '--topic', 'nowhere', ...common()]);
    expect(missing.stderr).toMatch(/no topic nowhere on the broker/);
  });
});
