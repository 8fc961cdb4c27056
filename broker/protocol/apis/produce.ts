import { api, array, int16, int32, int64, nullableBytes, nullableString, string } from '../schema.ts';

/** Appends record batches to partitions. `acks`: -1 all in-sync replicas, 1 the leader, 0 no answer at all. */
export const produce = api({
  key: 0,
  name: 'Produce',
  versions: [0, 9],
  flexible: 9,
  request: {
    transactionalId: nullableString.since(3).default(null),
    acks: int16,
    timeoutMs: int32,
    topicData: array({
      name: string,
      partitionData: array({ index: int32, records: nullableBytes }),
    }),
  },
  response: {
    responses: array({
      name: string,
      partitionResponses: array({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: int64.since(2).default(-1),
        logStartOffset: int64.since(5).default(-1),
        recordErrors: array({
          batchIndex: int32,
          batchIndexErrorMessage: nullableString.default(null),
        })
          .since(8)
          .default([]),
        errorMessage: nullableString.since(8).default(null),
      }),
    }),
    throttleTimeMs: int32.since(1).default(0),
  },
});
