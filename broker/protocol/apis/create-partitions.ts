import { api, array, boolean, int16, int32, nullableArray, nullableString, string } from '../schema.ts';

/** Gives topics more partitions; `count` is how many there will be (KIP-195). */
export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexible: 2,
  request: {
    topics: array({
      name: string,
      count: int32,
      /** One for each new partition; null: the broker chooses. */
      assignments: nullableArray({ brokerIds: array(int32) }).default(null),
    }),
    timeoutMs: int32,
    validateOnly: boolean.default(false),
  },
  response: {
    throttleTimeMs: int32.default(0),
    results: array({
      name: string,
      errorCode: int16,
      errorMessage: nullableString.default(null),
    }),
  },
});
