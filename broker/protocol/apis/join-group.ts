import { api, array, int16, int32, nullableBytes, nullableString, string } from '../schema.ts';

/** Enters a group, or its next generation; answered when all members are there or the rebalance timeout is over. */
export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 7],
  flexible: 6,
  request: {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32.since(1).default(-1),
    memberId: string,
    groupInstanceId: nullableString.since(5).default(null),
    protocolType: string,
    protocols: array({ name: string, metadata: nullableBytes }),
  },
  response: {
    throttleTimeMs: int32.since(2).default(0),
    errorCode: int16,
    generationId: int32.default(-1),
    protocolType: nullableString.since(7).default(null),
    /** Null only from version 7 on. */
    protocolName: nullableString.default(''),
    leader: string.default(''),
    memberId: string,
    members: array({
      memberId: string,
      groupInstanceId: nullableString.since(5).default(null),
      metadata: nullableBytes,
    }).default([]),
  },
});
