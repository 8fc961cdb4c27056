/**
 * The coordinator of consumer groups as a pure state machine: requests, the outcome of appends and the passing of time
 * go in, answers and records to store come out, and nothing here waits, reads a clock or does I/O. `groups.ts` drives it
 * in the broker, a simulation in the tests.
 */
import type { ErrorName } from '../protocol/errors.ts';
import type { TopicPartition } from '../topic-partition.ts';
import type { CommittedOffset } from './committed-offsets.ts';
import {
  type AfterStore,
  type Answer,
  answer,
  type Effect,
  type GroupLimits,
  type GroupRequest,
  type Turn,
} from './events.ts';
import { Group, type Member, memberBytes, type Ticket } from './group.ts';
import {
  commit,
  commitBytes,
  committed,
  deleteGroup,
  deleteOffsets,
  expireOffsets,
  forgetPartitions,
} from './group-offsets.ts';
import type { GroupsRecord } from './group-records.ts';
import { heartbeat, join, leave, sync } from './membership.ts';
import {
  answerJoin,
  answerSync,
  assign,
  completeIfAllJoined,
  endGathering,
  endSyncing,
  failAssignment,
  joinError,
  removeMember,
  syncError,
} from './rebalance.ts';

export class Coordinator {
  readonly #limits: GroupLimits;
  readonly #newId: () => string;
  readonly #groups = new Map<string, Group>();
  #stateBytes = 0;

  /** `newId` gives a name that was never given before. */
  constructor(limits: GroupLimits, newId: () => string) {
    this.#limits = limits;
    this.#newId = newId;
  }

  get(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  all(): Iterable<Group> {
    return this.#groups.values();
  }

  /** An estimate of the memory that all groups take. */
  get stateBytes(): number {
    return this.#stateBytes;
  }

  /** Takes a record read back at the start. */
  load(record: GroupsRecord, nowMs: number): void {
    if (record.kind === 'group') this.#loadGroup(record.id, record.group, nowMs);
    else this.#loadOffset(record.group, record.tp, record.committed, nowMs);
  }

  #loadGroup(id: string, loaded: Group | null, nowMs: number): void {
    const before = this.#groups.get(id);
    const group = loaded ?? new Group(id, nowMs);
    // Both kinds of records are there in any order; a group's own says nothing of its offsets.
    for (const each of before?.offsets.all() ?? []) group.offsets.set(each);
    this.#groups.set(id, group);
    this.#stateBytes += group.bytes - (before?.bytes ?? 0);
    if (isNothing(group)) this.#forget(group);
  }

