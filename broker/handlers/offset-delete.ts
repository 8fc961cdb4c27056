/**
 * OffsetDelete: single offsets of a group. A partition that isn't there is said so, the others are dealt with.
 */
import { offsetDelete } from '../protocol/apis/offset-delete.ts';
import { codeOf, type ErrorName } from '../protocol/errors.ts';
import { topicPartitionName } from '../topic-partition.ts';
import { handler } from './handler.ts';

/** Answers requests to delete offsets. */
export const handleOffsetDelete = handler(
  offsetDelete,
  async ({ groupId, topics }, { groups, directory }) => {
    const partitions = topics
      .flatMap(({ name, partitions: each }) =>
        each.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })),
      )
      .filter(
        ({ topic, partition }) =>
          partition >= 0 && partition < (directory.topics.get(topic)?.partitions ?? 0),
      );
    const answer = await groups.ask({ kind: 'deleteOffsets', groupId, partitions });
    if (answer.error !== undefined) return { errorCode: codeOf(answer.error) };
    const errors = new Map<string, ErrorName | undefined>(
      answer.partitions.map(({ topic, partition, error }) => [
        topicPartitionName({ topic, partition }),
        error,
      ]),
    );
    const errorOf = (name: string) =>
      errors.has(name) ? errors.get(name) : ('UNKNOWN_TOPIC_OR_PARTITION' as const);
    return {
      errorCode: 0,
      topics: topics.map(({ name, partitions: each }) => ({
        name,
        partitions: each.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: codeOf(errorOf(topicPartitionName({ topic: name, partition: partitionIndex }))),
        })),
      })),
    };
  },
);
