/**
 * Transactions over the socket: what read_committed consumers, groups, other producers of the same id and a broker that
 * was killed see of them.
 */
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { committedBatches } from '../../broker/client/committed-batches.ts';
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { incrementalAlterConfigs } from '../../broker/protocol/apis/incremental-alter-configs.ts';
import { listOffsets } from '../../broker/protocol/apis/list-offsets.ts';
import { offsetFetch } from '../../broker/protocol/apis/offset-fetch.ts';
import { errorNameOf } from '../../broker/protocol/errors.ts';
import { batchesOf } from '../../broker/protocol/record-batch.ts';
import { fetchBody, fetchFrom, valuesIn } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { webRequest } from '../support/events.ts';
import { queryTable } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics } from '../support/load-topic.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawTransactions } from '../support/raw-transactions.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const READ_COMMITTED = 1;
let dir: TempDir;
let broker: Broker;
let client: RawClient;
beforeAll(async () => {
  dir = new TempDir('transactions');
  broker = await startBroker(dir.join('data'), { transactions: { checkIntervalMs: 100 } });
  client = await RawClient.connect(broker);
  await createTopic(addressOf(broker), 'numbers', 2);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

let topics = 0;
async function newTopic(): Promise<string> {
  topics += 1;
  await createTopic(addressOf(broker), `topic-${topics}`, 2);
  return `topic-${topics}`;
}

/** What a read_committed consumer takes from a partition in one fetch. */
async function committed(from: RawClient, topic: string, partition = 0): Promise<string[]> {
  const body = { ...fetchBody({ topic, partition, offset: 0 }), isolationLevel: READ_COMMITTED };
  const answer = await from.request(fetch, 12, body);
  const { records, abortedTransactions, lastStableOffset } = answer.responses[0]?.partitions[0] ?? {};
  const aborted = abortedTransactions ?? [];
  const until = lastStableOffset ?? 0;
  return valuesIn(committedBatches(records ?? Buffer.alloc(0), { from: 0, until, aborted }).bytes).map(
    ([, value]) => value,
  );
}

async function stableOffset(from: RawClient, topic: string, partition = 0): Promise<number | undefined> {
  const answer = await from.request(listOffsets, 7, {
    isolationLevel: READ_COMMITTED,
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
  });
  return answer.topics[0]?.partitions[0]?.offset;
}

/** A group's offset of partition 0, or the error. */
async function groupOffset(from: RawClient, groupId: string, topic: string, requireStable = false) {
  const topicsAsked = [{ name: topic, partitionIndexes: [0] }];
  const answer = await from.request(offsetFetch, 7, { groupId, topics: topicsAsked, requireStable });
  const { errorCode = -1, committedOffset } = answer.topics[0]?.partitions[0] ?? {};
  return errorNameOf(errorCode) ?? committedOffset;
}

const INTERNAL = ['__consumer_offsets', '__transaction_state'];

/** Gives a topic these settings. */
async function alterTopic(from: RawClient, resourceName: string, settings: Record<string, string>) {
  const configs = Object.entries(settings).map(([name, value]) => ({ name, value, configOperation: 0 }));
  const resources = [{ resourceType: 2, resourceName, configs }];
  const { responses } = await from.request(incrementalAlterConfigs, 1, { resources });
  expect(responses.map(({ errorCode }) => errorNameOf(errorCode))).toEqual([undefined]);
}

/** How many records there are in partition 0 of a topic. */
async function recordsOf(from: RawClient, topic: string): Promise<number> {
  let count = 0;
  for (let offset = 0; ; ) {
    const { records, highWatermark } = await fetchFrom(from, { topic, offset });
    for (const { header } of batchesOf(records)) {
      count += header.recordCount;
      offset = header.lastOffset + 1;
    }
    if (offset >= highWatermark || records.length === 0) return count;
  }
}

describe('a transaction', () => {
  test('is seen by read_committed once it is committed, never if aborted, at every version', async () => {
    const topic = await newTopic();
    for (const version of [0, 1, 2, 3]) {
      const producer = new RawTransactions(client, `v${version}`, { version });
      expect(await producer.init({ version })).toBeUndefined();
      await producer.write(topic, [0, `kept ${version}`], [1, 'other']);
      expect(await committed(client, topic)).not.toContain(`kept ${version}`);
      expect(await producer.end('commit')).toBeUndefined();
      expect(await committed(client, topic)).toContain(`kept ${version}`);
      await producer.write(topic, [0, 'dropped']);
      expect(await producer.end('abort')).toBeUndefined();
    }
    expect(await committed(client, topic)).toEqual([0, 1, 2, 3].map((version) => `kept ${version}`));
    expect(await stableOffset(client, topic)).toBe(16);
  });

  test('holds the last stable offset where it began', async () => {
    const topic = await newTopic();
    const open = new RawTransactions(client, 'open');
    const other = new RawTransactions(client, 'other');
    await open.take();
    await other.take();
    await open.write(topic, [0, 'a']);
    await other.write(topic, [0, 'b']);
    expect(await other.end('commit')).toBeUndefined();
    expect(await stableOffset(client, topic)).toBe(0);
    expect(await open.end('abort')).toBeUndefined();
    expect(await stableOffset(client, topic)).toBe(4);
    expect(await committed(client, topic)).toEqual(['b']);
  });

  test('is refused what does not fit its state', async () => {
    const topic = await newTopic();
    const producer = new RawTransactions(client, 'states');
    expect(await producer.end('commit')).toBe('INVALID_PRODUCER_ID_MAPPING');
    await producer.take();
    expect(await producer.end('commit')).toBe('INVALID_TXN_STATE');
    expect(await producer.send(topic, 0, 'not told of')).toBe('INVALID_TXN_STATE');
    expect(await producer.add(topic, 0, 7)).toEqual([
      'OPERATION_NOT_ATTEMPTED',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ]);
    expect(await producer.add('__transaction_state', 0)).toEqual(['INVALID_TOPIC_EXCEPTION']);
    expect(await producer.commitOffset('g', { topic, offset: 1 })).toBe('INVALID_TXN_STATE');
    await producer.write(topic, [0, 'a']);
    expect(await producer.end('commit')).toBeUndefined();
    expect(await producer.end('commit')).toBeUndefined();
    expect(await producer.end('abort')).toBe('INVALID_TXN_STATE');
    expect(await producer.send(topic, 0, 'late')).toBe('INVALID_TXN_STATE');
    const long = new RawTransactions(client, 'long', { timeoutMs: 2 ** 31 - 1 });
    expect(await long.init()).toBe('INVALID_TRANSACTION_TIMEOUT');
    expect(await new RawTransactions(client, '').init()).toBe('INVALID_REQUEST');
    expect(await stableOffset(client, topic)).toBe(2);
  });

  test('of a producer whose id was taken is aborted, and the producer is fenced', async () => {
    const topic = await newTopic();
    const [zombie, old, next] = [3, 1, 3].map(
      (version) => new RawTransactions(client, 'fenced', { version }),
    ) as [RawTransactions, RawTransactions, RawTransactions];
    await zombie.take();
    await zombie.write(topic, [0, 'lost']);
    await next.take();
    expect(next.producerId).toBe(zombie.producerId);
    expect(next.producerEpoch).toBe(zombie.producerEpoch + 2);
    expect(await zombie.send(topic, 0, 'late')).toBe('INVALID_PRODUCER_EPOCH');
    expect(await zombie.add(topic, 0)).toEqual(['PRODUCER_FENCED']);
    expect(await zombie.end('commit')).toBe('PRODUCER_FENCED');
    expect(await zombie.init({ isBump: true })).toBe('PRODUCER_FENCED');
    Object.assign(old, { producerId: zombie.producerId, producerEpoch: zombie.producerEpoch });
    expect(await old.end('commit')).toBe('INVALID_PRODUCER_EPOCH');
    await next.write(topic, [0, 'kept']);
    expect(await next.end('commit')).toBeUndefined();
    expect(await next.init({ isBump: true })).toBeUndefined();
    expect(await committed(client, topic)).toEqual(['kept']);
  });

  test('that takes longer than its producer asked for is aborted', async () => {
    const topic = await newTopic();
    const slow = new RawTransactions(client, 'slow', { timeoutMs: 1_000 });
    await slow.take();
    await slow.add(topic, 0);
    await slow.send(topic, 0, 'late');
    const isFenced = async () => (await slow.add(topic, 1))[0] === 'PRODUCER_FENCED';
    await expect.poll(isFenced, { timeout: 60_000 }).toBe(true);
    expect(await slow.end('commit')).toBe('PRODUCER_FENCED');
    await expect.poll(() => stableOffset(client, topic), { timeout: 60_000 }).toBeGreaterThan(0);
    expect(await committed(client, topic)).toEqual([]);
  }, 120_000);

  test('gives a group its offsets with the commit, and only then', async () => {
    const topic = await newTopic();
    const producer = new RawTransactions(client, 'offsets');
    await producer.take();
    expect(await producer.addGroup('g')).toBeUndefined();
    expect(await producer.commitOffset('g', { topic, offset: 5 })).toBeUndefined();
    expect(await groupOffset(client, 'g', topic)).toBe(-1);
    expect(await groupOffset(client, 'g', topic, true)).toBe('UNSTABLE_OFFSET_COMMIT');
    const member = { memberId: 'stranger', generationId: 3 };
    expect(await producer.commitOffset('g', { topic, offset: 6, member })).toBe('ILLEGAL_GENERATION');
    expect(await producer.end('commit')).toBeUndefined();
    expect(await groupOffset(client, 'g', topic, true)).toBe(5);
    await producer.addGroup('g');
    await producer.commitOffset('g', { topic, offset: 9 });
    expect(await producer.end('abort')).toBeUndefined();
    expect(await groupOffset(client, 'g', topic, true)).toBe(5);
  });
});

test('offsets that no group may be made for are refused when they are sent, and taken once they are decided', async () => {
  await using small = await startBroker(dir.join('full'), { groups: { maxGroups: 1 } });
  using peer = await RawClient.connect(small);
  await createTopic(addressOf(small), 'read', 1);
  const [early, late] = ['early', 'late'].map((id) => new RawTransactions(peer, id)) as [
    RawTransactions,
    RawTransactions,
  ];
  for (const [producer, offset] of [[early, 3] as const, [late, 4] as const]) {
    await producer.take();
    const group = `of ${producer.id}`;
    expect(await producer.addGroup(group)).toBeUndefined();
    expect(await producer.commitOffset(group, { topic: 'read', offset })).toBeUndefined();
  }
  // Both groups had room when they were named, and the first takes it.
  for (const producer of [early, late]) expect(await producer.end('commit')).toBeUndefined();
  expect(await groupOffset(peer, 'of early', 'read', true)).toBe(3);
  expect(await groupOffset(peer, 'of late', 'read', true)).toBe(4);
  expect(await late.addGroup('third')).toBeUndefined();
  expect(await late.commitOffset('third', { topic: 'read', offset: 5 })).toBe('GROUP_MAX_SIZE_REACHED');
  expect(await late.end('commit')).toBeUndefined();
  expect(await late.addGroup('of late')).toBeUndefined();
});

test('the groups’ log and that of the transactions are compacted under many transactional commits', async () => {
  const groups = { offsetsPartitions: 1 };
  const overrides = {
    groups,
    transactions: { partitions: 1 },
    log: { cleanerIntervalMs: 100, flushIntervalMs: 100 },
  };
  const start = () => startBroker(dir.join('many'), overrides);
  const small = { 'segment.bytes': '4000', 'min.cleanable.dirty.ratio': '0' };
  const commits = 150;
  {
    await using many = await start();
    using peer = await RawClient.connect(many);
    await createTopic(addressOf(many), 'read', 1);
    const producer = new RawTransactions(peer, 'exactly once');
    await producer.take();
    for (let offset = 1; offset <= commits; offset++) {
      expect(await producer.addGroup('g')).toBeUndefined();
      if (offset === 2) for (const name of INTERNAL) await alterTopic(peer, name, small);
      expect(await producer.commitOffset('g', { topic: 'read', offset })).toBeUndefined();
      expect(await producer.end('commit')).toBeUndefined();
    }
    // Of one key each all but the newest, and what is in the active segment, may go.
    for (const name of INTERNAL)
      await expect.poll(() => recordsOf(peer, name), { timeout: 60_000 }).toBeLessThan(40);
    expect(await groupOffset(peer, 'g', 'read', true)).toBe(commits);
    await producer.addGroup('g');
    await producer.commitOffset('g', { topic: 'read', offset: commits + 1 });
    await producer.end('abort');
  }
  await using again = await start();
  using peer = await RawClient.connect(again);
  expect(await groupOffset(peer, 'g', 'read', true)).toBe(commits);
}, 120_000);

test('an open transaction outlives kill -9 of the broker and can still be ended', async () => {
  const dataDir = dir.join('killed');
  let open: RawTransactions;
  {
    await using process = await BrokerProcess.start(dataDir);
    using peer = await RawClient.connect(process);
    await createTopic(addressOf(process), 'survivors', 2);
    open = new RawTransactions(peer, 'survivor');
    await open.take();
    await open.write('survivors', [0, 'before'], [1, 'before']);
    await open.addGroup('g');
    await open.commitOffset('g', { topic: 'survivors', offset: 7 });
    await process.kill();
  }
  await using restarted = await startBroker(dataDir);
  using peer = await RawClient.connect(restarted);
  expect(await stableOffset(peer, 'survivors')).toBe(0);
  const again = new RawTransactions(peer, 'survivor');
  Object.assign(again, { producerId: open.producerId, producerEpoch: open.producerEpoch });
  expect(await again.end('commit')).toBeUndefined();
  expect(await committed(peer, 'survivors', 0)).toEqual(['before']);
  expect(await committed(peer, 'survivors', 1)).toEqual(['before']);
  expect(await groupOffset(peer, 'g', 'survivors', true)).toBe(7);
  const fresh = new RawTransactions(peer, 'new');
  await fresh.take();
  expect(fresh.producerId).toBeGreaterThan(open.producerId);
}, 120_000);

test('the loader brings each committed record of kafkajs once, and nothing else', async () => {
  const kafka = new Kafka({ brokers: [addressOf(broker)], logLevel: logLevel.NOTHING });
  const topic = 'loaded';
  await createTopic(addressOf(broker), topic, 2);
  const open = () => kafka.producer({ transactionalId: 'js', idempotent: true, maxInFlightRequests: 1 });
  const producer = open();
  await producer.connect();
  const setup = {
    address: addressOf(broker),
    warehouse: dir.join('warehouse'),
    topics: { [topic]: { schema: 'web_request' } },
  };
  let sent = 0;
  const send = async (transaction: { send: typeof producer.send }, count: number) => {
    const messages = Array.from({ length: count }, () => ({
      value: webRequest(sent++),
      partition: sent % 2,
    }));
    await transaction.send({ topic, messages });
  };
  for (const outcome of ['commit', 'abort', 'commit'] as const) {
    const transaction = await producer.transaction();
    await send(transaction, 10);
    await send(transaction, 10);
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 0 });
    if (outcome === 'commit') {
      await transaction.sendOffsets({ consumerGroupId: 'js', topics: [offsetsOf(topic, sent)] });
      await transaction.commit();
    } else await transaction.abort();
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: outcome === 'commit' ? 20 : 0 });
  }
  const rest = await producer.transaction();
  await send(rest, 5);
  const second = open();
  await second.connect();
  const taken = await second.transaction();
  await send(taken, 3);
  await expect(rest.send({ topic, messages: [{ value: 'late' }] })).rejects.toThrow();
  await taken.commit();
  expect(await loadTopics(setup, topic)).toMatchObject({ rows: 3 });
  const rows = await queryTable(setup.warehouse, topic, 'SELECT bytes::INTEGER AS n FROM TABLE ORDER BY n');
  const committedOnes = [...range(0, 20), ...range(40, 60), ...range(65, 68)];
  expect(rows.map(({ n }) => Number(n))).toEqual(committedOnes);
  expect(await groupOffset(client, 'js', topic)).toBe(60);
  await Promise.all([producer.disconnect(), second.disconnect()]);
}, 180_000);

function offsetsOf(topic: string, offset: number) {
  return { topic, partitions: [{ partition: 0, offset: String(offset) }] };
}

function range(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, i) => from + i);
}
