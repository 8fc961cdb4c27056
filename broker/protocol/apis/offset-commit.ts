import { api, array, int16, int32, int64, nullableString, string } from '../schema.ts';

/** Stores how far a group has read. Generation -1 and no member: a consumer that only keeps its offsets here. */
export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 8],
  flexible: 8,
  request: {
    groupId: string,
    generationId: int32.default(-1),
    memberId: string.default(''),
    groupInstanceId: nullableString.since(7).default(null),
    /** -1: the broker's own retention. */
    retentionTimeMs: int64.until(4).default(-1),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(6).default(-1),
        committedMetadata: nullableString.default(''),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.since(3).default(0),
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
});
