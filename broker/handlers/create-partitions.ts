/**
 * CreatePartitions: more partitions for a topic that is there. Records stay where they are, so from then on a key may lie
 * in two partitions.
 */
import { createPartitions } from '../protocol/apis/create-partitions.ts';
import { KafkaError } from '../protocol/errors.ts';
import type { Request } from '../protocol/schema.ts';
import { handler, orCode } from './handler.ts';

type GrowingTopic = Request<typeof createPartitions>['topics'][number];

/** Answers requests for more partitions. */
export const handleCreatePartitions = handler(createPartitions, async (request, context) => {
  const { topics, validateOnly } = request;
  const { directory, settings } = context;
  const results = [];
  for (const topic of topics) {
    const { name, count } = topic;
    const answer = await orCode(
      context,
      async () => {
        if (topics.filter((other) => other.name === name).length > 1) {
          throw new KafkaError('INVALID_REQUEST', `${name} is named twice`);
        }
        directory.checkPartitions(name, count);
        const now = directory.topics.get(name)?.partitions ?? 0;
        checkAssignments(topic, count - now, settings.nodeId);
        if (!validateOnly) await directory.addPartitions(name, count);
        return { name, errorCode: 0 };
      },
      (errorCode, errorMessage) => ({ name, errorCode, errorMessage }),
    );
    results.push(answer);
  }
  return { results };
});

function checkAssignments({ name, assignments }: GrowingTopic, added: number, nodeId: number): void {
  if (assignments === null) return;
  const isHere = assignments.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === nodeId);
  if (assignments.length === added && isHere) return;
  throw new KafkaError(
    'INVALID_REPLICA_ASSIGNMENT',
    `${name}: ${added} new partitions, each on node ${nodeId}`,
  );
}
