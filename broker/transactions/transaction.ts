/**
 * The life of a transactional id as pure transitions (KIP-98, KIP-360, KIP-447, KIP-588): each takes the transaction as it
 * is and returns it as it will be once that is written down, the same object if nothing changes, or throws the
 * protocol's error. After Kafka's TransactionMetadata and TransactionCoordinator.
 */

import type { Outcome } from '../protocol/control-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import { type Offset, type TopicPartition, topicPartitionName } from '../topic-partition.ts';

/** From Ongoing over Prepare, when the outcome is decided, to Complete, when every partition has its marker. */
export const STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
] as const;
export type TransactionState = (typeof STATES)[number];

/** An offset that a group gets when the transaction commits. */
export interface TransactionOffset extends TopicPartition {
  group: string;
  offset: Offset;
  /** -1: not told. */
  leaderEpoch: number;
  metadata: string;
}

/** A transactional id with its producer and its newest transaction. Times in ms since 1970. */
export interface Transaction {
  readonly id: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** What it had before, so that a request sent again after a lost answer is known; -1 none. */
  readonly lastProducerId: number;
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  /** By name: where its records, and so its markers, go. */
  readonly partitions: ReadonlyMap<string, TopicPartition>;
  /** Groups that it may commit offsets of. */
  readonly groups: readonly string[];
  /** By group and partition. */
  readonly offsets: ReadonlyMap<string, TransactionOffset>;
  /** Of the first partition or group; -1 none. */
  readonly startedMs: number;
  readonly updatedMs: number;
}

/** A producer as a request names it. */
export interface ProducerIdentity {
  producerId: number;
  producerEpoch: number;
}

/** How much one transaction may gather. */
export interface TransactionLimits {
  maxTimeoutMs: number;
  maxPartitions: number;
}

/** Of a group's offset in a transaction: no topic's name has a zero in it. */
export function offsetKey(group: string, tp: TopicPartition): string {
  return `${topicPartitionName(tp)}\0${group}`;
}

const NO_EPOCH = -1;
/** The epoch after it is left for fencing; then a producer id is worn out. */
const LAST_EPOCH = 2 ** 15 - 2;
const NOTHING = { partitions: new Map(), groups: [], offsets: new Map() };

export const isPrepared = ({ state }: Transaction) => state === 'PrepareCommit' || state === 'PrepareAbort';

/** How a decided transaction ends, or ended; undefined while it is open, or without one. */
export function outcomeOfState({ state }: Transaction): Outcome | undefined {
  if (state === 'PrepareCommit' || state === 'CompleteCommit') return 'commit';
  return state === 'PrepareAbort' || state === 'CompleteAbort' ? 'abort' : undefined;
}

function checkTimeout(timeoutMs: number, { maxTimeoutMs }: TransactionLimits): void {
  if (timeoutMs > 0 && timeoutMs <= maxTimeoutMs) return;
  throw new KafkaError('INVALID_TRANSACTION_TIMEOUT', `${timeoutMs} ms, limit ${maxTimeoutMs} ms`);
}

/** A transactional id seen for the first time, with a producer id never used before. */
export function create(
  id: string,
  { timeoutMs, producerId }: { timeoutMs: number; producerId: number },
  limits: TransactionLimits,
  nowMs: number,
): Transaction {
  checkTimeout(timeoutMs, limits);
  return {
    id,
    producerId,
    producerEpoch: 0,
    lastProducerId: -1,
    lastProducerEpoch: NO_EPOCH,
    timeoutMs,
    state: 'Empty',
    ...NOTHING,
    startedMs: -1,
    updatedMs: nowMs,
  };
}

/**
 * A producer begins under its transactional id and fences those before it. `expected`: it believes to be the current one
 * and only wants its next epoch (KIP-360). An open transaction must be aborted first: PrepareAbort is returned then.
 */
