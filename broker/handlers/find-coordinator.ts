/**
 * FindCoordinator, answered but not advertised: there are no groups yet, and a client that asks anyway is told so in the
 * protocol's words instead of by a closed connection.
 */
import { findCoordinator } from '../protocol/apis/find-coordinator.ts';
import { KafkaError } from '../protocol/errors.ts';
import { handler } from './handler.ts';

/** Answers every key with COORDINATOR_NOT_AVAILABLE. */
export const handleFindCoordinator = handler(
  findCoordinator,
  ({ coordinatorKeys }) => {
    const { code, message } = new KafkaError('COORDINATOR_NOT_AVAILABLE', 'groups are not served');
    const nowhere = { nodeId: -1, host: '', port: -1, errorCode: code, errorMessage: message };
    return { ...nowhere, coordinators: coordinatorKeys.map((key) => ({ key, ...nowhere })) };
  },
  { isAdvertised: false },
);
