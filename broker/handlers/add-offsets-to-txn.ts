/**
 * AddOffsetsToTxn: a transaction will commit offsets of a group.
 */
import { addOffsetsToTxn } from '../protocol/apis/add-offsets-to-txn.ts';
import { KafkaError } from '../protocol/errors.ts';
import { handler } from './handler.ts';
import { fencedAsKnown } from './transactional.ts';

const PRODUCER_FENCED_SINCE = 2;

/** Answers requests to commit a group's offsets in a transaction. */
export const handleAddOffsetsToTxn = handler(addOffsetsToTxn, async (request, context) => {
  const { transactionalId, groupId } = request;
  if (groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'a group without a name');
  await fencedAsKnown(context, PRODUCER_FENCED_SINCE, () =>
    context.transactions.addGroup(transactionalId, request, groupId),
  );
  return { errorCode: 0 };
});