export function initProducer(
  transaction: Transaction,
  request: { timeoutMs: number; expected: ProducerIdentity | undefined; newProducerId: () => number },
  limits: TransactionLimits,
  nowMs: number,
): Transaction {
  const { timeoutMs, expected, newProducerId } = request;
  checkTimeout(timeoutMs, limits);
  const { id, producerId, producerEpoch, lastProducerId, lastProducerEpoch } = transaction;
  if (isPrepared(transaction)) throw concurrent(id);
  const isCurrent = expected?.producerId === producerId && expected.producerEpoch === producerEpoch;
  const isRepetition =
    expected !== undefined &&
    expected.producerEpoch === lastProducerEpoch &&
    (expected.producerId === producerId || expected.producerId === lastProducerId);
  const isOpen = transaction.state === 'Ongoing';
  if (expected !== undefined && !isCurrent && (isOpen || !isRepetition)) throw fenced(transaction, expected);
  if (isOpen) return fence(transaction, nowMs);
  const fresh = {
    ...transaction,
    ...NOTHING,
    state: 'Empty',
    timeoutMs,
    startedMs: -1,
    updatedMs: nowMs,
  } as const;
  if (isRepetition && !isCurrent) return fresh;
  const last = expected === undefined ? NO_EPOCH : producerEpoch;
  if (producerEpoch < LAST_EPOCH) {
    return {
      ...fresh,
      producerEpoch: producerEpoch + 1,
      lastProducerId: producerId,
      lastProducerEpoch: last,
    };
  }
  const next = { producerId: newProducerId(), producerEpoch: 0 };
  return { ...fresh, ...next, lastProducerId: producerId, lastProducerEpoch: last };
}

/** Decides to abort under the next epoch, so that the producer can write no more. */
export function fence(transaction: Transaction, nowMs: number): Transaction {
  return {
    ...transaction,
    state: 'PrepareAbort',
    producerEpoch: transaction.producerEpoch + 1,
    lastProducerEpoch: NO_EPOCH,
    offsets: new Map(),
    updatedMs: nowMs,
  };
}

/** The transaction gets partitions; the first begin it. */
export function addPartitions(
  transaction: Transaction,
  producer: ProducerIdentity,
  partitions: readonly TopicPartition[],
  limits: TransactionLimits,
  nowMs: number,
): Transaction {
  const open = opened(transaction, producer, nowMs);
  const all = new Map(open.partitions);
  for (const tp of partitions) all.set(topicPartitionName(tp), tp);
  checkSize(open, all.size, limits);
  return all.size === transaction.partitions.size && open === transaction
    ? transaction
    : { ...open, partitions: all };
}

/** The transaction will commit offsets of a group. */
export function addGroup(
  transaction: Transaction,
  producer: ProducerIdentity,
  group: string,
  limits: TransactionLimits,
  nowMs: number,
): Transaction {
  const open = opened(transaction, producer, nowMs);
  if (open.groups.includes(group)) return open;
  checkSize(open, open.groups.length + 1, limits);
  return { ...open, groups: [...open.groups, group] };
}

/** Offsets that a group gets with the commit. */
export function addOffsets(
  transaction: Transaction,
  producer: ProducerIdentity,
  offsets: readonly TransactionOffset[],
  limits: TransactionLimits,
  nowMs: number,
): Transaction {
  checkProducer(transaction, producer);
  if (isPrepared(transaction)) throw concurrent(transaction.id);
  const isKnown = offsets.every(({ group }) => transaction.groups.includes(group));
  if (transaction.state !== 'Ongoing' || !isKnown) {
    throw new KafkaError('INVALID_TXN_STATE', `${transaction.id} was not told of the group`);
  }
  const all = new Map(transaction.offsets);
  for (const each of offsets) all.set(offsetKey(each.group, each), each);
  checkSize(transaction, all.size, limits);
  return { ...transaction, offsets: all, updatedMs: nowMs };
}

