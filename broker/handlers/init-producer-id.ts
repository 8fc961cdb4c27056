/**
 * InitProducerId. Without a transactional id a fresh producer id and epoch 0 each time, also for a producer that asks for
 * a new epoch of its id, as Kafka does; with one the id that belongs to it and its next epoch, which fences all before.
 */
import { initProducerId } from '../protocol/apis/init-producer-id.ts';
import { handler } from './handler.ts';
import { fencedAsKnown } from './transactional.ts';

const PRODUCER_FENCED_SINCE = 4;

/** Answers requests for a producer id. */
export const handleInitProducerId = handler(initProducerId, async (request, context) => {
  const { transactionalId, transactionTimeoutMs: timeoutMs, producerId, producerEpoch } = request;
  if (transactionalId === null) {
    return { errorCode: 0, producerId: context.directory.producerIds.next(), producerEpoch: 0 };
  }
  const expected = producerId < 0 ? undefined : { producerId, producerEpoch };
  const producer = await fencedAsKnown(context, PRODUCER_FENCED_SINCE, () =>
    context.transactions.initProducer(transactionalId, { timeoutMs, expected }),
  );
  return { errorCode: 0, producerId: producer.producerId, producerEpoch: producer.producerEpoch };
});
