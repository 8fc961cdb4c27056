import { api, array, int16, int32, int64, string } from '../schema.ts';

/** Deletes the records of partitions before an offset; -1: all that a consumer can see (KIP-107). */
export const deleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexible: 2,
  request: {
    topics: array({ name: string, partitions: array({ partitionIndex: int32, offset: int64 }) }),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32.default(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        /** Where the log begins now. */
        lowWatermark: int64.default(-1),
        errorCode: int16,
      }),
    }),
  },
});
