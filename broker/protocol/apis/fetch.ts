import {
  api,
  array,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
  nullableBytes,
  nullableString,
  string,
  struct,
} from '../schema.ts';

/**
 * Reads record batches from partitions, waiting up to `maxWaitMs` for `minBytes`. Always whole batches, the first of
 * which may begin below the offset asked for; the first is sent even if larger than the limits (KIP-74).
 */
export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: [4, 12],
  flexible: 12,
  request: {
    clusterId: nullableString.since(12).tagged(0).default(null),
    replicaId: int32.default(-1),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.default(0x7fffffff),
    isolationLevel: int8.default(0),
    sessionId: int32.since(7).default(0),
    sessionEpoch: int32.since(7).default(-1),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.since(9).default(-1),
        fetchOffset: int64,
        lastFetchedEpoch: int32.since(12).default(-1),
        logStartOffset: int64.since(5).default(-1),
        partitionMaxBytes: int32,
      }),
    }),
    forgottenTopicsData: array({ topic: string, partitions: array(int32) })
      .since(7)
      .default([]),
    rackId: string.since(11).default(''),
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16.since(7).default(0),
    sessionId: int32.since(7).default(0),
    responses: array({
      topic: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        highWatermark: int64,
        lastStableOffset: int64.default(-1),
        logStartOffset: int64.since(5).default(-1),
        divergingEpoch: struct({ epoch: int32.default(-1), endOffset: int64.default(-1) })
          .since(12)
          .tagged(0)
          .default({ epoch: -1, endOffset: -1 }),
        currentLeader: struct({ leaderId: int32.default(-1), leaderEpoch: int32.default(-1) })
          .since(12)
          .tagged(1)
          .default({ leaderId: -1, leaderEpoch: -1 }),
        snapshotId: struct({ endOffset: int64.default(-1), epoch: int32.default(-1) })
          .since(12)
          .tagged(2)
          .default({ endOffset: -1, epoch: -1 }),
        abortedTransactions: nullableArray({ producerId: int64, firstOffset: int64 }).default(null),
        preferredReadReplica: int32.since(11).default(-1),
        records: nullableBytes.default(null),
      }),
    }),
  },
});
