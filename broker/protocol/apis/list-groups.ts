import { api, array, int16, int32, string } from '../schema.ts';

/** The groups of a broker, from version 4 on only those in certain states (KIP-518). */
export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 4],
  flexible: 3,
  request: { statesFilter: array(string).since(4).default([]) },
  response: {
    throttleTimeMs: int32.since(1).default(0),
    errorCode: int16,
    groups: array({ groupId: string, protocolType: string, groupState: string.since(4).default('') }),
  },
});
