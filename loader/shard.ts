/**
 * The part of a load that one of several machines does: I of N, counted from 0. Which partitions that is follows from their
 * names alone, so that nobody has to agree on anything: the first four bytes of the SHA-256 of `topic-partition`, read as a
 * big-endian number, modulo N. Shards that overlap do no harm, the chains fence them as any two loads.
 */
import { createHash } from 'node:crypto';
import { type TopicPartition, topicPartitionName } from '../broker/topic-partition.ts';

export interface Shard {
  index: number;
  of: number;
}

export function isInShard(part: TopicPartition, { index, of }: Shard): boolean {
  return createHash('sha256').update(topicPartitionName(part)).digest().readUInt32BE(0) % of === index;
}
