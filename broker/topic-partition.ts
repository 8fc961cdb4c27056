/**
 * The nouns every part shares: which log (topic and partition) and which records of it (a half-open range of offsets).
 * Offsets are plain numbers; everything that reads one from outside passes it through `checkOffset`, because above
 * 2^53 - 1 a number would silently name a neighbouring record. At a million records a second that is 285 years away.
 */
import assert from 'node:assert/strict';

/** One partition of one topic, in Kafka's sense. Hour directories of the table are never called partitions here. */
export interface TopicPartition {
  topic: string;
  partition: number;
}

/** The position of a record in its partition: a whole number from 0 to 2^53 - 1. */
export type Offset = number;

/** The records with `from <= offset < until`. `until` may equal `from` (an empty range), never lie below it. */
export interface OffsetRange {
  from: Offset;
  until: Offset;
}

/** Returns `value` if it is an offset, else throws an AssertionError that names `what`. */
export function checkOffset(value: number, what = 'offset'): Offset {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    `${what} is not a whole number from 0 to 2^53 - 1: ${value}`,
  );
  return value;
}

/** `topic-partition`, as Kafka prints it and names its directories. */
export function topicPartitionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** Kafka's rule for topic names (org.apache.kafka.common.internals.Topic): it also keeps them safe as directory names. */
export function isTopicName(name: string): boolean {
  return (
    name.length >= 1 && name.length <= 249 && name !== '.' && name !== '..' && /^[a-zA-Z0-9._-]+$/.test(name)
  );
}

/** Topic of the committed offsets and the groups' state. */
export const OFFSETS_TOPIC = '__consumer_offsets';
/** Topic of the transactions' state. */
export const TRANSACTIONS_TOPIC = '__transaction_state';

/** Whether the broker keeps its own state in a topic: only it may write there, and nobody delete it. */
export function isInternalTopic(name: string): boolean {
  return name === OFFSETS_TOPIC || name === TRANSACTIONS_TOPIC;
}
