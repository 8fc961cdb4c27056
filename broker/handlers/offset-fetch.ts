/**
 * OffsetFetch: the offsets of groups, whatever state these are in. Only what is safe is told; it waits for commits that are
 * on their way to the log, so that nobody begins before what he has committed himself (Kafka asks such a client to come
 * again, if it bears that).
 */
import type { CommittedOffset } from '../groups/committed-offsets.ts';
import type { Group } from '../groups/group.ts';
import { offsetFetch } from '../protocol/apis/offset-fetch.ts';
import { codeOf } from '../protocol/errors.ts';
import type { Request } from '../protocol/schema.ts';
import type { TopicPartition } from '../topic-partition.ts';
import { handler, orCode, type RequestContext } from './handler.ts';

type WantedTopics = Request<typeof offsetFetch>['topics'];

/** The first version that asks for several groups. */
const FIRST_BATCHED_VERSION = 8;
/** The first version with an error of the whole group; before, each partition has it. */
const FIRST_GROUP_ERROR_VERSION = 2;
const UNSTABLE = codeOf('UNSTABLE_OFFSET_COMMIT');

/** Answers requests for committed offsets. */
export const handleOffsetFetch = handler(offsetFetch, async (request, context) => {
  const { requireStable } = request;
  if (context.version >= FIRST_BATCHED_VERSION) {
    const groups = request.groups.map(async ({ groupId, topics }) => ({
      groupId,
      ...(await fetchGroup(groupId, { topics, requireStable }, context)),
    }));
    return { groups: await Promise.all(groups) };
  }
  const answer = await fetchGroup(request.groupId, request, context);
  if (answer.errorCode === 0 || context.version >= FIRST_GROUP_ERROR_VERSION) return answer;
  return { topics: listed(undefined, request.topics ?? [], answer.errorCode) };
});

function fetchGroup(
  groupId: string,
  { topics: wanted, requireStable }: { topics: WantedTopics; requireStable: boolean },
  { groups, transactions, logger }: RequestContext,
) {
  const isHeld = (tp: TopicPartition) => requireStable && transactions.holdsOffset(groupId, tp);
  return orCode(
    { logger },
    async () => {
      await groups.settled(groupId);
      const group = groups.get(groupId);
      return {
        errorCode: 0,
        topics: wanted === null ? all(group, isHeld) : listed(group, wanted, 0, isHeld),
      };
    },
    (errorCode) => ({ errorCode, topics: [] }),
  );
}

/** Whether an undecided transaction may still change an offset, and the client asked not to be told it then (KIP-447). */
type IsHeld = (tp: TopicPartition) => boolean;

function listed(
  group: Group | undefined,
  wanted: NonNullable<WantedTopics>,
  errorCode: number,
  isHeld: IsHeld = () => false,
) {
  return wanted.map(({ name: topic, partitionIndexes }) => ({
    name: topic,
    partitions: partitionIndexes.map((partition) => {
      if (isHeld({ topic, partition })) return tell(partition, undefined, UNSTABLE);
      return tell(partition, group?.offsets.get({ topic, partition }), errorCode);
    }),
  }));
}

function all(group: Group | undefined, isHeld: IsHeld) {
  const topics = new Map<string, ReturnType<typeof tell>[]>();
  for (const { topic, partition, committed } of group?.offsets.all() ?? []) {
    const partitions = topics.get(topic) ?? [];
    partitions.push(
      isHeld({ topic, partition }) ? tell(partition, undefined, UNSTABLE) : tell(partition, committed, 0),
    );
    topics.set(topic, partitions);
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}

function tell(partitionIndex: number, committed: CommittedOffset | undefined, errorCode: number) {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? -1,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode,
  };
}
