/**
 * EndTxn: commits or aborts. Answered when the outcome is decided and, as a rule, every marker is written; where a
 * partition cannot take its marker now, the next transaction waits (CONCURRENT_TRANSACTIONS), not this answer.
 */
import { endTxn } from '../protocol/apis/end-txn.ts';
import { handler } from './handler.ts';
import { fencedAsKnown } from './transactional.ts';

const PRODUCER_FENCED_SINCE = 2;

/** Answers requests to end a transaction. */
export const handleEndTxn = handler(endTxn, async (request, context) => {
  const { transactionalId, committed } = request;
  await fencedAsKnown(context, PRODUCER_FENCED_SINCE, () =>
    context.transactions.end(transactionalId, request, committed ? 'commit' : 'abort'),
  );
  return { errorCode: 0 };
});
