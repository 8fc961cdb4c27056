/**
 * Heartbeat: a member says that it is still there, and hears of a rebalance by the answer.
 */
import { heartbeat } from '../protocol/apis/heartbeat.ts';
import { codeOf } from '../protocol/errors.ts';
import { handler } from './handler.ts';

/** Answers heartbeats of members. */
export const handleHeartbeat = handler(heartbeat, async (request, { groups }) => {
  const { error } = await groups.ask({
    kind: 'heartbeat',
    groupId: request.groupId,
    generation: request.generationId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
  });
  return { errorCode: codeOf(error) };
});
