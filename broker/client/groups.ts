/**
 * The consumer groups of a cluster, to look at: who is in them, what each member reads, and how far the group has read.
 * Each broker is asked for the groups that it coordinates.
 */
import { describeGroups } from '../protocol/apis/describe-groups.ts';
import { listGroups } from '../protocol/apis/list-groups.ts';
import { offsetFetch } from '../protocol/apis/offset-fetch.ts';
import { errorNameOf, errorOf } from '../protocol/errors.ts';
import type { Response } from '../protocol/schema.ts';
import { Reader, WireError } from '../protocol/wire.ts';
import type { Offset, TopicPartition } from '../topic-partition.ts';
import type { KafkaClient } from './client.ts';

/** Groups described with one request. */
const GROUPS_AT_ONCE = 100;
const CONSUMER = 'consumer';

export interface GroupMemberView {
  memberId: string;
  instanceId: string | null;
  clientId: string;
  host: string;
  /** What it was given; null where the broker or the protocol does not say. */
  partitions: TopicPartition[] | null;
}

export interface GroupView {
  group: string;
  coordinator: number;
  /** As Kafka names them: Empty, PreparingRebalance, CompletingRebalance, Stable, Dead. */
  state: string;
  protocolType: string;
  protocol: string;
  members: GroupMemberView[];
  offsets: Array<TopicPartition & { committed: Offset }>;
  /** Why nothing more is told of it. */
  error: string | null;
}

type Described = Response<typeof describeGroups>['groups'][number];

/** All groups, by name. Throws a KafkaError if a broker does not list them. */
export async function consumerGroups(client: KafkaClient): Promise<GroupView[]> {
  const { brokers } = await client.metadata([]);
  const views: GroupView[] = [];
  for (const { nodeId } of brokers) {
    const { errorCode, groups } = await client.request(listGroups, {}, { node: nodeId });
    const error = errorOf(errorCode, `the groups of broker ${nodeId}`);
    if (error) throw error;
    const names = groups.map(({ groupId }) => groupId);
    for (let at = 0; at < names.length; at += GROUPS_AT_ONCE) {
      const some = names.slice(at, at + GROUPS_AT_ONCE);
      const described = await client.request(describeGroups, { groups: some }, { node: nodeId });
      for (const each of described.groups) views.push(await view(client, nodeId, each));
    }
  }
  return views.sort((a, b) => (a.group < b.group ? -1 : 1));
}

async function view(client: KafkaClient, coordinator: number, described: Described): Promise<GroupView> {
  const { groupId, groupState, protocolType, protocolData, errorCode } = described;
  const isStable = groupState === 'Stable' && protocolType === CONSUMER;
  const members = described.members.map((member) => ({
    memberId: member.memberId,
    instanceId: member.groupInstanceId,
    clientId: member.clientId,
    host: member.clientHost.replace(/^\//, ''),
    partitions: isStable ? assignedPartitions(member.memberAssignment) : null,
  }));
  const found = await committedOffsets(client, coordinator, groupId);
  return {
    group: groupId,
    coordinator,
    state: groupState,
    protocolType,
    protocol: protocolData,
    members,
    offsets: found.offsets,
    error: errorNameOf(errorCode) ?? found.error ?? null,
  };
}

async function committedOffsets(client: KafkaClient, node: number, groupId: string) {
  // Both forms: the version spoken takes the one it has.
  const body = { groupId, topics: null, groups: [{ groupId, topics: null }] };
  const answer = await client.request(offsetFetch, body, { node });
  const { topics, errorCode } = answer.groups[0] ?? answer;
  const offsets = topics.flatMap(({ name: topic, partitions }) =>
    partitions
      .filter((each) => each.errorCode === 0 && each.committedOffset >= 0)
      .map(({ partitionIndex: partition, committedOffset: committed }) => ({ topic, partition, committed })),
  );
  return { offsets, error: errorNameOf(errorCode) };
}

/** What an assignment of the consumer protocol gives: version, topics with their partitions, the assignor's own bytes. */
function assignedPartitions(assignment: Buffer | null): TopicPartition[] | null {
  if (assignment === null || assignment.length === 0) return [];
  try {
    const reader = new Reader(assignment);
    reader.int16();
    return Array.from({ length: Math.max(0, reader.count(false, 6)) }, () => {
      const topic = reader.text(reader.int16());
      const count = Math.max(0, reader.count(false, 4));
      return Array.from({ length: count }, () => ({ topic, partition: reader.int32() }));
    }).flat();
  } catch (error) {
    // Members may agree on a form of their own.
    if (error instanceof WireError) return null;
    throw error;
  }
}
