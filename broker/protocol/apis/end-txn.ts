import { api, boolean, int16, int32, int64, string } from '../schema.ts';

/** Commits or aborts a producer's transaction. */
export const endTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: [0, 3],
  flexible: 3,
  request: {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    committed: boolean,
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16,
  },
});
