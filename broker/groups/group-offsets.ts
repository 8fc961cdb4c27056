/**
 * The offsets of a group: who may commit, what goes with the group or its topics, and when they expire (KIP-211): once
 * the group has been empty for the retention time, whatever was committed meanwhile; without members ever, that long
 * after each commit.
 */
import type { ErrorName } from '../protocol/errors.ts';
import { Reader, WireError } from '../protocol/wire.ts';
import type { TopicPartition } from '../topic-partition.ts';
import { entryBytes, type OffsetCommit } from './committed-offsets.ts';
import {
  type AfterStore,
  answer,
  type CommitRequest,
  type DeleteGroupRequest,
  type DeleteOffsetsAnswer,
  type DeleteOffsetsRequest,
  type Turn,
} from './events.ts';
import type { Group, Ticket } from './group.ts';
import { groupTombstone, offsetRecord, offsetTombstone } from './group-records.ts';
import { identityError } from './membership.ts';
import { touch } from './rebalance.ts';

const CONSUMER = 'consumer';

/** Serves a commit; it counts, and is answered, once it is in the log. */
export function commit(group: Group, request: CommitRequest, ticket: Ticket, turn: Turn): void {
  const error = commitProblem(group, request);
  if (error !== undefined) {
    answer(turn, ticket, { error });
    return;
  }
  const member = group.members.get(request.memberId);
  if (member !== undefined) touch(member, turn);
  const { offsets } = request;
  if (offsets.length === 0) {
    answer(turn, ticket, { error: undefined });
    return;
  }
  group.commitsUnderWay += 1;
  turn.effects.push({
    kind: 'store',
    groupId: group.id,
    records: offsets.map(({ topic, partition, committed }) =>
      offsetRecord(group.id, { topic, partition }, committed),
    ),
    after: { kind: 'committed', ticket, offsets },
  });
}

function commitProblem(group: Group, request: CommitRequest): ErrorName | undefined {
  const { generation, memberId, instanceId, isDecided } = request;
  if (isDecided) return undefined;
  if (generation < 0 && memberId === '' && instanceId === null) {
    return group.state === 'Empty' ? undefined : 'UNKNOWN_MEMBER_ID';
  }
  const error = identityError(group, request);
  if (error !== undefined) return error;
  if (generation !== group.generation) return 'ILLEGAL_GENERATION';
  // Nobody has an assignment in it yet, so there is nothing that could have been read.
  return group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : undefined;
}

/** How much larger a commit makes a group, at most. */
export function commitBytes({ offsets }: CommitRequest): number {
  return offsets.reduce((sum, { committed }) => sum + entryBytes(committed), 0);
}

/** A commit is in the log, or could not be put there. */
export function committed(
  group: Group,
  offsets: readonly OffsetCommit[],
  ticket: Ticket,
  error: ErrorName | undefined,
  turn: Turn,
): void {
  group.commitsUnderWay -= 1;
  if (error === undefined) for (const each of offsets) group.offsets.set(each);
  answer(turn, ticket, { error });
}

/** Takes offsets away: from the log first, so that commits and removals count in the order they have there. */
function dropOffsets(
  group: Group,
  partitions: readonly TopicPartition[],
  turn: Turn,
  reply?: { ticket: Ticket; answer: DeleteOffsetsAnswer },
): void {
  const records = partitions.map((tp) => offsetTombstone(group.id, tp));
  const after = { kind: 'dropped', partitions, ...(reply && { reply }) } as const;
  turn.effects.push({ kind: 'store', groupId: group.id, records, after });
}

/** Deletes a group without members, with all its offsets. */
export function deleteGroup(group: Group, _: DeleteGroupRequest, ticket: Ticket, turn: Turn): void {
  if (group.state !== 'Empty' || group.commitsUnderWay > 0) {
    answer(turn, ticket, { error: 'NON_EMPTY_GROUP' });
    return;
  }
  bury(group, { kind: 'answer', ticket, answer: { error: undefined } }, turn);
}

function bury(group: Group, after: AfterStore, turn: Turn): void {
  const records = [...group.offsets.all()].map((tp) => offsetTombstone(group.id, tp));
  group.enter('Dead', turn.nowMs);
  turn.effects.push({
    kind: 'store',
    groupId: group.id,
    records: [...records, groupTombstone(group.id)],
    after,
  });
}

/** Deletes single offsets, of topics that no member reads (KIP-496). */
export function deleteOffsets(group: Group, request: DeleteOffsetsRequest, ticket: Ticket, turn: Turn): void {
  const isInUse = group.state !== 'Empty';
  if (isInUse && group.protocolType !== CONSUMER) {
    answer(turn, ticket, { error: 'NON_EMPTY_GROUP', partitions: [] });
    return;
  }
  const subscribed = isInUse ? subscribedTopics(group) : new Set<string>();
  const isFree = ({ topic }: TopicPartition) => subscribed?.has(topic) === false;
  const partitions = request.partitions.map((tp) => ({
    ...tp,
    error: isFree(tp) ? undefined : ('GROUP_SUBSCRIBED_TO_TOPIC' as const),
  }));
  const doomed = request.partitions.filter((tp) => isFree(tp) && group.offsets.get(tp) !== undefined);
  const what = { error: undefined, partitions };
  if (doomed.length === 0) answer(turn, ticket, what);
  else dropOffsets(group, doomed, turn, { ticket, answer: what });
}

/** Takes away the offsets of partitions that are no more. */
export function forgetPartitions(group: Group, isGone: (tp: TopicPartition) => boolean, turn: Turn): void {
  const gone = [...group.offsets.all()].filter(isGone);
  if (gone.length > 0) dropOffsets(group, gone, turn);
}

/** Takes away what has expired; with its last offset an empty group goes too. */
export function expireOffsets(group: Group, turn: Turn): void {
  if (group.commitsUnderWay > 0) return;
  const doomed = [...expired(group, turn)];
  const isAll = doomed.length === group.offsets.size;
  if (isAll && group.state === 'Empty' && group.pending.size === 0) bury(group, undefined, turn);
  else if (doomed.length > 0) dropOffsets(group, doomed, turn);
}

function* expired(group: Group, { nowMs, limits }: Turn): Generator<TopicPartition> {
  if (group.state !== 'Empty' && group.state !== 'Stable') return;
  if (group.state === 'Stable' && group.protocolType !== CONSUMER) return;
  const read = group.state === 'Stable' ? subscribedTopics(group) : new Set<string>();
  if (read === undefined) return;
  const isEmptied = group.state === 'Empty' && group.protocolType !== null;
  for (const { topic, partition, committed } of group.offsets.all()) {
    if (read.has(topic)) continue;
    const { committedMs, expiresMs } = committed;
    const since = isEmptied ? group.stateSinceMs : committedMs;
    if (nowMs >= (expiresMs ?? since + limits.offsetsRetentionMs)) yield { topic, partition };
  }
}

/** The topics that members of a consumer group read; undefined if they cannot be told. */
function subscribedTopics(group: Group): Set<string> | undefined {
  const topics = new Set<string>();
  try {
    for (const member of group.members.values()) {
      const metadata = group.metadataOf(member);
      for (const topic of subscriptionTopics(metadata)) topics.add(topic);
    }
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
  return topics;
}

/** The topics of a consumer's subscription: all its versions begin with version, number of topics, topics. */
function subscriptionTopics(metadata: Buffer): string[] {
  const reader = new Reader(metadata);
  reader.int16();
  const count = reader.count(false, 2);
  return Array.from({ length: Math.max(0, count) }, () => reader.text(reader.int16()));
}
