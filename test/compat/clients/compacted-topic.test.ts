/**
 * A foreign consumer reads a topic that the broker has compacted, and a foreign producer writes to it: in every codec, each
 * key's last value, its tombstones, its offsets and times.
 */
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

const TOPIC = 'compacted';
let dir: TempDir;
let broker: Broker;
let kafka: Kafka;

beforeAll(async () => {
  dir = new TempDir('compacted');
  const groups = { initialRebalanceDelayMs: 0 };
  broker = await startBroker(dir.path, { log: { cleanerIntervalMs: 100 }, groups });
  kafka = new Kafka({ brokers: [addressOf(broker)], logLevel: logLevel.NOTHING });
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

interface Seen {
  offset: number;
  key: string;
  value: string | null;
  timestamp: number;
}

/** Everything up to an offset, read in a group of its own. */
async function readAll(groupId: string, last: number, topic = TOPIC): Promise<Seen[]> {
  const consumer = kafka.consumer({ groupId });
  const seen: Seen[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      const eachMessage = async ({
        message,
      }: {
        message: { offset: string; key: Buffer | null; value: Buffer | null; timestamp: string };
      }) => {
        const { offset, key, value, timestamp } = message;
        const text = value === null ? null : String(value);
        seen.push({ offset: Number(offset), key: String(key), value: text, timestamp: Number(timestamp) });
        if (Number(offset) === last) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return seen;
}

const configEntries = Object.entries({
  'cleanup.policy': 'compact',
  'segment.bytes': '2000',
  'min.cleanable.dirty.ratio': '0',
}).map(([name, value]) => ({ name, value }));

test('kafkajs reads the last value of each key, and is refused a record without one', {
  timeout: 240_000,
}, async () => {
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1, configEntries }] });
    const sent: Seen[] = [];
    for (let i = 0; i < 120; i++) {
      const messages = ['a', 'b', `k${i % 20}`].map((key, n) => {
        const value = key === 'b' && i === 119 ? null : `${key}-${i}-${'x'.repeat(40)}`;
        sent.push({ offset: 3 * i + n, key, value, timestamp: 1_000 + i });
        return { key, value, timestamp: String(1_000 + i) };
      });
      const compression = i % 2 === 0 ? CompressionTypes.GZIP : CompressionTypes.None;
      await producer.send({ topic: TOPIC, messages, compression });
    }
    const last = sent.length - 1;
    await expect
      .poll(async () => (await readAll(`g-${Math.random()}`, last)).length, {
        timeout: 120_000,
        interval: 500,
      })
      .toBeLessThan(80);
    const seen = await readAll('final', last);
    for (const record of seen) expect(record).toEqual(sent[record.offset]);
    const values = (records: Seen[]) => Object.fromEntries(records.map(({ key, value }) => [key, value]));
    expect(values(seen)).toEqual(values(sent));
    expect(values(seen)['b']).toBeNull();
    const keyless = producer.send({ topic: TOPIC, messages: [{ value: 'no key' }] });
    await expect(keyless).rejects.toThrow();
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
});

test('kafkajs writes a compacted topic in transactions, and reads of them the last committed values alone', {
  timeout: 240_000,
}, async () => {
  const topic = 'in-transactions';
  const atOnce = { name: 'delete.retention.ms', value: '0' };
  const admin = kafka.admin();
  const producer = kafka.producer({ transactionalId: 'js', idempotent: true, maxInFlightRequests: 1 });
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    await admin.createTopics({
      topics: [{ topic, numPartitions: 1, configEntries: [...configEntries, atOnce] }],
    });
    const committed = new Map<string, string>();
    for (let i = 0; i < 90; i++) {
      const transaction = await producer.transaction();
      const messages = ['a', `k${i % 10}`].map((key) => ({ key, value: `${key}-${i}-${'x'.repeat(40)}` }));
      await transaction.send({ topic, messages });
      if (i % 3 === 1) await transaction.abort();
      else {
        await transaction.commit();
        for (const { key, value } of messages) committed.set(key, value);
      }
    }
    // Two records and a marker each; the last transaction was committed.
    const last = 90 * 3 - 2;
    const read = () => readAll(`t-${Math.random()}`, last, topic);
    const bounds = { timeout: 120_000, interval: 500 };
    await expect.poll(async () => (await read()).length, bounds).toBeLessThan(60);
    const seen = await read();
    expect(new Map(seen.map(({ key, value }) => [key, value]))).toEqual(committed);
    for (const { value } of seen) expect(Number(value?.split('-')[1]) % 3).not.toBe(1);
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
});
