import { api, array, int16, int32, nullableBytes, nullableString, string } from '../schema.ts';

/** The leader hands in everyone's assignment, everyone gets their own. */
export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString.since(3).default(null),
    protocolType: nullableString.since(5).default(null),
    protocolName: nullableString.since(5).default(null),
    assignments: array({ memberId: string, assignment: nullableBytes }).default([]),
  },
  response: {
    throttleTimeMs: int32.since(1).default(0),
    errorCode: int16,
    protocolType: nullableString.since(5).default(null),
    protocolName: nullableString.since(5).default(null),
    assignment: nullableBytes.default(Buffer.alloc(0)),
  },
});
