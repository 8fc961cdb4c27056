/**
 * What reaches the coordinator and what comes of it, as plain data: events in, effects out. Requests carry a ticket and
 * get exactly one answer, at once or later.
 */
import type { Settings } from '../../config/settings.ts';
import type { KeyedRecord } from '../log/keyed-topic.ts';
import type { ErrorName } from '../protocol/errors.ts';
import type { TopicPartition } from '../topic-partition.ts';
import type { OffsetCommit } from './committed-offsets.ts';
import type { GroupProtocol, Ticket } from './group.ts';

/** Who in a group asks. */
export interface MemberIdentity {
  /** Empty: not known yet. */
  memberId: string;
  instanceId: string | null;
}

export interface JoinRequest extends MemberIdentity {
  kind: 'join';
  groupId: string;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocolType: string;
  protocols: readonly GroupProtocol[];
  /** A new member first has to come back with the id it is given (KIP-394). */
  needsKnownId: boolean;
}

export interface SyncRequest extends MemberIdentity {
  kind: 'sync';
  groupId: string;
  generation: number;
  /** Null: not told. */
  protocolType: string | null;
  protocolName: string | null;
  assignments: ReadonlyMap<string, Buffer>;
}

export interface HeartbeatRequest extends MemberIdentity {
  kind: 'heartbeat';
  groupId: string;
  generation: number;
}

export interface LeaveRequest {
  kind: 'leave';
  groupId: string;
  members: readonly MemberIdentity[];
}

export interface CommitRequest extends MemberIdentity {
  kind: 'commit';
  groupId: string;
  /** -1: not a member's. */
  generation: number;
  offsets: readonly OffsetCommit[];
  /** A transaction's, checked when they were sent and decided since: nothing stands against them any more. */
  isDecided?: true;
}

export interface DeleteGroupRequest {
  kind: 'deleteGroup';
  groupId: string;
}

export interface DeleteOffsetsRequest {
  kind: 'deleteOffsets';
  groupId: string;
  partitions: readonly TopicPartition[];
}

/** One request to one group. */
export type GroupRequest =
  | JoinRequest
  | SyncRequest
  | HeartbeatRequest
  | LeaveRequest
  | CommitRequest
  | DeleteGroupRequest
  | DeleteOffsetsRequest;

/** An answer that says only whether it went well. */
export interface PlainAnswer {
  error: ErrorName | undefined;
}

export interface JoinAnswer extends PlainAnswer {
  memberId: string;
  generation: number;
  protocolType: string | null;
  protocolName: string | null;
  leaderId: string;
  /** For the leader: everyone, with what they told. */
  members: ReadonlyArray<{ memberId: string; instanceId: string | null; metadata: Buffer }>;
}

export interface SyncAnswer extends PlainAnswer {
  assignment: Buffer;
  protocolType: string | null;
  protocolName: string | null;
}

export interface LeaveAnswer extends PlainAnswer {
  /** One for each member named, in that order. */
  members: ReadonlyArray<MemberIdentity & PlainAnswer>;
}

export interface DeleteOffsetsAnswer extends PlainAnswer {
  /** One for each partition named, in that order. */
  partitions: ReadonlyArray<TopicPartition & PlainAnswer>;
}

/** Which request is answered by what. */
export interface AnswerOf {
  join: JoinAnswer;
  sync: SyncAnswer;
  heartbeat: PlainAnswer;
  leave: LeaveAnswer;
  commit: PlainAnswer;
  deleteGroup: PlainAnswer;
  deleteOffsets: DeleteOffsetsAnswer;
}

export type Answer = AnswerOf[keyof AnswerOf];

/** What goes on once records are durable, or cannot be made so. */
export type AfterStore =
  | { kind: 'answer'; ticket: Ticket; answer: Answer }
  | { kind: 'assigned'; generation: number; assignments: ReadonlyMap<string, Buffer> }
  | { kind: 'committed'; ticket: Ticket; offsets: readonly OffsetCommit[] }
  | { kind: 'dropped'; partitions: readonly TopicPartition[]; reply?: { ticket: Ticket; answer: Answer } }
  | undefined;

export type Effect =
  | { kind: 'answer'; ticket: Ticket; answer: Answer }
  /** To be appended; `after` is then given back with `stored`. In the order of the effects. */
  | { kind: 'store'; groupId: string; records: readonly KeyedRecord[]; after: AfterStore };

/** The limits that groups keep to; times in ms. */
export type GroupLimits = Settings['broker']['groups'];

/** What a change happens with: the time, the limits, names for new members, and where its effects go. */
export interface Turn {
  nowMs: number;
  limits: GroupLimits;
  /** Random, never the same twice. */
  newId: () => string;
  effects: Effect[];
}

/** Answers a request now. */
export function answer(turn: Turn, ticket: Ticket, what: Answer): void {
  turn.effects.push({ kind: 'answer', ticket, answer: what });
}
