/**
 * OffsetFetch: the offsets of groups, whatever state these are in; only what is stored durably is told.
 */
import type { CommittedOffset } from '../groups/committed-offsets.ts';
import type { Group } from '../groups/group.ts';
import { offsetFetch } from '../protocol/apis/offset-fetch.ts';
import type { Request } from '../protocol/schema.ts';
import { handler, orCode, type RequestContext } from './handler.ts';

type WantedTopics = Request<typeof offsetFetch>['topics'];

/** The first version that asks for several groups. */
const FIRST_BATCHED_VERSION = 8;
/** The first version with an error of the whole group; before, each partition has it. */
const FIRST_GROUP_ERROR_VERSION = 2;

/** Answers requests for committed offsets. */
export const handleOffsetFetch = handler(offsetFetch, async (request, context) => {
  if (context.version >= FIRST_BATCHED_VERSION) {
    const groups = request.groups.map(async ({ groupId, topics }) => ({
      groupId,
      ...(await fetchGroup(groupId, topics, context)),
    }));
    return { groups: await Promise.all(groups) };
  }
  const answer = await fetchGroup(request.groupId, request.topics, context);
  if (answer.errorCode === 0 || context.version >= FIRST_GROUP_ERROR_VERSION) return answer;
  return { topics: listed(undefined, request.topics ?? [], answer.errorCode) };
});

function fetchGroup(groupId: string, wanted: WantedTopics, { groups, logger }: RequestContext) {
  return orCode(
    { logger },
    () => {
      const group = groups.get(groupId);
      return { errorCode: 0, topics: wanted === null ? all(group) : listed(group, wanted, 0) };
    },
    (errorCode) => ({ errorCode, topics: [] }),
  );
}

function listed(group: Group | undefined, wanted: NonNullable<WantedTopics>, errorCode: number) {
  return wanted.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) =>
      tell(partition, group?.offsets.get({ topic: name, partition }), errorCode),
    ),
  }));
}

function all(group: Group | undefined) {
  const topics = new Map<string, ReturnType<typeof tell>[]>();
  for (const { topic, partition, committed } of group?.offsets.all() ?? []) {
    const partitions = topics.get(topic) ?? [];
    partitions.push(tell(partition, committed, 0));
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
