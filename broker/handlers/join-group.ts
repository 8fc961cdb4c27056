/**
 * JoinGroup: into the coordinator's words and back. What members tell of themselves is copied out of the request, whose
 * memory is used again.
 */
import { joinGroup } from '../protocol/apis/join-group.ts';
import { codeOf } from '../protocol/errors.ts';
import { handler } from './handler.ts';

/** The first version whose new members are sent back with an id (KIP-394). */
const FIRST_KNOWN_ID_VERSION = 4;
/** The first version in which there may be no protocol. */
const FIRST_NULL_PROTOCOL_VERSION = 7;
/** Shorter ones would only keep the broker busy. */
const MIN_REBALANCE_TIMEOUT_MS = 100;

/** Answers requests to join a group. */
export const handleJoinGroup = handler(joinGroup, async (request, context) => {
  const { sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const answer = await context.groups.ask({
    kind: 'join',
    groupId: request.groupId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    clientId: context.clientId,
    clientHost: `/${context.remoteAddress}`,
    sessionTimeoutMs,
    rebalanceTimeoutMs: Math.max(
      MIN_REBALANCE_TIMEOUT_MS,
      context.version === 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    ),
    protocolType: request.protocolType,
    protocols: request.protocols.map(({ name, metadata }) => ({
      name,
      metadata: Buffer.from(metadata ?? []),
    })),
    needsKnownId: context.version >= FIRST_KNOWN_ID_VERSION,
  });
  const noProtocol = context.version < FIRST_NULL_PROTOCOL_VERSION ? '' : null;
  return {
    errorCode: codeOf(answer.error),
    generationId: answer.generation,
    protocolType: answer.protocolType,
    protocolName: answer.protocolName ?? noProtocol,
    leader: answer.leaderId,
    memberId: answer.memberId,
    members: answer.members.map(({ memberId, instanceId, metadata }) => ({
      memberId,
      groupInstanceId: instanceId,
      metadata,
    })),
  };
});
