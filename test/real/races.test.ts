/**
 * Fifty seeded races of two loaders on one topic, in HDFS (FAULT_RACES: another number): as test/fault/races.test.ts does
 * in directories. HDFS's own rename decides here.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { readTopicState } from '../../loader/table-state.ts';
import { copyOut } from '../support/copy-out.ts';
import { webRequests } from '../support/events.ts';
import { visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords, setupSettings } from '../support/load-topic.ts';
import { RacingLoader, race } from '../support/loader-races.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';

const RACES = Number(process.env['FAULT_RACES'] ?? 50);
const [TOPIC, PARTITIONS, PER_RACE] = ['web_request', 2, 40];
const MAX_WAIT_MS = 20;

let dir: TempDir;
let broker: Broker;
let hdfs: Hdfs;
beforeAll(async () => {
  dir = new TempDir('real-races');
  broker = await startBroker(dir.join('data'));
  hdfs = await startHdfs({ dataNodes: 1 });
});
afterAll(async () => {
  await hdfs[Symbol.asyncDispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

it('gives each record of a topic that two loaders load at once one winner', {
  timeout: 3_600_000,
}, async () => {
  const address = addressOf(broker);
  await createTopic(address, TOPIC, PARTITIONS);
  const loader = { workers: 1, emptyHoursPerRun: 0, spoolDir: dir.join('spool') };
  const settings = setupSettings({ address, warehouse: hdfs.url, loader });
  await using one = await RacingLoader.open(settings);
  await using other = await RacingLoader.open(settings);
  for (let seed = 0; seed < RACES; seed++) {
    const spread = { partitions: PARTITIONS, hours: 3 };
    await sendRecords(address, TOPIC, webRequests(seed * PER_RACE, (seed + 1) * PER_RACE, spread));
    const { rows, errors } = await race([one, other], TOPIC, { seed, maxMs: MAX_WAIT_MS });
    expect([errors, rows[0] + rows[1]], `race ${seed}`).toEqual([[], PER_RACE]);
  }
  await one.load(TOPIC, { seed: 0, maxMs: 0 });
  await using store = await openStore(settings);
  const { chains, live } = await readTopicState(store, TOPIC);
  const each = (RACES * PER_RACE) / PARTITIONS;
  expect([...chains.values()].map(({ head }) => head)).toEqual([each, each]);
  const visible = await copyOut(store, TOPIC, dir.join('copy'));
  expect(visible.toSorted()).toEqual([...live.keys()].sort());
  expect(await visibleOffsets(dir.join('copy'), TOPIC)).toEqual(
    [0, 1].map((partition) => ({ partition, rows: each, distinct: each, min: 0, max: each - 1 })),
  );
  const left = (await store.list(`${TOPIC}/_loader/staging`)).map(({ name }) => name);
  expect(left.filter((name) => name !== 'h-markers')).toEqual([]);
});
