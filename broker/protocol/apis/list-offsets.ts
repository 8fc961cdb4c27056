import { api, array, int8, int16, int32, int64, string } from '../schema.ts';

/**
 * Finds the first offset whose record is at or after a time (ms since 1970); -1 asks for the end of the log, -2 for its
 * start, -3 for the record with the latest time (version 7, KIP-734). Offset and time -1 in the answer: there is none.
 */
export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 7],
  flexible: 6,
  request: {
    replicaId: int32.default(-1),
    isolationLevel: int8.since(2).default(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        currentLeaderEpoch: int32.since(4).default(-1),
        timestamp: int64,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.since(2).default(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        timestamp: int64.default(-1),
        offset: int64.default(-1),
        leaderEpoch: int32.since(4).default(-1),
      }),
    }),
  },
});
