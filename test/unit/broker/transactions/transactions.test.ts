import type { Logger } from 'pino';
import { describe, expect, test } from 'vitest';
import type { Log } from '../../../../broker/log/log.ts';
import type { LogDirectory } from '../../../../broker/log/log-directory.ts';
import type { TopicPartition } from '../../../../broker/topic-partition.ts';
import { create, initProducer, type Transaction } from '../../../../broker/transactions/transaction.ts';
import { Transactions } from '../../../../broker/transactions/transactions.ts';
import { append, appendMarker, openLogs } from '../../../support/open-logs.ts';
import { brokerSettings, recordingLogger } from '../../../support/start-broker.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const PARTITIONS: TopicPartition[] = [0, 1, 2].map((partition) => ({ topic: 'numbers', partition }));
const producer = { producerId: 0, producerEpoch: 0 };

interface Opened {
  transactions: Transactions;
  /** What the groups were given. */
  offsets: number[];
  /** How many of them at a time. */
  batches: number[];
}

interface OpenTransactionsOptions {
  refuse?: boolean;
  log?: Logger;
  now?: () => number;
  limits?: Partial<Parameters<typeof Transactions.open>[0]['settings']>;
}

async function openTransactions(
  directory: LogDirectory,
  { refuse = false, log = recordingLogger().log, now = Date.now, limits = {} }: OpenTransactionsOptions = {},
): Promise<Opened> {
  const offsets: number[] = [];
  const batches: number[] = [];
  const transactions = await Transactions.open({
    directory,
    settings: { ...brokerSettings('').transactions, ...limits },
    groups: {
      async commit(_, each) {
        if (refuse) throw new Error('the broker dies here');
        batches.push(each.length);
        offsets.push(...each.map(({ offset }) => offset));
      },
    },
    now,
    logger: log,
  });
  return { transactions, offsets, batches };
}

/** A data directory whose coordinator decided to commit and got no further than the groups. */
async function decidedTransaction(dataDir: string): Promise<void> {
  await using directory = await openLogs(dataDir);
  await directory.createTopic({ name: 'numbers', partitions: 3, configs: {} });
  const { transactions } = await openTransactions(directory, { refuse: true });
  const { coordinator } = transactions;
  expect(await coordinator.initProducer('id', { timeoutMs: 1000, expected: undefined })).toMatchObject(
    producer,
  );
  await coordinator.addPartitions('id', producer, PARTITIONS);
  await coordinator.addGroup('id', producer, 'g');
  const offset = { topic: 'numbers', partition: 0, group: 'g', offset: 42, leaderEpoch: -1, metadata: '' };
  await coordinator.addOffsets('id', producer, [offset]);
  for (const tp of PARTITIONS) await append(directory.log(tp), ['a'], sent(0));
  await coordinator.end('id', producer, 'commit');
  await transactions.stop();
}

const sent = (baseSequence: number) => ({ ...producer, baseSequence, isTransactional: true });

describe('a broker that stopped between a decision and its end', () => {
  test('carries it out at the next start, though some of it was done', async () => {
    using dir = new TempDir();
    await decidedTransaction(dir.path);
    await using directory = await openLogs(dir.path);
    const { transactions, offsets } = await openTransactions(directory);
    expect(offsets).toEqual([42]);
    for (const tp of PARTITIONS) {
      const log = directory.log(tp);
      expect(log.lastStableOffset).toBe(log.logEndOffset);
      // The markers of before the stop and those of the start.
      expect(log.logEndOffset).toBe(3);
    }
    await transactions.coordinator.end('id', producer, 'commit');
    await expect(transactions.coordinator.end('id', producer, 'abort')).rejects.toThrow(/INVALID_TXN_STATE/);
    await transactions.stop();
  });

  test('passes over partitions that are no more', async () => {
    using dir = new TempDir();
    await decidedTransaction(dir.path);
    await using directory = await openLogs(dir.path);
    await directory.deleteTopic('numbers');
    const { transactions, offsets } = await openTransactions(directory);
    expect(offsets).toEqual([42]);
    await transactions.coordinator.addGroup('id', producer, 'g');
    await transactions.stop();
  });

  test('aborts what is open in a log and known to nobody, and leaves open what it knows', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    await directory.createTopic({ name: 'numbers', partitions: 3, configs: {} });
    const first = await openTransactions(directory);
    const known = await first.transactions.coordinator.initProducer('id', {
      timeoutMs: 1000,
      expected: undefined,
    });
    await first.transactions.coordinator.addPartitions('id', known, PARTITIONS.slice(0, 1));
    await first.transactions.stop();
    const [log, orphaned] = PARTITIONS.map((tp) => directory.log(tp)) as [Log, Log];
    await append(log, ['a'], sent(0));
    await append(orphaned, ['a'], {
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 0,
      isTransactional: true,
    });
    const { log: logger, lines } = recordingLogger();
    const { transactions } = await openTransactions(directory, { log: logger });
    expect([log.lastStableOffset, orphaned.lastStableOffset]).toEqual([0, 2]);
    expect(lines.join()).toContain('nobody knows the transaction of producer 77');
    await expect(appendMarker(orphaned, 77, 'commit', 2)).rejects.toThrow(/INVALID_PRODUCER_EPOCH/);
    await transactions.stop();
  });
});

