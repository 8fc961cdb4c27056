import {
  api,
  array,
  boolean,
  int16,
  int32,
  int64,
  nullableArray,
  nullableString,
  string,
} from '../schema.ts';

const wantedTopics = nullableArray({ name: string, partitionIndexes: array(int32) });
const foundTopics = array({
  name: string,
  partitions: array({
    partitionIndex: int32,
    committedOffset: int64,
    committedLeaderEpoch: int32.since(5).default(-1),
    metadata: nullableString,
    errorCode: int16,
  }),
});

/** How far groups have read; offset -1 where nothing is stored. Topics null: all. Many groups from version 8 (KIP-709). */
export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 8],
  flexible: 6,
  request: {
    groupId: string.until(7).default(''),
    topics: wantedTopics.until(7).default(null),
    groups: array({ groupId: string, topics: wantedTopics }).since(8).default([]),
    requireStable: boolean.since(7).default(false),
  },
  response: {
    throttleTimeMs: int32.since(3).default(0),
    topics: foundTopics.until(7).default([]),
    errorCode: int16.since(2).until(7).default(0),
    groups: array({ groupId: string, topics: foundTopics, errorCode: int16 }).since(8).default([]),
  },
});
