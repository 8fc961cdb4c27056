/**
 * kafkajs as a foreign witness: its producer and admin. Its consumer always joins a group, so what it produced is read by
 * our own request; fetching by it is tested where groups are.
 */
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { fetchFrom, valuesIn } from '../../support/batches.ts';
import { RawClient } from '../../support/raw-client.ts';
import { SeenApis } from '../../support/seen-apis.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

describe('kafkajs', () => {
  const dir = new TempDir('kafkajs');
  let broker: Broker;
  let kafka: Kafka;
  const seen = new SeenApis();

  beforeAll(async () => {
    broker = await startBroker(dir.path, {}, seen.log);
    kafka = new Kafka({ clientId: 'kafkajs', brokers: [addressOf(broker)], logLevel: logLevel.NOTHING });
  });
  afterAll(async () => {
    await broker.stop();
    seen.expectTold('kafkajs', /^kafkajs$/);
    dir[Symbol.dispose]();
  });

  test.each([
    ['plain', false],
    ['idempotent', true],
  ])('produces, %s', async (topic, idempotent) => {
    const producer = kafka.producer({ idempotent });
    await producer.connect();
    for (let batch = 0; batch < 3; batch++) {
      const messages = [0, 1, 2].map((i) => ({ value: `m${3 * batch + i}`, partition: 1 }));
      const [sent] = await producer.send({ topic, messages, acks: -1 });
      expect(sent).toMatchObject({ errorCode: 0, baseOffset: String(3 * batch) });
    }
    await producer.disconnect();
    using client = await RawClient.connect(broker);
    const { records } = await fetchFrom(client, { topic, partition: 1, offset: 0, version: 11 });
    expect(valuesIn(records)).toEqual(Array.from({ length: 9 }, (_, i) => [i, `m${i}`]));
  });

  test('creates, describes and deletes topics, and is refused what is not served', async () => {
    const admin = kafka.admin();
    await admin.connect();
    const configEntries = [{ name: 'retention.ms', value: '60000' }];
    expect(await admin.createTopics({ topics: [{ topic: 'made', numPartitions: 3, configEntries }] })).toBe(
      true,
    );
    expect(await admin.createTopics({ topics: [{ topic: 'made' }] })).toBe(false);
    const { topics } = await admin.fetchTopicMetadata({ topics: ['made'] });
    expect(topics[0]?.partitions.map(({ leader }) => leader)).toEqual([1, 1, 1]);
    const bad = [{ topic: 'bad', configEntries: [{ name: 'no.such', value: '1' }] }];
    await expect(admin.createTopics({ topics: bad })).rejects.toMatchObject({
      errors: [{ type: 'INVALID_CONFIG', topic: 'bad' }],
    });
    await admin.deleteTopics({ topics: ['made'] });
    expect(await admin.listTopics()).not.toContain('made');
    await admin.disconnect();
  });

  test('finds offsets, also by time', async () => {
    const producer = kafka.producer();
    await producer.connect();
    const messages = [100, 200, 300].map((time) => ({
      value: `at ${time}`,
      partition: 0,
      timestamp: String(time),
    }));
    await producer.send({ topic: 'offsets', messages });
    await producer.disconnect();
    const admin = kafka.admin();
    await admin.connect();
    const ends = await admin.fetchTopicOffsets('offsets');
    expect(ends.find(({ partition }) => partition === 0)).toMatchObject({ low: '0', high: '3' });
    const since = await admin.fetchTopicOffsetsByTimestamp('offsets', 150);
    expect(since.find(({ partition }) => partition === 0)?.offset).toBe('1');
    await admin.disconnect();
  });

  test('alters a topic, gives it partitions, and deletes records', async () => {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'altered', numPartitions: 1 }] });
    const resource = { type: ConfigResourceTypes.TOPIC, name: 'altered' };
    const configEntries = [{ name: 'retention.ms', value: '60000' }];
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
    expect(resources[0]?.configEntries).toContainEqual(
      expect.objectContaining({ configName: 'retention.ms', configValue: '60000' }),
    );
    await admin.createPartitions({ topicPartitions: [{ topic: 'altered', count: 2 }] });
    const producer = kafka.producer();
    await producer.connect();
    const messages = [1, 2, 3].map((i) => ({ value: `m${i}`, partition: 1 }));
    await producer.send({ topic: 'altered', messages });
    await producer.disconnect();
    expect(await admin.fetchTopicOffsets('altered')).toHaveLength(2);
    await admin.deleteTopicRecords({ topic: 'altered', partitions: [{ partition: 1, offset: '2' }] });
    const ends = await admin.fetchTopicOffsets('altered');
    expect(ends.find(({ partition }) => partition === 1)).toMatchObject({ low: '2', high: '3' });
    await admin.disconnect();
  });

  test('commits records and offsets in a transaction, and aborts both', async () => {
    const producer = kafka.producer({ transactionalId: 'mover', idempotent: true, maxInFlightRequests: 1 });
    const admin = kafka.admin();
    await Promise.all([producer.connect(), admin.connect()]);
    const move = async (offset: string) => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: 'moved', messages: [{ value: `up to ${offset}`, partition: 0 }] });
      const topics = [{ topic: 'plain', partitions: [{ partition: 1, offset }] }];
      await transaction.sendOffsets({ consumerGroupId: 'movers', topics });
      return transaction;
    };
    await (await move('3')).commit();
    await (await move('6')).abort();
    const [committed] = await admin.fetchOffsets({ groupId: 'movers', topics: ['plain'] });
    expect(committed?.partitions.find(({ partition }) => partition === 1)?.offset).toBe('3');
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  });

  // kafkajs takes the list of aborted transactions for one in the order of their first offsets, which Kafka does not promise.
  test('reads nothing of transactions that overlap and are aborted, the later one first', async () => {
    const topic = 'overlapping';
    const open = async (transactionalId: string) => {
      const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
      return { producer, transaction: await producer.transaction() };
    };
    const [one, two] = [await open('one'), await open('two')];
    const send = (by: typeof one, value: string) =>
      by.transaction.send({ topic, messages: [{ value, partition: 0 }] });
    await send(one, 'aborted last');
    await send(two, 'aborted first');
    await two.transaction.abort();
    await send(one, 'aborted last');
    await one.transaction.abort();
    const last = await one.producer.transaction();
    await last.send({ topic, messages: [{ value: 'committed', partition: 0 }] });
    await last.commit();
    const consumer = kafka.consumer({ groupId: 'overlapping' });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const values: string[] = [];
    await consumer.run({ eachMessage: async ({ message }) => void values.push(String(message.value)) });
    await expect.poll(() => values.includes('committed'), { timeout: 60_000 }).toBe(true);
    expect(values).toEqual(['committed']);
    await Promise.all([consumer.disconnect(), one.producer.disconnect(), two.producer.disconnect()]);
  });
});