test('very many offsets come to their group in batches that its log can take', async () => {
  using dir = new TempDir();
  await using directory = await openLogs(dir.path);
  const limits = { maxPartitions: 2500 };
  const { transactions, offsets, batches } = await openTransactions(directory, { limits });
  const { coordinator } = transactions;
  const owner = await coordinator.initProducer('id', { timeoutMs: 1000, expected: undefined });
  await coordinator.addGroup('id', owner, 'g');
  const all = Array.from({ length: 2500 }, (_, partition) => {
    return { topic: 'numbers', partition, group: 'g', offset: partition, leaderEpoch: -1, metadata: '' };
  });
  await coordinator.addOffsets('id', owner, all);
  await coordinator.end('id', owner, 'commit');
  expect(batches).toEqual([1000, 1000, 500]);
  expect(offsets).toEqual(all.map(({ offset }) => offset));
  await transactions.stop();
});

describe('what transactional ids may cost', () => {
  const request = { timeoutMs: 1000, expected: undefined };

  test('an id not used for long is forgotten, also by the next start, and one in use never', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    let nowMs = 0;
    const options = { now: () => nowMs, limits: { idExpirationMs: 1_000, maxTimeoutMs: 10_000 } };
    const { transactions } = await openTransactions(directory, options);
    const { coordinator } = transactions;
    await coordinator.initProducer('idle', request);
    const busy = await coordinator.initProducer('busy', { ...request, timeoutMs: 10_000 });
    await coordinator.addGroup('busy', busy, 'g');
    nowMs = 5_000;
    await coordinator.check();
    await expect(coordinator.addGroup('idle', producer, 'g')).rejects.toThrow(/INVALID_PRODUCER_ID_MAPPING/);
    await coordinator.addGroup('busy', busy, 'h');
    await transactions.stop();
    const again = await openTransactions(directory, options);
    const forgotten = again.transactions.coordinator.end('idle', producer, 'commit');
    await expect(forgotten).rejects.toThrow(/INVALID_PRODUCER_ID_MAPPING/);
    await again.transactions.coordinator.end('busy', busy, 'commit');
    await again.transactions.stop();
  });

  test('there is a limit to their number, and to what one transaction gathers', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const { transactions } = await openTransactions(directory, { limits: { maxIds: 1, maxPartitions: 2 } });
    const { coordinator } = transactions;
    const one = await coordinator.initProducer('one', request);
    await expect(coordinator.initProducer('two', request)).rejects.toThrow(/broker\.transactions\.maxIds/);
    await coordinator.addPartitions('one', one, PARTITIONS.slice(0, 2));
    const third = coordinator.addPartitions('one', one, PARTITIONS);
    await expect(third).rejects.toThrow(/broker\.transactions\.maxPartitions/);
    await coordinator.end('one', one, 'abort');
    await transactions.stop();
  });
});

describe('the epochs of a transactional id', () => {
  const limits = { maxTimeoutMs: 10_000, maxPartitions: 5 };
  const next = (transaction: Transaction, expected?: { producerId: number; producerEpoch: number }) =>
    initProducer(transaction, { timeoutMs: 1, expected, newProducerId: () => 900 }, limits, 0);
  const first = create('id', { timeoutMs: 1, producerId: 5 }, limits, 0);

  test('rise with every start, and a bump that was asked for twice is answered alike', () => {
    const second = next(first);
    expect(second).toMatchObject({ producerId: 5, producerEpoch: 1 });
    const bumped = next(second, { producerId: 5, producerEpoch: 1 });
    expect(bumped).toMatchObject({ producerId: 5, producerEpoch: 2 });
    expect(next(bumped, { producerId: 5, producerEpoch: 1 })).toMatchObject({ producerEpoch: 2 });
    expect(() => next(bumped, { producerId: 5, producerEpoch: 0 })).toThrow(/PRODUCER_FENCED/);
    expect(() => next(bumped, { producerId: 6, producerEpoch: 2 })).toThrow(/PRODUCER_FENCED/);
  });

  test('are used up before 2^15: then comes another producer id', () => {
    const last = { ...first, producerEpoch: 2 ** 15 - 2 };
    const expected = { producerId: 5, producerEpoch: last.producerEpoch };
    const rotated = next(last, expected);
    expect(rotated).toMatchObject({ producerId: 900, producerEpoch: 0, lastProducerId: 5 });
    expect(next(rotated, expected)).toMatchObject({ producerId: 900, producerEpoch: 0 });
    expect(next(last)).toMatchObject({ producerId: 900, producerEpoch: 0 });
  });
});
