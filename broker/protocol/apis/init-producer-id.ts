import { api, int16, int32, int64, nullableString } from '../schema.ts';

/** Gives an idempotent producer its id and epoch; from version 3 a producer may ask for a new epoch of its id (KIP-360). */
export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 4],
  flexible: 2,
  request: {
    transactionalId: nullableString.default(null),
    transactionTimeoutMs: int32.default(60_000),
    producerId: int64.since(3).default(-1),
    producerEpoch: int16.since(3).default(-1),
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16,
    producerId: int64.default(-1),
    producerEpoch: int16.default(-1),
  },
});
