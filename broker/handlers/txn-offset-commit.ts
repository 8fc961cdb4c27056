/**
 * TxnOffsetCommit: a group's offsets wait in the producer's transaction until it commits. A member vouches for them with
 * its generation (KIP-447), so that one who lost its partitions cannot commit for them.
 */
import { txnOffsetCommit } from '../protocol/apis/txn-offset-commit.ts';
import { codeOf, type ErrorName } from '../protocol/errors.ts';
import type { Request } from '../protocol/schema.ts';
import type { TransactionOffset } from '../transactions/transaction.ts';
import { handler, orCode, type RequestContext } from './handler.ts';
import { offsetProblem } from './offset-commit.ts';
import { fencedAsKnown } from './transactional.ts';

/** A producer is never told PRODUCER_FENCED here, as in Kafka. */
const PRODUCER_FENCED_SINCE = Number.POSITIVE_INFINITY;

/** Answers commits of offsets within a transaction. */
export const handleTxnOffsetCommit = handler(txnOffsetCommit, async (request, context) => {
  const { transactionalId, groupId: group } = request;
  const offsets: TransactionOffset[] = [];
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((each) => {
      const { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch } = each;
      const error = offsetProblem(name, each, context);
      const metadata = each.committedMetadata ?? '';
      if (error === undefined) offsets.push({ topic: name, partition, group, offset, leaderEpoch, metadata });
      return { partitionIndex: partition, error };
    }),
  }));
  const errorCode = await orCode(
    context,
    async () => {
      const error = await groupProblem(request, context);
      if (error === undefined) {
        await fencedAsKnown(context, PRODUCER_FENCED_SINCE, () =>
          context.transactions.addOffsets(transactionalId, request, offsets),
        );
      }
      return codeOf(error);
    },
    (code) => code,
  );
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, error }) => ({
        partitionIndex,
        errorCode: error === undefined ? errorCode : codeOf(error),
      })),
    })),
  };
});

/** What stands against the commit in the group: once the transaction is decided it can no longer be refused. */
async function groupProblem(
  { groupId, generationId, memberId, groupInstanceId }: Request<typeof txnOffsetCommit>,
  { groups }: RequestContext,
): Promise<ErrorName | undefined> {
  const { error } = await groups.ask({
    kind: 'commit',
    groupId,
    generation: generationId,
    memberId,
    instanceId: groupInstanceId,
    offsets: [],
  });
  const isNobody = generationId < 0 && memberId === '' && groupInstanceId === null;
  // Older clients do not tell who they are.
  if (isNobody && error === 'UNKNOWN_MEMBER_ID') return undefined;
  // A rebalance that is not over yet leaves the member its partitions, and Java takes this answer for a fatal one.
  return error === 'REBALANCE_IN_PROGRESS' ? undefined : error;
}
