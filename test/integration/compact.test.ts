/**
 * Compaction over a table of many small files: the same rows in fewer files, sorted; a marked hour whole; and at every
 * single store operation the process may die, or another one may have been faster.
 */
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { type CompactOptions, compact } from '../../jobs/compact.ts';
import { recoverTopic } from '../../loader/recover.ts';
import { RowCopier } from '../../loader/row-copier.ts';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import type { Store } from '../../loader/store/store.ts';
import { webRequests } from '../support/events.ts';
import { listing, queryTable, visibleFiles, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords } from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { StoppingStore } from '../support/stopping-store.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'web_request';
const [PARTITIONS, HOURS, LOADS, ROWS] = [2, 2, 3, 240];
const HOUR = '2026-03-01T00';
/** More operations than any compaction here does. */
const MOST_OPERATIONS = 200;

let dir: TempDir;
let broker: Broker;
let original: string;
let copier: RowCopier;
beforeAll(async () => {
  dir = new TempDir('compact');
  original = dir.join('warehouse');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, PARTITIONS);
  const setup = {
    address: addressOf(broker),
    warehouse: original,
    loader: { graceMs: 0, spoolDir: dir.join('spool') },
  };
  for (let n = 0; n < LOADS; n++) {
    const part = ROWS / LOADS;
    const events = webRequests(n * part, (n + 1) * part, { partitions: PARTITIONS, hours: HOURS });
    // The hour of an event and its partition are independent of each other only if their periods are.
    const records = [...events].map((event, i) => ({ ...event, partition: (i >> 1) % PARTITIONS }));
    await sendRecords(addressOf(broker), TOPIC, records);
    await loadTopics(setup, TOPIC);
  }
  copier = await RowCopier.open({
    memoryLimitBytes: 128 * 2 ** 20,
    tempDirectory: dir.join('tmp'),
  });
});
afterAll(async () => {
  await copier[Symbol.asyncDispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

/** A warehouse of its own, as it was after the loads. */
const copyOfTable = () => dir.copyOf(original);

const optionsFor = (store: Store): CompactOptions => ({
  store,
  topic: TOPIC,
  copier,
  localDirectory: dir.path,
  targetBytes: 2 ** 20,
  compression: 'snappy',
  rowGroupRows: 2_048,
  eventTime: 'event_time',
  graceMs: 0,
  run: 'compaction',
  now: Date.now,
  warn: (message) => {
    throw new Error(`unexpected warning: ${message}`);
  },
});

const ALL_ROWS = 'SELECT * EXCLUDE (dt, hour) FROM TABLE ORDER BY _partition, _offset';
const markerOf = (warehouse: string) => existsSync(join(warehouse, TOPIC, 'dt=2026-03-01/hour=00/_SUCCESS'));

async function expectOnce(warehouse: string): Promise<void> {
  for (const { rows, distinct } of await visibleOffsets(warehouse, TOPIC)) expect(rows).toBe(distinct);
}

describe('a compaction', () => {
  test('makes one sorted file of each complete hour, row for row the same, and marks it again', async () => {
    const warehouse = copyOfTable();
    const before = await queryTable(warehouse, TOPIC, ALL_ROWS);
    await using store = await DirectoryStore.open(warehouse);
    const result = await compact(optionsFor(store));
    expect(result).toMatchObject({ filesBefore: PARTITIONS * HOURS * LOADS, filesAfter: HOURS, rows: ROWS });
    expect(visibleFiles(warehouse, TOPIC)).toHaveLength(HOURS);
    expect(await queryTable(warehouse, TOPIC, ALL_ROWS)).toEqual(before);
    const unsorted = `SELECT count(*) AS n FROM (SELECT event_time < lag(event_time) OVER (PARTITION BY hour ORDER BY file_row_number)
      AS isBack FROM TABLE) WHERE isBack`;
    expect(await queryTable(warehouse, TOPIC, unsorted)).toEqual([{ n: '0' }]);
    expect(markerOf(warehouse)).toBe(true);
    expect(await compact(optionsFor(store))).toMatchObject({ hours: [], filesAfter: 0 });
  });

  test('leaves large files and incomplete hours alone', async () => {
    await using store = await DirectoryStore.open(copyOfTable());
    const smallest = Math.min(
      ...[...(await recoverTopic(store, TOPIC)).live.values()].map(({ bytes }) => bytes),
    );
    expect(await compact({ ...optionsFor(store), targetBytes: smallest })).toMatchObject({ hours: [] });
    await expect(compact({ ...optionsFor(store), hour: '2030-01-01T00' })).rejects.toThrow(/is not complete/);
  });

  test('refuses a file that does not hold what its record says', async () => {
    const warehouse = copyOfTable();
    await using store = await DirectoryStore.open(warehouse);
    const [first, second] = visibleFiles(warehouse, TOPIC).filter((path) => path.includes('p00000'));
    cpSync(join(warehouse, TOPIC, second!), join(warehouse, TOPIC, first!));
    const before = visibleFiles(warehouse, TOPIC);
    await expect(compact({ ...optionsFor(store), hour: HOUR })).rejects.toThrow(/look for a damaged file/);
    expect(visibleFiles(warehouse, TOPIC)).toEqual(before);
  });

  test('that is outbid on its number plans anew, and both rewrites count', async () => {
    const warehouse = copyOfTable();
    const before = await queryTable(warehouse, TOPIC, ALL_ROWS);
    await using other = await DirectoryStore.open(warehouse);
    const isPublish = (name: string) => name.startsWith('publish') && name.endsWith('00000001.json');
    await using store = new StoppingStore(await DirectoryStore.open(warehouse), isPublish, async () => {
      await compact({ ...optionsFor(other), run: 'faster' });
    });
    const result = await compact(optionsFor(store));
    expect(store.met).toBeDefined();
    expect(result.hours).toEqual([]); // the faster one has done it all
    expect(await queryTable(warehouse, TOPIC, ALL_ROWS)).toEqual(before);
    expect(listing(warehouse, TOPIC).filter((path) => path.endsWith('.staged'))).toEqual([]);
  });

  test('may die after any operation: never a row twice, and the next run leaves every row once and the hour marked', async () => {
    const before = await queryTable(original, TOPIC, ALL_ROWS);
    for (let dies = 0; dies < MOST_OPERATIONS; dies++) {
      const warehouse = copyOfTable();
      const dying = new StoppingStore(
        await DirectoryStore.open(warehouse),
        (_, index) => index === dies,
        'dies after',
      );
      await compact({ ...optionsFor(dying), hour: HOUR, warn: () => {} }).catch(() => {});
      const met = dying.met;
      await expectOnce(warehouse);
      if (markerOf(warehouse)) expect(await queryTable(warehouse, TOPIC, ALL_ROWS), met).toEqual(before);
      await using store = await DirectoryStore.open(warehouse);
      await compact({ ...optionsFor(store), warn: () => {} });
      await loadTopics({ address: addressOf(broker), warehouse, loader: { graceMs: 0 } }, TOPIC);
      expect(await queryTable(warehouse, TOPIC, ALL_ROWS), met).toEqual(before);
      expect(visibleFiles(warehouse, TOPIC), met).toHaveLength(HOURS);
      expect(markerOf(warehouse), met).toBe(true);
      if (met === undefined) return;
    }
    throw new Error('a compaction does more operations than this test has tried');
  }, 300_000);
});
