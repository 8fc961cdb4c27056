/**
 * AddPartitionsToTxn: all partitions of a request or none, as in Kafka.
 */
import { addPartitionsToTxn } from '../protocol/apis/add-partitions-to-txn.ts';
import { ERRORS } from '../protocol/errors.ts';
import { isInternalTopic, type TopicPartition } from '../topic-partition.ts';
import { handler, orCode, type RequestContext } from './handler.ts';
import { fencedAsKnown } from './transactional.ts';

const PRODUCER_FENCED_SINCE = 2;

/** Answers requests to write to partitions in a transaction. */
export const handleAddPartitionsToTxn = handler(addPartitionsToTxn, async (request, context) => {
  const partitions = request.topics.flatMap(({ name: topic, partitions: numbers }) =>
    numbers.map((partition) => ({ topic, partition })),
  );
  const codes = partitions.map((tp) => problemOf(tp, context));
  const isRefused = codes.some((code) => code !== 0);
  const errorCode = isRefused
    ? ERRORS.OPERATION_NOT_ATTEMPTED[0]
    : await orCode(
        context,
        async () => {
          await fencedAsKnown(context, PRODUCER_FENCED_SINCE, () =>
            context.transactions.addPartitions(request.transactionalId, request, partitions),
          );
          return 0;
        },
        (code) => code,
      );
  let next = 0;
  return {
    results: request.topics.map(({ name, partitions: numbers }) => ({
      name,
      results: numbers.map((partitionIndex) => ({ partitionIndex, errorCode: codes[next++] || errorCode })),
    })),
  };
});

function problemOf(tp: TopicPartition, { directory }: RequestContext): number {
  if (isInternalTopic(tp.topic)) return ERRORS.INVALID_TOPIC_EXCEPTION[0];
  const isThere = tp.partition >= 0 && tp.partition < (directory.topics.get(tp.topic)?.partitions ?? 0);
  return isThere ? 0 : ERRORS.UNKNOWN_TOPIC_OR_PARTITION[0];
}
