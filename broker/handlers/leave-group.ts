/**
 * LeaveGroup: one member before version 3, whose error is the answer's own; many from then on.
 */
import { leaveGroup } from '../protocol/apis/leave-group.ts';
import { codeOf } from '../protocol/errors.ts';
import { handler } from './handler.ts';

const FIRST_BATCHED_VERSION = 3;

/** Answers requests to leave a group. */
export const handleLeaveGroup = handler(leaveGroup, async (request, { groups, version }) => {
  const isBatched = version >= FIRST_BATCHED_VERSION;
  const members = isBatched
    ? request.members.map(({ memberId, groupInstanceId }) => ({ memberId, instanceId: groupInstanceId }))
    : [{ memberId: request.memberId, instanceId: null }];
  const answer = await groups.ask({ kind: 'leave', groupId: request.groupId, members });
  if (!isBatched) return { errorCode: codeOf(answer.error ?? answer.members[0]?.error) };
  return {
    errorCode: codeOf(answer.error),
    members: answer.members.map(({ memberId, instanceId, error }) => ({
      memberId,
      groupInstanceId: instanceId,
      errorCode: codeOf(error),
    })),
  };
});
