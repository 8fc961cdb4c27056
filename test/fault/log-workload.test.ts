/**
 * Producers of one foreign client and a group of another write down every send and poll while the broker is killed with -9
 * and stopped with SIGSTOP again and again, and finds half a batch at the end of its logs; the checker then looks for what a
 * log must never do. WORKLOAD_SECONDS: how long.
 */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Producer, stringSerializers } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { freePort } from '../real/bed/ports.ts';
import { batchOf } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { checkLogs, type Poll, type Send } from '../support/log-checker.ts';
import { TempDir } from '../support/temp-dir.ts';

const SECONDS = Number(process.env['WORKLOAD_SECONDS'] ?? 15);
const TOPIC = 'workload';
const PARTITIONS = 4;
const PAUSE_MS = 10;

/** Sends until it is over. A producer that was told of an error is given up: of its last send nothing is known. */
async function produce(address: string, name: string, sends: Send[], isOver: () => boolean): Promise<void> {
  for (let life = 0; !isOver(); life++) {
    const producer = new Producer({
      clientId: `${name}.${life}`,
      bootstrapBrokers: [address],
      serializers: stringSerializers,
      idempotent: true,
      retries: 0,
      timeout: 3_000,
      connectTimeout: 2_000,
    });
    try {
      for (let n = 0; !isOver(); n++) {
        const partition = n % PARTITIONS;
        const send: Send = { producer: `${name}.${life}`, partition, value: `${name}.${life}/${n}` };
        sends.push(send);
        const { offsets } = await producer.send({
          messages: [{ topic: TOPIC, partition, value: send.value }],
        });
        send.offset = Number(offsets?.[0]?.offset);
        await sleep(PAUSE_MS);
      }
    } catch {
      await sleep(PAUSE_MS);
    }
    await producer.close(true).catch(() => {});
  }
}

/** A member of the group that notes what it gets, until it is stopped. */
async function consume(kafka: Kafka, name: string, polls: Poll[]) {
  const consumer = kafka.consumer({
    groupId: 'workers',
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    retry: { retries: 100, maxRetryTime: 1_000 },
  });
  let session = 0;
  consumer.on('consumer.group_join', () => session++);
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message: { offset, value } }) => {
      polls.push({ consumer: name, session, partition, offset: Number(offset), value: String(value) });
    },
  });
  return consumer;
}

/** What a write that was cut off leaves: the first part of a batch. */
function tearLogs(dataDir: string): void {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const directory = `${dataDir}/${TOPIC}-${partition}`;
    const last = fs
      .readdirSync(directory)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!;
    fs.appendFileSync(`${directory}/${last}`, batchOf(['never sent']).subarray(0, 65));
  }
}

test('what foreign clients send and poll is in order while the broker is killed, stopped and torn', {
  timeout: 240_000 + SECONDS * 2_000,
}, async () => {
  using dir = new TempDir('workload');
  const settings = { numPartitions: PARTITIONS, port: await freePort() };
  let broker = await BrokerProcess.start(dir.path, settings);
  await using running = new AsyncDisposableStack();
  running.defer(() => broker.kill());
  const address = `127.0.0.1:${broker.port}`;
  const [sends, polls]: [Send[], Poll[]] = [[], []];
  const kafka = new Kafka({
    brokers: [address],
    logLevel: logLevel.NOTHING,
    requestTimeout: 5_000,
    retry: { retries: 100, initialRetryTime: 100, maxRetryTime: 1_000 },
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  const until = Date.now() + SECONDS * 1_000;
  const isOver = () => Date.now() > until;
  const consumers = [await consume(kafka, 'one', polls), await consume(kafka, 'two', polls)];
  const producers = ['a', 'b'].map((name) => produce(address, name, sends, isOver));
  for (let round = 0; !isOver(); round++) {
    const before = sends.length;
    await expect.poll(() => isOver() || sends.length > before + 60, { timeout: 60_000 }).toBe(true);
    if (round % 3 === 0) {
      process.kill(broker.pid, 'SIGSTOP');
      await sleep(1_000);
      process.kill(broker.pid, 'SIGCONT');
      continue;
    }
    await broker.kill();
    tearLogs(dir.path);
    broker = await BrokerProcess.start(dir.path, settings);
  }
  await Promise.all(producers);
  // What may have been written by a send that failed is below these, too.
  const ends = await admin.fetchTopicOffsets(TOPIC);
  const readUntil = new Map(ends.map(({ partition, offset }) => [partition, Number(offset)]));
  const seenUntil = (partition: number) =>
    polls.reduce((end, poll) => (poll.partition === partition ? Math.max(end, poll.offset + 1) : end), 0);
  const isRead = () => [...readUntil].every(([partition, end]) => seenUntil(partition) >= end);
  await expect.poll(isRead, { timeout: 150_000, interval: 500 }).toBe(true);
  await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  await admin.disconnect();
  await broker.stop();
  expect(sends.filter(({ offset }) => offset !== undefined).length).toBeGreaterThan(50);
  expect(checkLogs({ sends, polls, readUntil })).toEqual([]);
});
