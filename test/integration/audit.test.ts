/**
 * The audit over a table made by real loads, and over the same table after things were done to it behind its back.
 */
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { KafkaClient } from '../../broker/client/client.ts';
import { type AuditResult, audit } from '../../jobs/audit.ts';
import { RowCopier } from '../../loader/row-copier.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { webRequests } from '../support/events.ts';
import { visibleFiles } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords, setupSettings } from '../support/load-topic.ts';
import { withOverrides } from '../support/memory-store.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'web_request';
const [PARTITIONS, HOURS, ROWS, REFUSED] = [2, 3, 300, 4];

let dir: TempDir;
let broker: Broker;
let original: string;
beforeAll(async () => {
  dir = new TempDir('audit');
  original = dir.join('warehouse');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, PARTITIONS);
  const loader = { graceMs: 0, spoolDir: dir.join('spool') };
  const bad = Array.from({ length: REFUSED }, () => ({
    value: 'not json',
    partition: 0,
    timestampMs: Date.parse('2026-03-01T01:30:00Z'),
  }));
  const events = [...webRequests(0, ROWS, { hours: HOURS })].map((event, i) => ({
    ...event,
    partition: i % 2,
  }));
  for (const records of [events.slice(0, ROWS / 2), [...events.slice(ROWS / 2), ...bad]]) {
    await sendRecords(addressOf(broker), TOPIC, records);
    await loadTopics({ address: addressOf(broker), warehouse: original, loader }, TOPIC);
  }
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

/** A warehouse of its own, as it was after the loads. */
const copyOfTable = () => dir.copyOf(original);

async function auditOf(warehouse: string): Promise<AuditResult & { status: number }> {
  const { status, stdout, stderr } = await runCli([
    ...[
      'audit',
      '--topic',
      TOPIC,
      '--json',
      '--broker',
      addressOf(broker),
      '--warehouse',
      `file:${warehouse}`,
    ],
    ...['--set', `loader.spoolDir=${dir.join('spool')}`],
  ]);
  expect(stderr).toBe('');
  return { ...(JSON.parse(stdout) as AuditResult), status };
}

const verdicts = ({ hours }: AuditResult) => hours.map(({ verdict }) => verdict);

test('a whole table is OK, hour by hour, refused records counted', async () => {
  const result = await auditOf(original);
  expect(result).toMatchObject({ ok: true, status: 0 });
  expect(verdicts(result)).toEqual(['OK', 'OK', 'OK']);
  expect(
    result.hours.map(({ broker, loader, files, quarantined }) => [broker, loader, files, quarantined]),
  ).toEqual([
    [100, 100, 100, 0],
    [104, 104, 104, REFUSED],
    [100, 100, 100, 0],
  ]);
});

test('a file that is gone makes its hour SHORT, and is named', async () => {
  const warehouse = copyOfTable();
  const [first] = visibleFiles(warehouse, TOPIC);
  rmSync(join(warehouse, TOPIC, first!));
  const result = await auditOf(warehouse);
  expect(result).toMatchObject({ ok: false, status: 1 });
  expect(verdicts(result)).toEqual(['SHORT', 'OK', 'OK']);
  expect(result.hours[0]!.problems.join()).toContain(first);
});

test('a copy of a file makes its hour OVER', async () => {
  const warehouse = copyOfTable();
  const [first] = visibleFiles(warehouse, TOPIC);
  cpSync(join(warehouse, TOPIC, first!), join(warehouse, TOPIC, first!.replace(/p0000.*/, 'copy.parquet')));
  const result = await auditOf(warehouse);
  expect([result.status, verdicts(result)]).toEqual([1, ['OVER', 'OK', 'OK']]);
});

test('files that changed places are found out by their digests, though the counts agree', async () => {
  const warehouse = copyOfTable();
  const inHour = visibleFiles(warehouse, TOPIC).filter((path) => path.includes('hour=00'));
  const [a, b] = inHour.map((path) => join(warehouse, TOPIC, path)) as [string, string];
  renameSync(a, `${a}.moved`);
  cpSync(b, a);
  rmSync(`${a}.moved`);
  const result = await auditOf(warehouse);
  expect([result.status, result.hours[0]!.verdict]).toEqual([1, 'SHORT']);
});

test('a commit record that is gone is a broken chain, and the audit says so', async () => {
  const warehouse = copyOfTable();
  rmSync(join(warehouse, TOPIC, '_loader/commits/p=00000/g=000000', `${'0'.repeat(20)}.json`));
  const { status, stderr } = await runCli([
    ...['audit', '--topic', TOPIC, '--broker', addressOf(broker), '--warehouse', `file:${warehouse}`],
  ]);
  expect([status, stderr]).toEqual([1, expect.stringContaining('restore the missing record')]);
});

test('records that are not loaded yet make an hour PENDING, and loading them makes it OK', async () => {
  const late = [...webRequests(ROWS, ROWS + 2)].map((event) => ({ ...event, partition: 1 }));
  const warehouse = copyOfTable();
  await sendRecords(addressOf(broker), TOPIC, late);
  const before = await auditOf(warehouse);
  expect([before.ok, before.hours[0]!.verdict]).toEqual([true, 'PENDING']);
  await loadTopics({ address: addressOf(broker), warehouse, loader: { graceMs: 0 } }, TOPIC);
  const after = await auditOf(warehouse);
  expect(after.hours[0]).toMatchObject({ verdict: 'OK', broker: 102, late: before.hours[0]!.late + 2 });
});

test('a log whose first records go while it is read is looked at again', async () => {
  const topic = 'cut';
  const setup = {
    address: addressOf(broker),
    warehouse: dir.join('cut'),
    topics: { cut: { schema: TOPIC } },
  };
  await createTopic(setup.address, topic, 1);
  await sendRecords(setup.address, topic, [...webRequests(0, 60)]);
  await loadTopics({ ...setup, loader: { spoolDir: dir.join('spool') } }, topic);
  const settings = setupSettings(setup);
  await using client = await KafkaClient.connect(settings.client);
  await using store = await openStore(settings);
  await using copier = await RowCopier.open({
    memoryLimitBytes: settings.loader.duckdbMemoryBytes,
    tempDirectory: dir.path,
  });
  const admin = new Kafka({ brokers: [setup.address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic); // kafkajs deletes records of topics only that it has asked about
  let looks = 0;
  const cutting = withOverrides(client, {
    listOffsets: async (...asked: Parameters<KafkaClient['listOffsets']>) => {
      const found = await client.listOffsets(...asked);
      // Where the log ends is asked last before it is read.
      if (asked[2] === 'read_committed' && looks++ === 0)
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }] });
      return found;
    },
  });
  const rest = { topic, settings, copier, localDirectory: dir.path, now: Date.now, warn: () => {} };
  const result = await audit({ store, client: cutting, ...rest });
  await admin.disconnect();
  expect(looks).toBe(2);
  expect(result.hours.map(({ broker: ofLog, files, verdict }) => [ofLog, files, verdict])).toEqual([
    [null, 60, 'OK'],
  ]);
});
