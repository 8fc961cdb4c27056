import { api, array, int16, int32, int64, string } from '../schema.ts';

/** Makes partitions part of a producer's transaction, before it writes there. From version 4 on between brokers only. */
export const addPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 3],
  flexible: 3,
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    topics: array({ name: string, partitions: array(int32) }),
  },
  response: {
    throttleTimeMs: int32.default(0),
    results: array({
      name: string,
      results: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
});
