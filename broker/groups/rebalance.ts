/**
 * How a group gets from one generation to the next (Kafka's GroupCoordinator): it waits until all members have joined
 * anew or their time is over, leaves out who did not, chooses protocol and leader, and waits for the leader's
 * assignment. Pure: the time and all effects go through the turn.
 */
import type { ErrorName } from '../protocol/errors.ts';
import { answer, type JoinAnswer, type SyncAnswer, type Turn } from './events.ts';
import type { Group, Member, Ticket } from './group.ts';
import { groupRecord } from './group-records.ts';

/** A new member knows no id and cannot send heartbeats; if its join is not answered by then, it has to try again. */
const NEW_MEMBER_TIMEOUT_MS = 5 * 60 * 1000;

export function joinError(error: ErrorName, memberId: string): JoinAnswer {
  return {
    error,
    memberId,
    generation: -1,
    protocolType: null,
    protocolName: null,
    leaderId: '',
    members: [],
  };
}

export function syncError(error: ErrorName): SyncAnswer {
  return { error, assignment: Buffer.alloc(0), protocolType: null, protocolName: null };
}

/** What a member is told of the current generation; the leader hears of all members. */
export function joinAnswer(group: Group, member: Member): JoinAnswer {
  const isLeader = group.leaderId === member.id;
  const members = isLeader ? [...group.members.values()] : [];
  return {
    error: undefined,
    memberId: member.id,
    generation: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leaderId: group.leaderId ?? '',
    members: members.map((each) => ({
      memberId: each.id,
      instanceId: each.instanceId,
      metadata: group.metadataOf(each),
    })),
  };
}

export function syncAnswer(group: Group, member: Member): SyncAnswer {
  const { protocolType, protocolName } = group;
  return { error: undefined, assignment: member.assignment, protocolType, protocolName };
}

/** Was heard of: its session begins anew. */
export function touch(member: Member, { nowMs }: Turn): void {
  member.expiresMs = nowMs + member.sessionTimeoutMs;
}

export function answerJoin(member: Member, what: JoinAnswer, turn: Turn): void {
  if (member.join === undefined) return;
  answer(turn, member.join, what);
  member.join = undefined;
}

export function answerSync(member: Member, what: SyncAnswer, turn: Turn): void {
  if (member.sync === undefined) return;
  answer(turn, member.sync, what);
  member.sync = undefined;
}

/** Lets a member's join wait for the next generation. One that waits already was given up by its client. */
export function awaitJoin(member: Member, ticket: Ticket, turn: Turn): void {
  answerJoin(member, joinError('REBALANCE_IN_PROGRESS', member.id), turn);
  member.join = ticket;
}

/** Adds a member whose join waits, and has the group rebalance. */
export function addMember(group: Group, member: Member, turn: Turn): void {
  member.expiresMs = turn.nowMs + NEW_MEMBER_TIMEOUT_MS;
  if (group.state === 'PreparingRebalance' && group.generation === 0) group.hasNewMembers = true;
  group.leaderId ??= member.id;
  group.members.set(member.id, member);
  group.pending.delete(member.id);
  if (member.instanceId !== null) group.instances.set(member.instanceId, member.id);
  startRebalance(group, turn);
}

/** Takes a member out of the tables; its waiting requests are refused. */
export function dropMember(group: Group, member: Member, turn: Turn): void {
  answerJoin(member, joinError('UNKNOWN_MEMBER_ID', ''), turn);
  answerSync(member, syncError('UNKNOWN_MEMBER_ID'), turn);
  group.members.delete(member.id);
  if (member.instanceId !== null && group.instances.get(member.instanceId) === member.id) {
    group.instances.delete(member.instanceId);
  }
  if (group.leaderId === member.id) group.leaderId = group.members.keys().next().value ?? null;
}

/** Takes a member out, and has the others share out what it had. */
export function removeMember(group: Group, member: Member, turn: Turn): void {
  dropMember(group, member, turn);
  startRebalance(group, turn);
  completeIfAllJoined(group, turn);
}

