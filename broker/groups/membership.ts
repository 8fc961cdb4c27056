/**
 * What members ask of their group: to join, to get their assignment, to stay, to leave. Rules and error codes are those
 * of Kafka's classic protocol (GroupCoordinator; KIP-62, KIP-345, KIP-394).
 */
import type { ErrorName } from '../protocol/errors.ts';
import {
  answer,
  type HeartbeatRequest,
  type JoinRequest,
  type LeaveAnswer,
  type LeaveRequest,
  type MemberIdentity,
  type SyncAnswer,
  type SyncRequest,
  type Turn,
} from './events.ts';
import type { Group, Member, Ticket } from './group.ts';
import { groupRecord } from './group-records.ts';
import {
  addMember,
  answerJoin,
  answerSync,
  awaitJoin,
  completeIfAllJoined,
  joinAnswer,
  joinError,
  removeMember,
  startRebalance,
  syncAnswer,
  syncError,
  touch,
} from './rebalance.ts';

/** Why an identity is not that of a member, or undefined. */
export function identityError(group: Group, { memberId, instanceId }: MemberIdentity): ErrorName | undefined {
  if (instanceId !== null) {
    const current = group.instances.get(instanceId);
    if (current === undefined) return 'UNKNOWN_MEMBER_ID';
    if (current !== memberId) return 'FENCED_INSTANCE_ID';
  }
  return group.members.has(memberId) ? undefined : 'UNKNOWN_MEMBER_ID';
}

/** Serves a join; it may wait for the next generation. */
export function join(group: Group, request: JoinRequest, ticket: Ticket, turn: Turn): void {
  const refuse = (error: ErrorName, memberId = request.memberId) =>
    answer(turn, ticket, joinError(error, memberId));
  if (!hasRoom(group, request, turn)) refuse('GROUP_MAX_SIZE_REACHED', '');
  else if (!group.supports(request.protocolType, request.protocols)) refuse('INCONSISTENT_GROUP_PROTOCOL');
  else if (request.memberId === '') joinNew(group, request, ticket, turn);
  else if (group.pending.has(request.memberId) && request.instanceId === null) {
    addMember(group, newMember(request.memberId, request, ticket, group), turn);
  } else {
    const error = identityError(group, request);
    const member = group.members.get(request.memberId);
    if (error !== undefined || member === undefined) refuse(error ?? 'UNKNOWN_MEMBER_ID');
    else rejoin(group, member, request, ticket, turn);
  }
  completeIfAllJoined(group, turn);
}

/** A member is never turned out for want of room, but while the group gathers only as many may wait as it takes. */
function hasRoom(group: Group, { memberId }: JoinRequest, { limits }: Turn): boolean {
  const known = group.members.get(memberId);
  if (group.state === 'PreparingRebalance') {
    if (known?.join !== undefined) return true;
    const waiting = [...group.members.values()].filter((member) => member.join !== undefined).length;
    return waiting < limits.maxMembers;
  }
  if (known !== undefined) return true;
  const pending = group.pending.has(memberId) ? 0 : group.pending.size;
  return group.members.size + pending < limits.maxMembers;
}

