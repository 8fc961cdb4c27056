/**
 * Producers of two foreign clients, one of them in transactions, and two groups of two others' consumers write down every send and poll
 * while the broker is stopped with SIGSTOP, killed with -9, and loses what it had not yet fsynced; the checker then looks
 * for what a log must never do. WORKLOAD_SECONDS: how long.
 */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { freePort } from '../real/bed/ports.ts';
import { batchOf } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { cutFrom, lastSegmentOf } from '../support/cut-log.ts';
import { hasKcat } from '../support/kcat.ts';
import { checkLogs, type Poll, type Send } from '../support/log-checker.ts';
import { TempDir } from '../support/temp-dir.ts';
import {
  consume,
  consumeByKcat,
  PARTITIONS,
  produce,
  produceInTransactions,
  sendLast,
  TOPIC,
} from '../support/workload-clients.ts';

const SECONDS = Number(process.env['WORKLOAD_SECONDS'] ?? 15);
/** What a broker sent before it was stopped has come to the clients of this process by then: nothing here blocks. */
const SETTLE_MS = 1_000;

/** What a write that was cut off leaves: the first part of a batch. */
function tearLogs(dataDir: string): void {
  for (let partition = 0; partition < PARTITIONS; partition++)
    fs.appendFileSync(lastSegmentOf(dataDir, TOPIC, partition), batchOf(['never sent']).subarray(0, 65));
}

/** Takes away what no client knows of: of it alone the broker may say that it never was on disk. */
function loseUnknown(dataDir: string, sends: readonly Send[], polls: readonly Poll[]): void {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const known = [...sends, ...polls].flatMap((one) =>
      one.partition === partition && one.offset !== undefined ? one.offset + 1 : [],
    );
    cutFrom(lastSegmentOf(dataDir, TOPIC, partition), Math.max(0, ...known));
  }
}

test('what foreign clients send and poll is in order while the broker is killed, stopped and torn', {
  timeout: 600_000 + SECONDS * 5_000,
}, async () => {
  using dir = new TempDir('workload');
  const settings = {
    numPartitions: PARTITIONS,
    port: await freePort(),
    log: { flush: 'acks' as const },
    transactions: { checkIntervalMs: 500 },
  };
  let broker = await BrokerProcess.start(dir.path, settings);
  await using running = new AsyncDisposableStack();
  running.defer(() => broker.kill());
  const address = `127.0.0.1:${broker.port}`;
  const [sends, byKafkajs, byKcat]: [Send[], Poll[], Poll[]] = [[], [], []];
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
  const consumers = [await consume(kafka, 'one', byKafkajs), await consume(kafka, 'two', byKafkajs)];
  const end = new AbortController();
  running.defer(() => end.abort());
  const members = hasKcat()
    ? ['three', 'four'].map((name) => consumeByKcat(address, name, byKcat, end.signal))
    : [];
  const groups = members.length > 0 ? [byKafkajs, byKcat] : [byKafkajs];
  const work = { address, sends, isOver };
  const producers = [
    ...['a', 'b'].map((name) => produce(name, work)),
    produceInTransactions(kafka, 't', work),
  ];
  for (let round = 0; !isOver(); round++) {
    const before = sends.length;
    await expect.poll(() => isOver() || sends.length > before + 60, { timeout: 120_000 }).toBe(true);
    const isKilled = round % 3 > 0;
    const isCut = round % 3 > 1;
    if (isCut || !isKilled) {
      process.kill(broker.pid, 'SIGSTOP');
      await sleep(SETTLE_MS);
    }
    if (!isKilled) {
      process.kill(broker.pid, 'SIGCONT');
      continue;
    }
    await broker.kill();
    if (isCut) loseUnknown(dir.path, sends, groups.flat());
    tearLogs(dir.path);
    broker = await BrokerProcess.start(dir.path, settings);
  }
  await Promise.all(producers);
  // What may have been written by a send that failed is below these, too.
  const readUntil = await sendLast(work);
  const isRead = (polls: Poll[]) =>
    polls.filter(({ value }) => value.startsWith('last/')).length >= PARTITIONS;
  await expect.poll(() => groups.every(isRead), { timeout: 300_000, interval: 500 }).toBe(true);
  end.abort();
  await Promise.all([...members, ...consumers.map((consumer) => consumer.disconnect())]);
  await admin.disconnect();
  await broker.stop();
  expect(sends.filter(({ offset }) => offset !== undefined).length).toBeGreaterThan(50);
  expect(sends.filter(({ isAborted }) => isAborted).length).toBeGreaterThan(0);
  for (const polls of [...groups, groups.flat()]) expect(checkLogs({ sends, polls, readUntil })).toEqual([]);
});