  #loadOffset(id: string, tp: TopicPartition, offset: CommittedOffset | null, nowMs: number): void {
    const group = this.#groups.get(id) ?? this.#create(id, nowMs);
    const bytes = group.offsets.bytes;
    if (offset === null) group.offsets.delete(tp);
    else group.offsets.set({ ...tp, committed: offset });
    this.#stateBytes += group.offsets.bytes - bytes;
    if (isNothing(group)) this.#forget(group);
  }

  /** Leaves out groups of which only a part could be read back. */
  unload(isLost: (groupId: string) => boolean): void {
    for (const group of [...this.#groups.values()]) if (isLost(group.id)) this.#forget(group);
  }

  /** Serves a request. */
  request(request: GroupRequest, ticket: Ticket, nowMs: number): Effect[] {
    const effects: Effect[] = [];
    const group = this.#groups.get(request.groupId);
    const error = this.#problem(request, group);
    const turn = this.#turn(nowMs, effects);
    if (error !== undefined) answer(turn, ticket, refusal(request, error));
    else {
      const served = group ?? this.#create(request.groupId, nowMs);
      this.#change(served, () => serve(served, request, ticket, turn));
    }
    return effects;
  }

  /** Records that an effect asked to store are durable, or cannot be stored. */
  stored(groupId: string, after: AfterStore, error: ErrorName | undefined, nowMs: number): Effect[] {
    const effects: Effect[] = [];
    const turn = this.#turn(nowMs, effects);
    const reply = after?.kind === 'dropped' ? after.reply : after?.kind === 'answer' ? after : undefined;
    if (reply !== undefined) {
      answer(turn, reply.ticket, error === undefined ? reply.answer : { ...reply.answer, error });
    }
    const group = this.#groups.get(groupId);
    if (group !== undefined) this.#change(group, () => settle(group, after, error, turn));
    return effects;
  }

  /** When a group has to be looked at though no request comes; undefined: never. */
  deadline(groupId: string): number | undefined {
    const group = this.#groups.get(groupId);
    return group && deadlineOf(group);
  }

  /** Does what is due in a group. */
  tick(groupId: string, nowMs: number): Effect[] {
    const effects: Effect[] = [];
    const group = this.#groups.get(groupId);
    if (group !== undefined) this.#change(group, () => passTime(group, this.#turn(nowMs, effects)));
    return effects;
  }

  /** Takes away offsets, and groups, whose time is over. */
  expire(nowMs: number): Effect[] {
    return this.#changeAll(nowMs, expireOffsets);
  }

  /** Takes away the offsets of partitions that are no more. */
  forgetPartitions(isGone: (tp: TopicPartition) => boolean, nowMs: number): Effect[] {
    return this.#changeAll(nowMs, (group, turn) => forgetPartitions(group, isGone, turn));
  }

  /** Refuses all that wait, because the broker stops; its groups are there again when it is back. */
  close(nowMs: number): Effect[] {
    return this.#changeAll(nowMs, (group, turn) => {
      for (const member of group.members.values()) {
        answerJoin(member, joinError('NOT_COORDINATOR', member.id), turn);
        answerSync(member, syncError('NOT_COORDINATOR'), turn);
      }
    });
  }

  #changeAll(nowMs: number, change: (group: Group, turn: Turn) => void): Effect[] {
    const effects: Effect[] = [];
    const turn = this.#turn(nowMs, effects);
    for (const group of [...this.#groups.values()]) this.#change(group, () => change(group, turn));
    return effects;
  }

  #turn(nowMs: number, effects: Effect[]): Turn {
    return { nowMs, limits: this.#limits, newId: this.#newId, effects };
  }

  #create(id: string, nowMs: number): Group {
    const group = new Group(id, nowMs);
    this.#groups.set(id, group);
    this.#stateBytes += group.bytes;
    return group;
  }

  #forget(group: Group): void {
    this.#groups.delete(group.id);
    this.#stateBytes -= group.bytes;
  }

  #change(group: Group, change: () => void): void {
    const before = group.bytes;
    change();
    this.#stateBytes += group.bytes - before;
    if (group.state === 'Dead' || isNothing(group)) this.#forget(group);
  }

  /** What stands against a request before its group is asked. */
  #problem(request: GroupRequest, group: Group | undefined): ErrorName | undefined {
    if (request.groupId === '' && NAMED_ONLY.has(request.kind)) return 'INVALID_GROUP_ID';
    if (request.kind === 'join') {
      const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#limits;
      const { sessionTimeoutMs } = request;
      if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
        return 'INVALID_SESSION_TIMEOUT';
      }
    }
    if (group === undefined) {
      const error = errorWithoutGroup(request);
      if (error !== undefined) return error;
      const isDecided = request.kind === 'commit' && request.isDecided;
      if (this.#groups.size >= this.#limits.maxGroups && !isDecided) return 'GROUP_MAX_SIZE_REACHED';
    }
    return this.#roomProblem(request);
  }

  #roomProblem(request: GroupRequest): ErrorName | undefined {
    const { maxMemberBytes, maxStateBytes } = this.#limits;
    const room = maxStateBytes - this.#stateBytes;
    if (request.kind === 'join') {
      const bytes = memberBytes({ protocols: request.protocols, assignment: Buffer.alloc(0) });
      return bytes > Math.min(maxMemberBytes, room) ? 'GROUP_MAX_SIZE_REACHED' : undefined;
    }
    if (request.kind === 'sync') {
      let bytes = 0;
      for (const assignment of request.assignments.values()) bytes += assignment.length;
      return bytes > room ? 'GROUP_MAX_SIZE_REACHED' : undefined;
    }
    if (request.kind !== 'commit' || request.isDecided) return undefined;
    return commitBytes(request) > room ? 'INVALID_COMMIT_OFFSET_SIZE' : undefined;
  }
}

