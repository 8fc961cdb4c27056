/**
 * DescribeCluster: the one broker, which is also the controller.
 */
import { describeCluster } from '../protocol/apis/describe-cluster.ts';
import { KafkaError } from '../protocol/errors.ts';
import { advertisedHost, handler } from './handler.ts';

const BROKERS = 1;

/** Answers requests for the brokers of the cluster. */
export const handleDescribeCluster = handler(describeCluster, ({ endpointType }, context) => {
  const { settings, directory } = context;
  if (endpointType !== BROKERS) {
    const { code, message } = new KafkaError('UNSUPPORTED_ENDPOINT_TYPE', `endpoint type ${endpointType}`);
    return { errorCode: code, errorMessage: message, clusterId: directory.clusterId, brokers: [] };
  }
  return {
    errorCode: 0,
    clusterId: directory.clusterId,
    controllerId: settings.nodeId,
    brokers: [{ brokerId: settings.nodeId, host: advertisedHost(context), port: context.port() }],
  };
});
