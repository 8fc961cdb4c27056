import {
  api,
  array,
  boolean,
  int8,
  int16,
  int32,
  nullableArray,
  nullableString,
  string,
  uuid,
  ZERO_UUID,
} from '../schema.ts';

/** Creates topics. -1 for partitions or replication asks for the broker's default (from version 4, KIP-464). */
export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexible: 5,
  request: {
    topics: array({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array({ partitionIndex: int32, brokerIds: array(int32) }).default([]),
      configs: array({ name: string, value: nullableString }).default([]),
    }),
    timeoutMs: int32.default(60_000),
    validateOnly: boolean.default(false),
  },
  response: {
    throttleTimeMs: int32.default(0),
    topics: array({
      name: string,
      topicId: uuid.since(7).default(ZERO_UUID),
      errorCode: int16,
      errorMessage: nullableString.default(null),
      topicConfigErrorCode: int16.since(5).tagged(0).default(0),
      numPartitions: int32.since(5).default(-1),
      replicationFactor: int16.since(5).default(-1),
      configs: nullableArray({
        name: string,
        value: nullableString,
        readOnly: boolean,
        configSource: int8.default(-1),
        isSensitive: boolean,
      })
        .since(5)
        .default([]),
    }),
  },
});