function newMember(id: string, request: JoinRequest, ticket: Ticket, group: Group): Member {
  const { instanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = request;
  if (group.members.size === 0) group.protocolType = request.protocolType;
  return {
    id,
    instanceId,
    clientId,
    clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    protocols,
    assignment: Buffer.alloc(0),
    join: ticket,
    sync: undefined,
    isNew: true,
    owesSync: false,
    expiresMs: 0,
  };
}

function joinNew(group: Group, request: JoinRequest, ticket: Ticket, turn: Turn): void {
  const { instanceId, clientId, sessionTimeoutMs } = request;
  const id = `${instanceId ?? clientId}-${turn.newId()}`;
  const known = instanceId === null ? undefined : group.members.get(group.instances.get(instanceId) ?? '');
  if (known !== undefined) replaceStatic(group, known, id, request, ticket, turn);
  else if (instanceId === null && request.needsKnownId) {
    group.pending.set(id, turn.nowMs + sessionTimeoutMs);
    answer(turn, ticket, joinError('MEMBER_ID_REQUIRED', id));
  } else addMember(group, newMember(id, request, ticket, group), turn);
}

/**
 * A static member comes back under a new id: it takes the old one's place. In a stable group nobody else need notice,
 * unless the group's protocol changes by it; whoever still uses the old id is fenced off.
 */
function replaceStatic(
  group: Group,
  member: Member,
  id: string,
  request: JoinRequest,
  ticket: Ticket,
  turn: Turn,
): void {
  const before = { leaderId: group.leaderId ?? '', protocolName: group.protocolName };
  answerJoin(member, joinError('FENCED_INSTANCE_ID', member.id), turn);
  answerSync(member, syncError('FENCED_INSTANCE_ID'), turn);
  group.members.delete(member.id);
  if (group.leaderId === member.id) group.leaderId = id;
  member.id = id;
  member.clientId = request.clientId;
  member.clientHost = request.clientHost;
  group.members.set(id, member);
  group.instances.set(request.instanceId ?? '', id);
  update(member, request);
  touch(member, turn);
  if (group.state !== 'Stable' || group.chooseProtocol() !== before.protocolName) {
    awaitJoin(member, ticket, turn);
    startRebalance(group, turn);
    return;
  }
  // The old leader's id keeps the member from taking itself for the leader: its assignment would be for nothing.
  const what = { ...joinAnswer(group, member), leaderId: before.leaderId, members: [] };
  const assignments = new Map([...group.members.values()].map((each) => [each.id, each.assignment]));
  turn.effects.push({
    kind: 'store',
    groupId: group.id,
    records: [groupRecord(group, assignments)],
    after: { kind: 'answer', ticket, answer: what },
  });
}

function update(member: Member, { protocols, sessionTimeoutMs, rebalanceTimeoutMs }: JoinRequest): void {
  member.protocols = protocols;
  member.sessionTimeoutMs = sessionTimeoutMs;
  member.rebalanceTimeoutMs = rebalanceTimeoutMs;
}

/** Whether a member says the same of itself as before. */
function isUnchanged({ protocols }: Member, request: JoinRequest): boolean {
  return (
    protocols.length === request.protocols.length &&
    protocols.every(({ name, metadata }, index) => {
      const other = request.protocols[index];
      return other !== undefined && other.name === name && other.metadata.equals(metadata);
    })
  );
}

/**
 * A member joins anew. It asks for a rebalance by that if it has changed, or leads a stable group: the leader sees changes
 * of the topics that members do not tell of. Otherwise its last answer got lost, and it is told again.
 */
function rejoin(group: Group, member: Member, request: JoinRequest, ticket: Ticket, turn: Turn): void {
  const isLeader = group.leaderId === member.id;
  const isSettled = group.state === 'CompletingRebalance' || (group.state === 'Stable' && !isLeader);
  if (isSettled && isUnchanged(member, request)) {
    touch(member, turn);
    answer(turn, ticket, joinAnswer(group, member));
    return;
  }
  update(member, request);
  awaitJoin(member, ticket, turn);
  startRebalance(group, turn);
}

/** Serves a sync; it waits for the leader's, and that for the log. */
export function sync(group: Group, request: SyncRequest, ticket: Ticket, turn: Turn): void {
  const member = group.members.get(request.memberId);
  const error = identityError(group, request) ?? syncProblem(group, request);
  if (error !== undefined || member === undefined) {
    answer(turn, ticket, syncError(error ?? 'UNKNOWN_MEMBER_ID'));
    return;
  }
  member.owesSync = false;
  if (group.state === 'Stable') {
    touch(member, turn);
    answer(turn, ticket, syncAnswer(group, member));
    return;
  }
  answerSync(member, givenUp(), turn);
  member.sync = ticket;
  if (group.leaderId !== member.id) return;
  const { generation } = group;
  const assignments = new Map(request.assignments);
  turn.effects.push({
    kind: 'store',
    groupId: group.id,
    records: [groupRecord(group, assignments)],
    after: { kind: 'assigned', generation, assignments },
  });
}

/** A client that asks again has given up its first request. */
function givenUp(): SyncAnswer {
  return syncError('REBALANCE_IN_PROGRESS');
}

function syncProblem(group: Group, request: SyncRequest): ErrorName | undefined {
  if (request.generation !== group.generation) return 'ILLEGAL_GENERATION';
  const { protocolType, protocolName } = request;
  const isOther =
    (protocolType !== null && protocolType !== group.protocolType) ||
    (protocolName !== null && protocolName !== group.protocolName);
  if (isOther) return 'INCONSISTENT_GROUP_PROTOCOL';
  if (group.state === 'Empty') return 'UNKNOWN_MEMBER_ID';
  return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : undefined;
}

/** Serves a heartbeat. */
export function heartbeat(group: Group, request: HeartbeatRequest, ticket: Ticket, turn: Turn): void {
  const member = group.members.get(request.memberId);
  let error = identityError(group, request);
  if (error === undefined && request.generation !== group.generation) error = 'ILLEGAL_GENERATION';
  if (error === undefined && member !== undefined) {
    touch(member, turn);
    if (group.state === 'PreparingRebalance') error = 'REBALANCE_IN_PROGRESS';
  }
  answer(turn, ticket, { error });
}

/** Takes members out, each by itself. */
export function leave(group: Group, { members }: LeaveRequest, ticket: Ticket, turn: Turn): void {
  const answers = members.map((identity) => ({ ...identity, error: leaveOne(group, identity, turn) }));
  const what: LeaveAnswer = { error: undefined, members: answers };
  answer(turn, ticket, what);
}

function leaveOne(group: Group, identity: MemberIdentity, turn: Turn): ErrorName | undefined {
  const { memberId, instanceId } = identity;
  if (instanceId === null && group.pending.delete(memberId)) {
    completeIfAllJoined(group, turn);
    return undefined;
  }
  // An administrator names a static member by its instance id alone.
  const id = memberId === '' && instanceId !== null ? (group.instances.get(instanceId) ?? '') : memberId;
  const error = identityError(group, { memberId: id, instanceId });
  const member = group.members.get(id);
  if (error !== undefined || member === undefined) return error ?? 'UNKNOWN_MEMBER_ID';
  removeMember(group, member, turn);
  return undefined;
}
