/**
 * Broker, loader and retention together: what the loader tells the broker is never ahead of the chain in the warehouse, and
 * with `retention.requires.load` nothing is deleted that it has not told.
 */
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { KafkaClient } from '../../broker/client/client.ts';
import { load } from '../../loader/loader.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { readTopicState } from '../../loader/table-state.ts';
import { webRequest } from '../support/events.ts';
import { type LoadSetup, loadTopics, sendRecords, setupSettings } from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { StoppingStore, type Trouble } from '../support/stopping-store.ts';
import { TempDir } from '../support/temp-dir.ts';

const GROUP = 'millrace-loader';
let dir: TempDir;
let broker: Broker;
let client: KafkaClient;
beforeAll(async () => {
  dir = new TempDir('requires-load');
  broker = await startBroker(dir.join('data'), { log: { retentionCheckIntervalMs: 100 } });
  client = await KafkaClient.connect(setupOf('none').client);
});
afterAll(async () => {
  await client.close();
  await broker.stop();
  dir[Symbol.dispose]();
});

const setup = (topic: string): LoadSetup => ({
  address: addressOf(broker),
  warehouse: dir.join(`warehouse-${topic}`),
  topics: { [topic]: { schema: 'web_request' } },
});
const setupOf = (topic: string) => setupSettings(setup(topic));

async function send(topic: string, from: number, until: number): Promise<void> {
  const records = Array.from({ length: until - from }, (_, i) => ({
    value: webRequest(from + i, 0),
    partition: 0,
  }));
  await sendRecords(addressOf(broker), topic, records);
}

/** What the broker was told, read by a foreign client; -1: nothing. */
async function toldOffset(topic: string): Promise<number> {
  const admin = new Kafka({ brokers: [addressOf(broker)], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const [found] = await admin.fetchOffsets({ groupId: GROUP, topics: [topic] });
    return Number(found?.partitions.find(({ partition }) => partition === 0)?.offset ?? -1);
  } finally {
    await admin.disconnect();
  }
}

/** Up to where the chain in the warehouse says that everything is loaded. */
async function chainHead(topic: string): Promise<number> {
  await using store = await openStore(setupOf(topic));
  return (await readTopicState(store, topic)).chains.get(0)?.head ?? 0;
}

test('what is not loaded stays, whatever its age; once loaded it goes', { timeout: 240_000 }, async () => {
  const topic = 'kept';
  const configs = { 'retention.ms': '0', 'retention.requires.load': 'true', 'segment.ms': '1' };
  await client.createTopic(topic, { partitions: 1, replication: 1, configs });
  const start = async () => (await client.listOffsets([{ topic, partition: 0 }], 'earliest'))[0]?.offset;
  for (let i = 0; i < 4; i++) await send(topic, i * 10, i * 10 + 10);
  // Another topic with the same retention and without the rule shows that retention has looked since.
  const witness = { ...configs, 'retention.requires.load': 'false' };
  await client.createTopic('witness', { partitions: 1, replication: 1, configs: witness });
  await send('witness', 0, 10);
  const witnessed = { topic: 'witness', partition: 0 };
  await expect
    .poll(async () => (await client.listOffsets([witnessed], 'earliest'))[0]?.offset, { timeout: 120_000 })
    .toBe(10);
  expect(await start()).toBe(0);
  expect(await loadTopics(setup(topic), topic)).toMatchObject({ rows: 40 });
  expect(await toldOffset(topic)).toBe(40);
  await expect.poll(start, { timeout: 120_000 }).toBe(40);
});

const isCommit = (name: string) => /^publish .*\/commits\//.test(name);

test.each<[string, (name: string) => boolean, Trouble]>([
  ['dies before the commit', (name) => /^(sync|makeDirectory) /.test(name), 'dies after'],
  ['cannot publish the commit', isCommit, 'is refused'],
  ['dies right after the commit', isCommit, 'dies after'],
  [
    'dies while it judges hours',
    (name) => /outcome|runs?\//.test(name) && !/plan|start/.test(name),
    'dies after',
  ],
])(
  'a load that %s has not told of more than the chain holds',
  async (what, isMoment, trouble) => {
    const topic = what.replaceAll(' ', '-');
    await client.createTopic(topic, { partitions: 1, replication: 1 });
    await send(topic, 0, 20);
    await loadTopics(setup(topic), topic);
    await send(topic, 20, 50);
    {
      await using store = new StoppingStore(await openStore(setupOf(topic)), isMoment, trouble);
      const warn = () => undefined;
      await load({ settings: setupOf(topic), store, topics: [topic], warn }).catch(() => undefined);
      await store.settled();
      expect(store.met).toBeDefined();
    }
    const told = await toldOffset(topic);
    expect([20, 50]).toContain(told);
    expect(told).toBeLessThanOrEqual(await chainHead(topic));
    await loadTopics(setup(topic), topic);
    expect([await toldOffset(topic), await chainHead(topic)]).toEqual([50, 50]);
  },
  240_000,
);

test('the report can be turned off, and a broker that refuses it does not fail the load', {
  timeout: 240_000,
}, async () => {
  const topic = 'quiet';
  await client.createTopic(topic, { partitions: 1, replication: 1 });
  await send(topic, 0, 10);
  const quiet = { ...setup(topic), loader: { reportGroup: '' } };
  expect(await loadTopics(quiet, topic)).toMatchObject({ rows: 10 });
  expect(await toldOffset(topic)).toBe(-1);
});