/** The open transaction of a producer, begun if there is none. */
function opened(transaction: Transaction, producer: ProducerIdentity, nowMs: number): Transaction {
  checkProducer(transaction, producer);
  if (isPrepared(transaction)) throw concurrent(transaction.id);
  if (transaction.state === 'Ongoing') return transaction;
  return { ...transaction, ...NOTHING, state: 'Ongoing', startedMs: nowMs, updatedMs: nowMs };
}

function checkSize({ id }: Transaction, count: number, { maxPartitions }: TransactionLimits): void {
  if (count <= maxPartitions) return;
  throw new KafkaError(
    'POLICY_VIOLATION',
    `${id}: more than ${maxPartitions} partitions in a transaction (broker.transactions.maxPartitions)`,
  );
}

/**
 * The producer ends its transaction: it is decided from then on. A Complete state is returned as it is: the request was
 * sent again.
 */
export function prepare(
  transaction: Transaction,
  producer: ProducerIdentity,
  outcome: Outcome,
  nowMs: number,
): Transaction {
  checkProducer(transaction, producer);
  if (transaction.state === 'Ongoing') {
    return outcome === 'commit'
      ? { ...transaction, state: 'PrepareCommit', updatedMs: nowMs }
      : { ...transaction, state: 'PrepareAbort', offsets: new Map(), updatedMs: nowMs };
  }
  if (outcomeOfState(transaction) !== outcome) {
    throw new KafkaError(
      'INVALID_TXN_STATE',
      `${transaction.id} is ${transaction.state}, and asked to ${outcome}`,
    );
  }
  if (isPrepared(transaction)) throw concurrent(transaction.id);
  return transaction;
}

/** Every partition has its marker, and every group its offsets. */
export function complete(transaction: Transaction, nowMs: number): Transaction {
  const state = transaction.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort';
  return { ...transaction, ...NOTHING, state, startedMs: -1, updatedMs: nowMs };
}

/** Throws unless a producer may write to a partition as part of its open transaction. Fencing has Produce's own word. */
export function checkWrite(transaction: Transaction, producer: ProducerIdentity, tp: TopicPartition): void {
  try {
    checkProducer(transaction, producer);
  } catch (error) {
    const isFenced = error instanceof KafkaError && error.error === 'PRODUCER_FENCED';
    throw isFenced ? new KafkaError('INVALID_PRODUCER_EPOCH', error.message) : error;
  }
  if (transaction.state === 'Ongoing' && transaction.partitions.has(topicPartitionName(tp))) return;
  throw new KafkaError(
    'INVALID_TXN_STATE',
    `${topicPartitionName(tp)} is not in a transaction of ${transaction.id}`,
  );
}

export function isTimedOut({ state, startedMs, timeoutMs }: Transaction, nowMs: number): boolean {
  return state === 'Ongoing' && startedMs + timeoutMs < nowMs;
}

/** Whether a transactional id was idle so long that it may be forgotten. */
export function isExpired(transaction: Transaction, idExpirationMs: number, nowMs: number): boolean {
  const isIdle = transaction.state !== 'Ongoing' && !isPrepared(transaction);
  return isIdle && transaction.updatedMs + idExpirationMs <= nowMs;
}

function checkProducer(transaction: Transaction, producer: ProducerIdentity): void {
  if (producer.producerId !== transaction.producerId) {
    const { id, producerId } = transaction;
    throw new KafkaError(
      'INVALID_PRODUCER_ID_MAPPING',
      `${id} has producer ${producerId}, not ${producer.producerId}`,
    );
  }
  if (producer.producerEpoch !== transaction.producerEpoch) throw fenced(transaction, producer);
}

function fenced({ id, producerId, producerEpoch }: Transaction, asked: ProducerIdentity): KafkaError {
  return new KafkaError(
    'PRODUCER_FENCED',
    `${id} has producer ${producerId}, epoch ${producerEpoch}, not ${asked.producerId}, ${asked.producerEpoch}`,
  );
}

function concurrent(id: string): KafkaError {
  return new KafkaError('CONCURRENT_TRANSACTIONS', `${id} is still ending its last transaction`);
}
