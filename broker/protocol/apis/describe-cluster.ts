import { api, array, boolean, int8, int16, int32, nullableString, string } from '../schema.ts';

/** Cluster id, controller and brokers, for admin clients (KIP-700). */
export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 1],
  flexible: 0,
  request: {
    includeClusterAuthorizedOperations: boolean.default(false),
    /** 1: brokers, 2: controllers. */
    endpointType: int8.since(1).default(1),
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16,
    errorMessage: nullableString.default(null),
    endpointType: int8.since(1).default(1),
    clusterId: string,
    controllerId: int32.default(-1),
    brokers: array({ brokerId: int32, host: string, port: int32, rack: nullableString.default(null) }),
    clusterAuthorizedOperations: int32.default(-(2 ** 31)),
  },
});
