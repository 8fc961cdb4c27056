/**
 * Consumer groups as three foreign clients use them: kafkajs (JoinGroup 5), @platformatic/kafka (the newest versions)
 * and librdkafka through kcat.
 */
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { batchOf, produceBatch } from '../../support/batches.ts';
import { hasKcat, kcat } from '../../support/kcat.ts';
import { RawClient } from '../../support/raw-client.ts';
import { SeenApis } from '../../support/seen-apis.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

const PARTITIONS = 4;
const LONG = 180_000;

describe('a consumer group', { timeout: LONG }, () => {
  const dir = new TempDir('groups');
  let broker: Broker;
  let kafka: Kafka;
  const seen = new SeenApis();

  beforeAll(async () => {
    broker = await startBroker(dir.path, { groups: { initialRebalanceDelayMs: 0 } }, seen.log);
    kafka = new Kafka({ clientId: 'kafkajs', brokers: [addressOf(broker)], logLevel: logLevel.NOTHING });
  });
  afterAll(async () => {
    await broker.stop();
    seen.expectTold('kafkajs', /^kafkajs$/);
    seen.expectTold('@platformatic/kafka', /^platformatic$/);
    if (hasKcat()) seen.expectTold('kcat', /^rdkafka$/);
    dir[Symbol.dispose]();
  });

  /** Writes values to all partitions of a topic; returns `partition:value` of all. */
  async function fill(topic: string, values: string[]): Promise<string[]> {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
    await admin.disconnect();
    using client = await RawClient.connect(broker);
    const written: string[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const answer = await produceBatch(client, batchOf(values), { topic, partition });
      expect(answer.errorCode).toBe(0);
      written.push(...values.map((value) => `${partition}:${value}`));
    }
    return written.sort();
  }

  /** Reads with kafkajs in a group until so many records came; commits them on the way out. */
  async function readWithKafkajs(groupId: string, topic: string, count: number): Promise<string[]> {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 30_000 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      const eachMessage = async ({
        partition,
        message,
      }: {
        partition: number;
        message: { value: Buffer | null };
      }) => {
        seen.push(`${partition}:${message.value}`);
        if (seen.length === count) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    await consumer.stop();
    await consumer.disconnect();
    return seen;
  }

  test('kafkajs reads every record once over two members in turn', async () => {
    const first = await fill('kafkajs', ['a', 'b', 'c']);
    expect((await readWithKafkajs('kafkajs-group', 'kafkajs', first.length)).sort()).toEqual(first);
    const second = await fill('kafkajs', ['d', 'e']);
    expect((await readWithKafkajs('kafkajs-group', 'kafkajs', second.length)).sort()).toEqual(second);
    const admin = kafka.admin();
    await admin.connect();
    const { groups } = await admin.describeGroups(['kafkajs-group']);
    expect(groups[0]).toMatchObject({ state: 'Empty', protocolType: 'consumer', members: [] });
    const [offsets] = await admin.fetchOffsets({ groupId: 'kafkajs-group', topics: ['kafkajs'] });
    expect(offsets?.partitions.map(({ offset }) => offset)).toEqual(['5', '5', '5', '5']);
    expect((await admin.listGroups()).groups).toContainEqual({
      groupId: 'kafkajs-group',
      protocolType: 'consumer',
    });
    await admin.deleteGroups(['kafkajs-group']);
    expect((await admin.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain('kafkajs-group');
    await admin.disconnect();
  });

  test('@platformatic/kafka shares a topic between two members at once', async () => {
    const written = await fill('platformatic', ['a', 'b', 'c']);
    const seen: string[] = [];
    const open = async () => {
      const consumer = new Consumer({
        groupId: 'platformatic-group',
        clientId: 'platformatic',
        bootstrapBrokers: [addressOf(broker)],
        deserializers: stringDeserializers,
      });
      const stream = await consumer.consume({
        topics: ['platformatic'],
        mode: MessagesStreamModes.EARLIEST,
        autocommit: false,
      });
      return { consumer, stream };
    };
    const members = await Promise.all([open(), open()]);
    const reading = members.map(async ({ stream }) => {
      for await (const { partition, value, commit } of stream) {
        seen.push(`${partition}:${value}`);
        await commit();
      }
    });
    await expect.poll(() => new Set(seen).size, { timeout: LONG }).toBe(written.length);
    for (const { consumer } of members) await consumer.close(true);
    await Promise.allSettled(reading);
    expect([...new Set(seen)].sort()).toEqual(written);
  });

  describe.runIf(hasKcat())('of kcat', () => {
    test('goes on where it left off', async () => {
      const topic = 'kcat';
      const read = (count: number) =>
        kcat(addressOf(broker), [
          ...['-G', 'kcat-group', '-q', '-c', String(count), '-f', '%p:%s\\n'],
          ...['-X', 'auto.offset.reset=earliest', topic],
        ]);
      const lines = (out: string) => out.trimEnd().split('\n').sort();
      const first = await fill(topic, ['a', 'b', 'c']);
      expect(lines(await read(first.length))).toEqual(first);
      const second = await fill(topic, ['d', 'e']);
      expect(lines(await read(second.length))).toEqual(second);
    });
  });
});
