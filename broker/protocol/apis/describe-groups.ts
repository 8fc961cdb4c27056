import { api, array, boolean, int16, int32, nullableBytes, nullableString, string } from '../schema.ts';

/** What "not asked for" looks like where a bit set of allowed operations stands. */
const NO_OPERATIONS = -(2 ** 31);

/** State and members of groups; a group that isn't there is Dead and no error. */
export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 5],
  flexible: 5,
  request: { groups: array(string), includeAuthorizedOperations: boolean.since(3).default(false) },
  response: {
    throttleTimeMs: int32.since(1).default(0),
    groups: array({
      errorCode: int16,
      groupId: string,
      groupState: string.default(''),
      protocolType: string.default(''),
      protocolData: string.default(''),
      members: array({
        memberId: string,
        groupInstanceId: nullableString.since(4).default(null),
        clientId: string,
        clientHost: string,
        memberMetadata: nullableBytes,
        memberAssignment: nullableBytes,
      }).default([]),
      authorizedOperations: int32.since(3).default(NO_OPERATIONS),
    }),
  },
});