/** Begins to gather the members for the next generation, unless that is going on. */
export function startRebalance(group: Group, turn: Turn): void {
  if (group.state === 'PreparingRebalance' || group.state === 'Dead') return;
  if (group.state === 'CompletingRebalance') {
    for (const member of group.members.values()) {
      member.assignment = Buffer.alloc(0);
      if (member.sync !== undefined) touch(member, turn);
      answerSync(member, syncError('REBALANCE_IN_PROGRESS'), turn);
    }
  }
  group.syncEndsMs = undefined;
  group.hasNewMembers = false;
  const { initialRebalanceDelayMs } = turn.limits;
  if (group.state === 'Empty') {
    group.delayLeftMs = Math.max(0, group.rebalanceTimeoutMs - initialRebalanceDelayMs);
    group.joinEndsMs = turn.nowMs + initialRebalanceDelayMs;
  } else {
    group.joinEndsMs = turn.nowMs + group.rebalanceTimeoutMs;
  }
  group.enter('PreparingRebalance', turn.nowMs);
  completeIfAllJoined(group, turn);
}

/** Ends the gathering early if nobody is missing; the first one of an empty group always waits for its delay. */
export function completeIfAllJoined(group: Group, turn: Turn): void {
  const isGathering = group.state === 'PreparingRebalance' && group.delayLeftMs === undefined;
  if (isGathering && group.allJoined) completeJoin(group, turn);
}

/** The time to join is over, or the delay of a first rebalance: then it is put off while members still come. */
export function endGathering(group: Group, turn: Turn): void {
  if (group.delayLeftMs !== undefined && group.hasNewMembers && group.delayLeftMs > 0) {
    const delayMs = Math.min(turn.limits.initialRebalanceDelayMs, group.delayLeftMs);
    group.delayLeftMs -= delayMs;
    group.hasNewMembers = false;
    group.joinEndsMs = turn.nowMs + delayMs;
    return;
  }
  completeJoin(group, turn);
}

function completeJoin(group: Group, turn: Turn): void {
  group.delayLeftMs = undefined;
  for (const member of [...group.members.values()]) {
    // A static member may be restarting; only its session's end takes it out.
    if (member.join === undefined && member.instanceId === null) dropMember(group, member, turn);
  }
  if (group.members.size > 0 && !electJoinedLeader(group)) {
    group.joinEndsMs = turn.nowMs + group.rebalanceTimeoutMs;
    return;
  }
  group.joinEndsMs = undefined;
  group.generation += 1;
  if (group.members.size === 0) becomeEmpty(group, turn);
  else beginGeneration(group, turn);
}

/** The leader stays if it has joined, else another that has takes its place. */
function electJoinedLeader(group: Group): boolean {
  const leader = group.members.get(group.leaderId ?? '');
  if (leader?.join !== undefined) return true;
  const [joined] = [...group.members.values()].filter(({ join }) => join !== undefined);
  if (joined !== undefined) group.leaderId = joined.id;
  return joined !== undefined;
}

function becomeEmpty(group: Group, turn: Turn): void {
  group.protocolName = null;
  group.leaderId = null;
  group.enter('Empty', turn.nowMs);
  const records = [groupRecord(group, new Map())];
  turn.effects.push({ kind: 'store', groupId: group.id, records, after: undefined });
}

function beginGeneration(group: Group, turn: Turn): void {
  group.protocolName = group.chooseProtocol();
  group.enter('CompletingRebalance', turn.nowMs);
  group.syncEndsMs = turn.nowMs + group.rebalanceTimeoutMs;
  for (const member of group.members.values()) {
    answerJoin(member, joinAnswer(group, member), turn);
    touch(member, turn);
    member.isNew = false;
    member.owesSync = true;
  }
}

/** The leader's assignment is in the log: everyone gets their part. */
export function assign(group: Group, assignments: ReadonlyMap<string, Buffer>, turn: Turn): void {
  for (const member of group.members.values()) {
    member.assignment = assignments.get(member.id) ?? Buffer.alloc(0);
    if (member.sync !== undefined) touch(member, turn);
    answerSync(member, syncAnswer(group, member), turn);
  }
  group.enter('Stable', turn.nowMs);
}

/** The leader's assignment could not be stored: everyone has to join again. */
export function failAssignment(group: Group, turn: Turn): void {
  for (const member of group.members.values()) {
    if (member.sync !== undefined) touch(member, turn);
    answerSync(member, syncError('NOT_COORDINATOR'), turn);
  }
  startRebalance(group, turn);
}

/** Takes out who joined the generation and never asked for an assignment. */
export function endSyncing(group: Group, turn: Turn): void {
  group.syncEndsMs = undefined;
  const owing = [...group.members.values()].filter(({ owesSync }) => owesSync);
  for (const member of owing) dropMember(group, member, turn);
  if (owing.length > 0) {
    startRebalance(group, turn);
    completeIfAllJoined(group, turn);
  }
}
