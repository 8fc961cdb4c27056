/**
 * A transaction as it is written down in `__transaction_state`: the transactional id is the record's key, the value one
 * JSON object. Offsets wait inside it until the commit, so that they are decided by the same record as everything else.
 */
import type { KeyedRecord } from '../log/keyed-topic.ts';
import { type TopicPartition, topicPartitionName } from '../topic-partition.ts';
import { offsetKey, STATES, type Transaction, type TransactionOffset } from './transaction.ts';

const FORMAT_VERSION = 1;

/** The record of a transaction as it is now. */
export function transactionRecord(transaction: Transaction): KeyedRecord {
  const { id, partitions, offsets, ...plain } = transaction;
  const value = {
    version: FORMAT_VERSION,
    ...plain,
    partitions: [...partitions.values()],
    offsets: [...offsets.values()],
  };
  return { key: Buffer.from(id), value: Buffer.from(JSON.stringify(value)) };
}

/** What takes a transactional id away. */
export function transactionTombstone(id: string): KeyedRecord {
  return { key: Buffer.from(id), value: null };
}

/** Reads a record back. Throws an Error if it is none of ours. */
export function readTransaction(key: Buffer, value: Buffer): Transaction {
  const id = key.toString();
  const stored = JSON.parse(value.toString()) as Stored;
  if (stored.version !== FORMAT_VERSION || !STATES.includes(stored.state)) {
    throw new Error(
      `transaction ${id} is written in version ${stored.version}, state ${stored.state}: not known here`,
    );
  }
  const { version: _, partitions, offsets, ...plain } = stored;
  return {
    ...plain,
    id,
    partitions: new Map(partitions.map((tp) => [topicPartitionName(tp), tp])),
    offsets: new Map(offsets.map((each) => [offsetKey(each.group, each), each])),
  };
}

type Stored = Omit<Transaction, 'id' | 'partitions' | 'offsets'> & {
  version: number;
  partitions: TopicPartition[];
  offsets: TransactionOffset[];
};
