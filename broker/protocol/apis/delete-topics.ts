import { api, array, int16, int32, nullableString, string, uuid, ZERO_UUID } from '../schema.ts';

/** Deletes topics: by name up to version 5 (`topicNames`), by name or id from version 6 (`topics`, KIP-516). */
export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexible: 4,
  request: {
    topics: array({ name: nullableString.default(null), topicId: uuid.default(ZERO_UUID) })
      .since(6)
      .default([]),
    topicNames: array(string).until(5).default([]),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32.default(0),
    responses: array({
      name: nullableString,
      topicId: uuid.since(6).default(ZERO_UUID),
      errorCode: int16,
      errorMessage: nullableString.since(5).default(null),
    }),
  },
});
