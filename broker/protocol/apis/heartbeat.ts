import { api, int16, int32, nullableString, string } from '../schema.ts';

/** Keeps a member in its group; the answer tells of a rebalance. */
export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString.since(3).default(null),
  },
  response: { throttleTimeMs: int32.since(1).default(0), errorCode: int16 },
});
