/**
 * InitProducerId for idempotent producers: a fresh id and epoch 0 each time, also for one that asks for a new epoch of
 * its id, as Kafka does outside transactions.
 */
import { initProducerId } from '../protocol/apis/init-producer-id.ts';
import { KafkaError } from '../protocol/errors.ts';
import { handler } from './handler.ts';

/** Answers requests for a producer id. */
export const handleInitProducerId = handler(initProducerId, ({ transactionalId }, { directory }) => {
  if (transactionalId !== null) {
    throw new KafkaError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'transactions are not served');
  }
  return { errorCode: 0, producerId: directory.producerIds.next(), producerEpoch: 0 };
});
