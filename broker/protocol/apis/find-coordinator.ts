import { api, array, int8, int16, int32, nullableString, string } from '../schema.ts';

/** Which broker coordinates a group (key type 0) or a transaction (1); several keys at once from version 4 (KIP-699). */
export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 4],
  flexible: 3,
  request: {
    key: string.until(3).default(''),
    keyType: int8.since(1).default(0),
    coordinatorKeys: array(string).since(4).default([]),
  },
  response: {
    throttleTimeMs: int32.since(1).default(0),
    errorCode: int16.until(3).default(0),
    errorMessage: nullableString.since(1).until(3).default(null),
    nodeId: int32.until(3).default(-1),
    host: string.until(3).default(''),
    port: int32.until(3).default(-1),
    coordinators: array({
      key: string,
      nodeId: int32,
      host: string,
      port: int32,
      errorCode: int16,
      errorMessage: nullableString.default(null),
    })
      .since(4)
      .default([]),
  },
});
