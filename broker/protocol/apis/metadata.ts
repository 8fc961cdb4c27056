import {
  api,
  array,
  boolean,
  int16,
  int32,
  nullableArray,
  nullableString,
  string,
  uuid,
  ZERO_UUID,
} from '../schema.ts';

const NOT_ASKED = -(2 ** 31);

/**
 * Brokers, topics, partitions and their leaders. `topics` null asks for all (in version 0 an empty list does). Topic
 * ids come with version 10; asking by id with version 12 (KIP-516), where a name may be null.
 */
export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: [0, 12],
  flexible: 9,
  request: {
    topics: nullableArray({
      topicId: uuid.since(10).default(ZERO_UUID),
      name: nullableString,
    }),
    allowAutoTopicCreation: boolean.since(4).default(true),
    includeClusterAuthorizedOperations: boolean.since(8).until(10).default(false),
    includeTopicAuthorizedOperations: boolean.since(8).default(false),
  },
  response: {
    throttleTimeMs: int32.since(3).default(0),
    brokers: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: nullableString.since(1).default(null),
    }),
    clusterId: nullableString.since(2).default(null),
    controllerId: int32.since(1).default(-1),
    topics: array({
      errorCode: int16,
      name: nullableString,
      topicId: uuid.since(10).default(ZERO_UUID),
      isInternal: boolean.since(1).default(false),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.since(7).default(-1),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        offlineReplicas: array(int32).since(5).default([]),
      }),
      topicAuthorizedOperations: int32.since(8).default(NOT_ASKED),
    }),
    clusterAuthorizedOperations: int32.since(8).until(10).default(NOT_ASKED),
  },
});
