/**
 * SyncGroup: hands the leader's assignment to the coordinator and each member its part.
 */
import { syncGroup } from '../protocol/apis/sync-group.ts';
import { codeOf, KafkaError } from '../protocol/errors.ts';
import { handler } from './handler.ts';

/** The first version that names protocol type and protocol, and has to. */
const FIRST_NAMED_VERSION = 5;

/** Answers requests for an assignment. */
export const handleSyncGroup = handler(syncGroup, async (request, context) => {
  const { protocolType, protocolName } = request;
  if (context.version >= FIRST_NAMED_VERSION && (protocolType === null || protocolName === null)) {
    throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', 'protocol type or protocol is not named');
  }
  const answer = await context.groups.ask({
    kind: 'sync',
    groupId: request.groupId,
    generation: request.generationId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    protocolType,
    protocolName,
    // Copied: the request's memory is used again.
    assignments: new Map(
      request.assignments.map(({ memberId, assignment }) => [memberId, Buffer.from(assignment ?? [])]),
    ),
  });
  return {
    errorCode: codeOf(answer.error),
    protocolType: answer.protocolType,
    protocolName: answer.protocolName,
    assignment: answer.assignment,
  };
});