/** Requests for which the empty name is none; offsets may be kept under it. */
const NAMED_ONLY: ReadonlySet<GroupRequest['kind']> = new Set(['join', 'sync', 'heartbeat', 'leave']);

/** Nothing of it is worth keeping. */
function isNothing(group: Group): boolean {
  const { state, generation, members, pending, offsets, commitsUnderWay } = group;
  const isUnused = state === 'Empty' && generation === 0 && commitsUnderWay === 0;
  return isUnused && members.size === 0 && pending.size === 0 && offsets.size === 0;
}

function errorWithoutGroup(request: GroupRequest): ErrorName | undefined {
  switch (request.kind) {
    case 'join':
      return request.memberId === '' ? undefined : 'UNKNOWN_MEMBER_ID';
    case 'commit':
      return request.generation < 0 ? undefined : 'ILLEGAL_GENERATION';
    case 'deleteGroup':
    case 'deleteOffsets':
      return 'GROUP_ID_NOT_FOUND';
    default:
      return 'UNKNOWN_MEMBER_ID';
  }
}

/** The answer to a request that no group serves. */
export function refusal(request: GroupRequest, error: ErrorName): Answer {
  if (request.kind === 'join') return joinError(error, request.memberId);
  if (request.kind === 'sync') return syncError(error);
  if (request.kind === 'deleteOffsets') return { error, partitions: [] };
  if (request.kind !== 'leave') return { error };
  if (error !== 'UNKNOWN_MEMBER_ID') return { error, members: [] };
  // Without the group it is each member that is not known.
  return { error: undefined, members: request.members.map((each) => ({ ...each, error })) };
}

function serve(group: Group, request: GroupRequest, ticket: Ticket, turn: Turn): void {
  switch (request.kind) {
    case 'join':
      join(group, request, ticket, turn);
      break;
    case 'sync':
      sync(group, request, ticket, turn);
      break;
    case 'heartbeat':
      heartbeat(group, request, ticket, turn);
      break;
    case 'leave':
      leave(group, request, ticket, turn);
      break;
    case 'commit':
      commit(group, request, ticket, turn);
      break;
    case 'deleteGroup':
      deleteGroup(group, request, ticket, turn);
      break;
    case 'deleteOffsets':
      deleteOffsets(group, request, ticket, turn);
      break;
  }
}

function settle(group: Group, after: AfterStore, error: ErrorName | undefined, turn: Turn): void {
  if (after?.kind === 'committed') committed(group, after.offsets, after.ticket, error, turn);
  if (after?.kind === 'dropped' && error === undefined) {
    for (const tp of after.partitions) group.offsets.delete(tp);
  }
  if (after?.kind !== 'assigned') return;
  // A member may have come or gone meanwhile: then this assignment is for nothing.
  if (group.state !== 'CompletingRebalance' || group.generation !== after.generation) return;
  if (error === undefined) assign(group, after.assignments, turn);
  else failAssignment(group, turn);
}

/** A member is there while a request of its waits; a new one has no other sign of life, so its join may not wait for ever. */
function mayExpire({ isNew, join: joining, sync: syncing }: Member): boolean {
  return isNew || (joining === undefined && syncing === undefined);
}

function deadlineOf(group: Group): number | undefined {
  let first = Math.min(group.joinEndsMs ?? Infinity, group.syncEndsMs ?? Infinity, ...group.pending.values());
  for (const member of group.members.values()) {
    if (mayExpire(member)) first = Math.min(first, member.expiresMs);
  }
  return first === Infinity ? undefined : first;
}

function passTime(group: Group, turn: Turn): void {
  const { nowMs } = turn;
  for (const [id, untilMs] of group.pending) if (untilMs <= nowMs) group.pending.delete(id);
  completeIfAllJoined(group, turn);
  for (const member of [...group.members.values()]) {
    const isThere = group.members.get(member.id) === member;
    if (isThere && mayExpire(member) && member.expiresMs <= nowMs) removeMember(group, member, turn);
  }
  if (group.joinEndsMs !== undefined && group.joinEndsMs <= nowMs) endGathering(group, turn);
  if (group.syncEndsMs !== undefined && group.syncEndsMs <= nowMs) endSyncing(group, turn);
}
