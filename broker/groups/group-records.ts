/**
 * The records of `__consumer_offsets`, byte for byte Apache Kafka's (OffsetCommitKey, OffsetCommitValue, GroupMetadataKey
 * and GroupMetadataValue), so that its tools can read the topic: a version in two bytes, then the fields in the plain form
 * of the protocol. Written are key versions 1 and 2 and value version 3 (1 for an offset with an end of its own).
 */
import type { KeyedRecord } from '../log/keyed-topic.ts';
import { KafkaError } from '../protocol/errors.ts';
import {
  array,
  int32,
  int64,
  nullableBytes,
  nullableString,
  type ReadOf,
  type Shape,
  string,
  struct,
  type WriteOf,
} from '../protocol/schema.ts';
import { Reader, Writer } from '../protocol/wire.ts';
import { checkOffset, type TopicPartition } from '../topic-partition.ts';
import type { CommittedOffset } from './committed-offsets.ts';
import { Group } from './group.ts';

const OFFSET_KEY = 1;
const GROUP_KEY = 2;
const VALUE = 3;
/** The only version of an offset's value that has an end of its own. */
const EXPIRING_VALUE = 1;
const NO_TIME = -1;

const offsetKey = { group: string, topic: string, partition: int32 };
const groupKey = { group: string };
const offsetValue = {
  offset: int64,
  leaderEpoch: int32.since(3).default(-1),
  metadata: string,
  commitTimestamp: int64,
  expireTimestamp: int64.since(1).until(1).default(NO_TIME),
};
const groupValue = {
  protocolType: string,
  generation: int32,
  protocol: nullableString,
  leader: nullableString,
  currentStateTimestamp: int64.since(2).default(NO_TIME),
  members: array({
    memberId: string,
    groupInstanceId: nullableString.since(3).default(null),
    clientId: string,
    clientHost: string,
    rebalanceTimeout: int32.since(1).default(0),
    sessionTimeout: int32,
    subscription: nullableBytes,
    assignment: nullableBytes,
  }),
};

function write<S extends Shape>(shape: S, version: number, value: WriteOf<S>): Buffer {
  const writer = new Writer();
  writer.int16(version);
  struct(shape).compile(version, false).write(writer, value);
  return Buffer.concat(writer.finish());
}

function read<S extends Shape>(shape: S, version: number, reader: Reader): ReadOf<S> {
  return struct(shape).compile(version, false).read(reader);
}

function readValue<S extends Shape>(shape: S, what: string, value: Buffer): ReadOf<S> {
  const reader = new Reader(value);
  const version = reader.int16();
  if (version < 0 || version > VALUE) {
    throw new KafkaError(
      'UNSUPPORTED_VERSION',
      `${what} has record version ${version}, this broker reads 0 to 3`,
    );
  }
  return read(shape, version, reader);
}

function keyOfOffset(group: string, { topic, partition }: TopicPartition): Buffer {
  return write(offsetKey, OFFSET_KEY, { group, topic, partition });
}

/** The record of a committed offset. */
export function offsetRecord(group: string, tp: TopicPartition, committed: CommittedOffset): KeyedRecord {
  const { offset, leaderEpoch, metadata, committedMs, expiresMs } = committed;
  const value = write(offsetValue, expiresMs === undefined ? VALUE : EXPIRING_VALUE, {
    offset,
    leaderEpoch,
    metadata,
    commitTimestamp: committedMs,
    ...(expiresMs !== undefined && { expireTimestamp: expiresMs }),
  });
  return { key: keyOfOffset(group, tp), value };
}

/** The tombstone of a committed offset. */
export function offsetTombstone(group: string, tp: TopicPartition): KeyedRecord {
  return { key: keyOfOffset(group, tp), value: null };
}

/** The record of a group, with these assignments for its members. */
export function groupRecord(group: Group, assignments: ReadonlyMap<string, Buffer>): KeyedRecord {
  const members = [...group.members.values()].map((member) => ({
    memberId: member.id,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeout: member.rebalanceTimeoutMs,
    sessionTimeout: member.sessionTimeoutMs,
    subscription: group.metadataOf(member),
    assignment: assignments.get(member.id) ?? Buffer.alloc(0),
  }));
  const value = write(groupValue, VALUE, {
    protocolType: group.protocolType ?? '',
    generation: group.generation,
    protocol: group.protocolName,
    leader: group.leaderId,
    currentStateTimestamp: group.stateSinceMs,
    members,
  });
  return { key: write(groupKey, GROUP_KEY, { group: group.id }), value };
}

/** The tombstone of a group. */
export function groupTombstone(group: string): KeyedRecord {
  return { key: write(groupKey, GROUP_KEY, { group }), value: null };
}

/** A record as read back. Null: a tombstone. */
export type GroupsRecord =
  | { kind: 'offset'; group: string; tp: TopicPartition; committed: CommittedOffset | null }
  | { kind: 'group'; id: string; group: Group | null };

/** Reads a record; undefined for keys of later Kafka versions, which say nothing to us. Throws a KafkaError or WireError. */
export function readGroupsRecord(key: Buffer, value: Buffer | null, nowMs: number): GroupsRecord | undefined {
  const reader = new Reader(key);
  const version = reader.int16();
  if (version === 0 || version === OFFSET_KEY) {
    const { group, topic, partition } = read(offsetKey, version, reader);
    const what = `the offset of group ${group} in ${topic}-${partition}`;
    return { kind: 'offset', group, tp: { topic, partition }, committed: value && readOffset(value, what) };
  }
  if (version !== GROUP_KEY) return undefined;
  const { group: id } = read(groupKey, version, reader);
  return { kind: 'group', id, group: value && readGroup(id, value, nowMs) };
}

function readOffset(value: Buffer, what: string): CommittedOffset {
  const stored = readValue(offsetValue, what, value);
  return {
    offset: checkOffset(stored.offset, what),
    leaderEpoch: stored.leaderEpoch,
    metadata: stored.metadata,
    committedMs: stored.commitTimestamp,
    expiresMs: stored.expireTimestamp === NO_TIME ? undefined : stored.expireTimestamp,
  };
}

/** Members get a whole session from now on: nobody knows how long the broker was away. */
function readGroup(id: string, value: Buffer, nowMs: number): Group {
  const stored = readValue(groupValue, `group ${id}`, value);
  const group = new Group(
    id,
    stored.currentStateTimestamp === NO_TIME ? nowMs : stored.currentStateTimestamp,
  );
  group.generation = stored.generation;
  group.protocolType = stored.protocolType === '' ? null : stored.protocolType;
  group.protocolName = stored.protocol;
  group.leaderId = stored.leader;
  group.state = stored.members.length === 0 ? 'Empty' : 'Stable';
  for (const member of stored.members) {
    // What was read is a view into memory that is used again.
    const metadata = Buffer.from(member.subscription ?? []);
    group.members.set(member.memberId, {
      id: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeout,
      rebalanceTimeoutMs: member.rebalanceTimeout || member.sessionTimeout,
      protocols: stored.protocol === null ? [] : [{ name: stored.protocol, metadata }],
      assignment: Buffer.from(member.assignment ?? []),
      join: undefined,
      sync: undefined,
      isNew: false,
      owesSync: false,
      expiresMs: nowMs + member.sessionTimeout,
    });
    if (member.groupInstanceId !== null) group.instances.set(member.groupInstanceId, member.memberId);
  }
  return group;
}
