/**
 * Offsets kept in the name of a group that has no members: a simple commit, which any broker of Kafka takes, and which
 * its tools show as the group's lag.
 */
import { findCoordinator } from '../protocol/apis/find-coordinator.ts';
import { offsetCommit } from '../protocol/apis/offset-commit.ts';
import { errorOf, type KafkaError } from '../protocol/errors.ts';
import { type Offset, type TopicPartition, topicPartitionName } from '../topic-partition.ts';
import type { KafkaClient } from './client.ts';
import { retrying } from './retry.ts';

/** Partitions in one request: a broker writes them as one batch, which has a largest size. */
const PARTITIONS_AT_ONCE = 1_000;

/** How far a partition is done with, and in which leader epoch its last record was written; -1: not known. */
export interface GroupOffset extends TopicPartition {
  offset: Offset;
  leaderEpoch: number;
}

/** Stores offsets of a group without members. Resolves when the broker has them; throws the first refusal. */
export async function commitOffsets(
  client: KafkaClient,
  groupId: string,
  offsets: readonly GroupOffset[],
): Promise<void> {
  for (let at = 0; at < offsets.length; at += PARTITIONS_AT_ONCE) {
    const some = offsets.slice(at, at + PARTITIONS_AT_ONCE);
    await retrying(client.retryPolicy, async () => {
      await commitOnce(client, await coordinatorOf(client, groupId), groupId, some);
    });
  }
}

async function coordinatorOf(client: KafkaClient, groupId: string): Promise<number> {
  const answer = await client.requestOnce(findCoordinator, 'any', {
    key: groupId,
    coordinatorKeys: [groupId],
  });
  const found = answer.coordinators[0] ?? answer;
  const error = errorOf(found.errorCode, `group ${groupId}`);
  if (error) throw error;
  return found.nodeId;
}

async function commitOnce(
  client: KafkaClient,
  node: number,
  groupId: string,
  offsets: readonly GroupOffset[],
): Promise<void> {
  const byTopic = Map.groupBy(offsets, ({ topic }) => topic);
  const answer = await client.requestOnce(offsetCommit, node, {
    groupId,
    topics: [...byTopic].map(([name, own]) => ({
      name,
      partitions: own.map(({ partition, offset, leaderEpoch }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
      })),
    })),
  });
  const errors: KafkaError[] = [];
  for (const { name: topic, partitions } of answer.topics) {
    for (const { partitionIndex: partition, errorCode } of partitions) {
      const error = errorOf(errorCode, `group ${groupId}, ${topicPartitionName({ topic, partition })}`);
      if (error) errors.push(error);
    }
  }
  const worst = errors.find(({ retriable }) => !retriable) ?? errors[0];
  if (worst) throw worst;
}
