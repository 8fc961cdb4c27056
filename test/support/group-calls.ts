/**
 * The requests of a group's member over a raw connection, in the newest versions unless told, with the answers' own fields.
 */
import { heartbeat } from '../../broker/protocol/apis/heartbeat.ts';
import { joinGroup } from '../../broker/protocol/apis/join-group.ts';
import { leaveGroup } from '../../broker/protocol/apis/leave-group.ts';
import { offsetCommit } from '../../broker/protocol/apis/offset-commit.ts';
import { offsetFetch } from '../../broker/protocol/apis/offset-fetch.ts';
import { syncGroup } from '../../broker/protocol/apis/sync-group.ts';
import type { RawClient } from './raw-client.ts';

export interface JoinOptions {
  groupId: string;
  memberId?: string;
  instanceId?: string;
  version?: number;
  sessionTimeoutMs?: number;
  protocolType?: string;
  protocols?: Record<string, string>;
}

/** Asks to join once. */
export function joinOnce(client: RawClient, options: JoinOptions) {
  const { groupId, memberId = '', instanceId, version = 7, sessionTimeoutMs = 120_000 } = options;
  return client.request(joinGroup, version, {
    groupId,
    memberId,
    ...(instanceId !== undefined && { groupInstanceId: instanceId }),
    sessionTimeoutMs,
    rebalanceTimeoutMs: 120_000,
    protocolType: options.protocolType ?? 'consumer',
    protocols: Object.entries(options.protocols ?? { range: 'topics' }).map(([name, metadata]) => ({
      name,
      metadata: Buffer.from(metadata),
    })),
  });
}

/** Joins, coming back with the id it is given. */
export async function join(client: RawClient, options: JoinOptions) {
  const first = await joinOnce(client, options);
  return first.errorCode === 79 ? joinOnce(client, { ...options, memberId: first.memberId }) : first;
}

export interface MemberRef {
  groupId: string;
  memberId: string;
  generationId: number;
  groupInstanceId?: string;
}

/** Asks for the assignment; a leader hands in everyone's. */
export function sync(
  client: RawClient,
  member: MemberRef,
  assignments: Record<string, string> = {},
  version = 5,
) {
  return client.request(syncGroup, version, {
    ...member,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: Object.entries(assignments).map(([memberId, text]) => ({
      memberId,
      assignment: Buffer.from(text),
    })),
  });
}

/** Sends a heartbeat; returns its error code. */
export async function beat(client: RawClient, member: MemberRef, version = 4): Promise<number> {
  return (await client.request(heartbeat, version, member)).errorCode;
}

/** Leaves; returns the member's error code. */
export async function leave(client: RawClient, groupId: string, memberId: string, instanceId?: string) {
  const members = [{ memberId, groupInstanceId: instanceId ?? null }];
  const answer = await client.request(leaveGroup, 4, { groupId, members });
  return answer.errorCode || (answer.members[0]?.errorCode ?? -1);
}

/** A member of a group all by itself, in a stable generation. */
export async function joinAlone(client: RawClient, options: JoinOptions): Promise<MemberRef> {
  const { groupId, instanceId } = options;
  const { memberId, generationId, errorCode } = await join(client, options);
  if (errorCode !== 0) throw new Error(`join was answered with ${errorCode}`);
  const member = {
    groupId,
    memberId,
    generationId,
    ...(instanceId !== undefined && { groupInstanceId: instanceId }),
  };
  const answer = await sync(client, member, { [memberId]: 'all' });
  if (answer.errorCode !== 0) throw new Error(`sync was answered with ${answer.errorCode}`);
  return member;
}

export interface CommitOptions {
  groupId: string;
  topic: string;
  offset: number;
  partition?: number;
  memberId?: string;
  generationId?: number;
  groupInstanceId?: string;
  metadata?: string;
  version?: number;
}

/** Commits one offset; returns the partition's error code. */
export async function commit(client: RawClient, options: CommitOptions): Promise<number> {
  const { topic, offset, partition = 0, metadata = '', version = 8, ...who } = options;
  const partitions = [{ partitionIndex: partition, committedOffset: offset, committedMetadata: metadata }];
  const answer = await client.request(offsetCommit, version, {
    ...who,
    topics: [{ name: topic, partitions }],
  });
  return answer.topics[0]?.partitions[0]?.errorCode ?? -1;
}

/** The committed offset of a partition. */
export async function committed(client: RawClient, groupId: string, topic: string, version = 8) {
  const topics = [{ name: topic, partitionIndexes: [0] }];
  const answer = await client.request(offsetFetch, version, {
    groupId,
    topics,
    groups: [{ groupId, topics }],
  });
  const found = version < 8 ? answer.topics : answer.groups[0]?.topics;
  return found?.[0]?.partitions[0];
}
