import { api, array, int16, int32, nullableString, string } from '../schema.ts';

/** Takes members out of a group: one, or from version 3 many, static ones by their instance id alone (KIP-345). */
export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: string,
    memberId: string.until(2).default(''),
    members: array({ memberId: string, groupInstanceId: nullableString.default(null) })
      .since(3)
      .default([]),
  },
  response: {
    throttleTimeMs: int32.since(1).default(0),
    errorCode: int16,
    members: array({ memberId: string, groupInstanceId: nullableString.default(null), errorCode: int16 })
      .since(3)
      .default([]),
  },
});
