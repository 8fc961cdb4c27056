/**
 * FindCoordinator: there is one broker, so it coordinates every group and every transaction; the topic that keeps their
 * state is made here if need be, so that the client's next request finds it.
 */
import { findCoordinator } from '../protocol/apis/find-coordinator.ts';
import { KafkaError } from '../protocol/errors.ts';
import { advertisedHost, handler, orCode, type RequestContext } from './handler.ts';

const GROUP = 0;
const TRANSACTION = 1;
/** The first version that asks for several keys. */
const FIRST_BATCHED_VERSION = 4;

/** Answers requests for the coordinators of groups and transactions. */
export const handleFindCoordinator = handler(findCoordinator, async (request, context) => {
  const { keyType } = request;
  if (context.version < FIRST_BATCHED_VERSION) return find(request.key, keyType, context);
  const coordinators = [];
  for (const key of request.coordinatorKeys) coordinators.push(await find(key, keyType, context));
  return { coordinators };
});

function find(key: string, keyType: number, context: RequestContext) {
  const { settings, groups } = context;
  return orCode(
    context,
    async () => {
      if (keyType === GROUP) await groups.ready(key);
      else if (keyType !== TRANSACTION) throw new KafkaError('INVALID_REQUEST', `key type ${keyType}`);
      const place = { nodeId: settings.nodeId, host: advertisedHost(context), port: context.port() };
      return { key, ...place, errorCode: 0 };
    },
    (errorCode, errorMessage) => ({ key, nodeId: -1, host: '', port: -1, errorCode, errorMessage }),
  );
}
