/**
 * The coordinator put to work in a broker: its state is read back from `__transaction_state`, what was decided before the
 * stop is carried out, and what nobody will ever end is aborted, all before the first client is served.
 */
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { KeyedTopic } from '../log/keyed-topic.ts';
import type { Log } from '../log/log.ts';
import type { LogDirectory } from '../log/log-directory.ts';
import { encodeMarker, type Marker } from '../protocol/control-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import { readBatchHeader } from '../protocol/record-batch.ts';
import { TRANSACTIONS_TOPIC } from '../topic-partition.ts';
import {
  TransactionCoordinator,
  type TransactionGroups,
  type TransactionPartitions,
  type TransactionStore,
} from './coordinator.ts';
import type { Transaction } from './transaction.ts';
import { readTransaction, transactionRecord, transactionTombstone } from './transaction-record.ts';

export interface TransactionsInput {
  directory: LogDirectory;
  settings: Settings['broker']['transactions'];
  groups: TransactionGroups;
  now: () => number;
  logger: Logger;
}

export class Transactions {
  readonly coordinator: TransactionCoordinator;
  readonly #timer: NodeJS.Timeout;
  #checking: Promise<void> | undefined;

  private constructor(coordinator: TransactionCoordinator, checkIntervalMs: number) {
    this.coordinator = coordinator;
    this.#timer = setInterval(() => {
      this.#checking ??= coordinator.check().finally(() => {
        this.#checking = undefined;
      });
    }, checkIntervalMs);
  }

  /**
   * Reads the transactions back and ends those that nobody else will. Ids whose partition of the topic cannot be read are
   * not served, and no transaction is held to be unknown then; the log says why.
   */
  static async open(input: TransactionsInput): Promise<Transactions> {
    const { directory, settings, groups, now, logger } = input;
    const { partitions } = settings;
    const topic = new KeyedTopic({ directory, name: TRANSACTIONS_TOPIC, partitions, now });
    const { transactions, unreadable } = await readAll(topic);
    for (const [partition, { message }] of unreadable) {
      logger.error(`transactions in ${TRANSACTIONS_TOPIC}-${partition} are not served: ${message}`);
    }
    const coordinator = new TransactionCoordinator(
      {
        store: storeIn(topic),
        partitions: partitionsOf(directory, now),
        groups,
        limits: settings,
        newProducerId: () => directory.producerIds.next(),
        isUnreadable: (id) => unreadable.has(topic.partitionOf(id)),
        now,
        logger,
      },
      [...transactions.values()].filter(({ id }) => !unreadable.has(topic.partitionOf(id))),
    );
    await coordinator.finishDecided();
    if (unreadable.size === 0) await abortOrphans(directory, coordinator, { now, logger });
    return new Transactions(coordinator, settings.checkIntervalMs);
  }

  /** Begins nothing more by itself. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking;
  }
}

async function readAll(topic: KeyedTopic) {
  const transactions = new Map<string, Transaction>();
  const unreadable = await topic.replay(({ key, value }) => {
    if (key === null) return;
    if (value === null) transactions.delete(key.toString());
    else transactions.set(key.toString(), readTransaction(key, value));
  });
  return { transactions, unreadable };
}

function storeIn(topic: KeyedTopic): TransactionStore {
  return {
    put: (transaction) => topic.append(topic.partitionOf(transaction.id), [transactionRecord(transaction)]),
    remove: (id) => topic.append(topic.partitionOf(id), [transactionTombstone(id)]),
  };
}

async function appendMarker(log: Log, marker: Marker): Promise<void> {
  const bytes = encodeMarker(marker);
  const { endOffset } = log.append(bytes, readBatchHeader(bytes, 0));
  await log.acknowledged(endOffset, true);
}

function partitionsOf(directory: LogDirectory, now: () => number): TransactionPartitions {
  return {
    async writeMarker(tp, marker) {
      try {
        await appendMarker(directory.log(tp), { ...marker, coordinatorEpoch: 0, timestampMs: now() });
      } catch (error) {
        const isGone = error instanceof KafkaError && error.error === 'UNKNOWN_TOPIC_OR_PARTITION';
        if (!isGone) throw error;
      }
    },
  };
}

/** Transactions that are open in a log but unknown here, because the machine lost the newest records of one of both. */
async function abortOrphans(
  directory: LogDirectory,
  coordinator: TransactionCoordinator,
  { now, logger }: Pick<TransactionsInput, 'now' | 'logger'>,
): Promise<void> {
  for (const { name, partitions } of directory.topics.all()) {
    for (let partition = 0; partition < partitions; partition++) {
      const log = directory.log({ topic: name, partition });
      if (log.failure) continue;
      for (const { producerId, firstOffset } of log.producers.transactions.all()) {
        if (coordinator.covers(producerId, log.tp)) continue;
        logger.warn(
          `${log.name}: nobody knows the transaction of producer ${producerId} at ${firstOffset}: aborted`,
        );
        const producerEpoch = log.producers.epochOf(producerId);
        const outcome = 'abort';
        await appendMarker(log, {
          producerId,
          producerEpoch,
          outcome,
          coordinatorEpoch: 0,
          timestampMs: now(),
        });
      }
    }
  }
}
