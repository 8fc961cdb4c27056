import { api, array, int16, int32, int64, string } from '../schema.ts';

/**
 * Where a leader epoch ends in a log: the largest epoch not above the one asked for, and the first offset after it
 * (KIP-101, KIP-320). Tells a reader whether the log it knew was cut and grew again.
 */
export const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexible: 4,
  request: {
    /** -1: a consumer; -2: a debugging consumer, the default of Kafka's own definition. */
    replicaId: int32.since(3).default(-2),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.default(-1),
        leaderEpoch: int32,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.default(0),
    topics: array({
      topic: string,
      partitions: array({
        errorCode: int16,
        partition: int32,
        leaderEpoch: int32.default(-1),
        endOffset: int64.default(-1),
      }),
    }),
  },
});
