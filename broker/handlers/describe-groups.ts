/**
 * DescribeGroups: what the coordinator knows of groups. Metadata and assignments only while a group is stable, for
 * otherwise they belong to no common generation; a group that isn't there is called Dead.
 */
import type { Group } from '../groups/group.ts';
import { describeGroups } from '../protocol/apis/describe-groups.ts';
import { handler, orCode } from './handler.ts';

const NOTHING = Buffer.alloc(0);

/** Answers requests to describe groups. */
export const handleDescribeGroups = handler(describeGroups, async (request, context) => ({
  groups: await Promise.all(
    request.groups.map((groupId) =>
      orCode(
        context,
        () => {
          const group = context.groups.get(groupId);
          return { groupId, errorCode: 0, ...(group ? describe(group) : { groupState: 'Dead' }) };
        },
        (errorCode) => ({ groupId, errorCode }),
      ),
    ),
  ),
}));

function describe(group: Group) {
  const isStable = group.state === 'Stable';
  return {
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: (isStable && group.protocolName) || '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? group.metadataOf(member) : NOTHING,
      memberAssignment: isStable ? member.assignment : NOTHING,
    })),
  };
}
