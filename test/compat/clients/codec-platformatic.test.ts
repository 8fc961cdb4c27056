/**
 * Our tables against the hand-written codecs of @platformatic/kafka, in every version that both have: requests byte for
 * byte, responses as that client reads them.
 */
import * as platformatic from '@platformatic/kafka';
import { expect, test } from 'vitest';
import { apiVersions } from '../../../broker/protocol/apis/api-versions.ts';
import { createTopics } from '../../../broker/protocol/apis/create-topics.ts';
import { deleteTopics } from '../../../broker/protocol/apis/delete-topics.ts';
import { describeCluster } from '../../../broker/protocol/apis/describe-cluster.ts';
import { fetch } from '../../../broker/protocol/apis/fetch.ts';
import { findCoordinator } from '../../../broker/protocol/apis/find-coordinator.ts';
import { initProducerId } from '../../../broker/protocol/apis/init-producer-id.ts';
import { listOffsets } from '../../../broker/protocol/apis/list-offsets.ts';
import { metadata } from '../../../broker/protocol/apis/metadata.ts';
import { offsetForLeaderEpoch } from '../../../broker/protocol/apis/offset-for-leader-epoch.ts';
import { produce } from '../../../broker/protocol/apis/produce.ts';
import { encodeBatch } from '../../../broker/protocol/record-batch.ts';
import type { AnyApi, RequestInput, Response, ResponseInput } from '../../../broker/protocol/schema.ts';
import { Reader } from '../../../broker/protocol/wire.ts';
import { common, foreign, versionsOf, written } from '../../support/platformatic-codecs.ts';

const UUID = '0fea0711-6b52-40a9-b2e1-7faad4bf7925';

interface Case<Req, Res> {
  api: AnyApi;
  from?: number;
  request: Req;
  /** What their `createRequest` takes for the same. */
  theirRequest: (version: number) => unknown[];
  response: Res;
  /** Members they name otherwise or decode further. */
  compare?: (response: never) => unknown;
}

const topicRequest: RequestInput<typeof listOffsets>['topics'] = [
  {
    name: 'events',
    partitions: [{ partitionIndex: 3, currentLeaderEpoch: 5, timestamp: 1_700_000_000_123 }],
  },
  { name: 'other', partitions: [] },
];

const listOffsetsCase: Case<RequestInput<typeof listOffsets>, ResponseInput<typeof listOffsets>> = {
  api: listOffsets,
  request: { isolationLevel: 1, topics: topicRequest },
  theirRequest: () => [
    -1,
    1,
    topicRequest.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((part) => ({ ...part, timestamp: BigInt(part.timestamp) })),
    })),
  ],
  response: {
    throttleTimeMs: 7,
    topics: [
      {
        name: 'events',
        partitions: [
          {
            partitionIndex: 3,
            errorCode: 0,
            timestamp: 1_700_000_000_124,
            offset: 2 ** 41 + 7,
            leaderEpoch: 4,
          },
          { partitionIndex: 4, errorCode: 0 },
        ],
      },
    ],
  },
};

const metadataCase: Case<RequestInput<typeof metadata>, ResponseInput<typeof metadata>> = {
  api: metadata,
  request: {
    topics: [{ name: 'events' }, { name: 'grün' }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: true,
    includeClusterAuthorizedOperations: true,
  },
  theirRequest: () => [['events', 'grün'], false, true, true],
  response: {
    throttleTimeMs: 1,
    brokers: [
      { nodeId: 1, host: 'localhost', port: 9092 },
      { nodeId: 2, host: '::1', port: 9093, rack: 'r2' },
    ],
    clusterId: 'cluster',
    controllerId: 2,
    topics: [
      {
        errorCode: 0,
        name: 'events',
        topicId: UUID,
        isInternal: true,
        partitions: [
          {
            errorCode: 0,
            partitionIndex: 1,
            leaderId: 2,
            leaderEpoch: 9,
            replicaNodes: [2, 1],
            isrNodes: [2],
            offlineReplicas: [1],
          },
        ],
      },
      { errorCode: 0, name: 'empty', partitions: [] },
    ],
  },
};

const fetchPartition = {
  partition: 2,
  currentLeaderEpoch: 4,
  fetchOffset: 2 ** 40,
  lastFetchedEpoch: 3,
  partitionMaxBytes: 1_048_576,
};

const fetchCase: Case<RequestInput<typeof fetch>, ResponseInput<typeof fetch>> = {
  api: fetch,
  request: {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 1,
    sessionId: 11,
    sessionEpoch: 12,
    topics: [{ topic: 'events', partitions: [fetchPartition] }],
    forgottenTopicsData: [{ topic: 'gone', partitions: [1, 2] }],
    rackId: 'r1',
  },
  theirRequest: () => [
    500,
    1,
    1_000_000,
    1,
    11,
    12,
    [
      {
        topicId: 'events',
        topic: 'events',
        partitions: [{ ...fetchPartition, fetchOffset: BigInt(fetchPartition.fetchOffset) }],
      },
    ],
    [{ topicId: 'gone', topic: 'gone', partitions: [1, 2] }],
    'r1',
  ],
  response: {
    throttleTimeMs: 3,
    errorCode: 0,
    sessionId: 77,
    responses: [
      {
        topic: 'events',
        partitions: [
          {
            partitionIndex: 2,
            errorCode: 0,
            highWatermark: 2 ** 40 + 50,
            lastStableOffset: 2 ** 40 + 40,
            logStartOffset: 12,
            divergingEpoch: { epoch: 3, endOffset: 99 },
            currentLeader: { leaderId: 2, leaderEpoch: 8 },
            abortedTransactions: [{ producerId: 4, firstOffset: 2 ** 40 }],
            preferredReadReplica: 6,
            records: encodeBatch([{ timestampMs: 5, key: null, value: Buffer.from('v') }], { codec: 'none' }),
          },
          { partitionIndex: 3, errorCode: 0, highWatermark: 0, abortedTransactions: null, records: null },
        ],
      },
    ],
  },
  // They decode the records; ours stay bytes, and the record batch tests compare those.
  compare: (response: ResponseInput<typeof fetch>) => ({
    ...response,
    responses: response.responses.map(({ partitions }) => ({
      partitions: partitions.map(({ records: _records, ...rest }) => rest),
    })),
  }),
};

const createTopicsCase: Case<RequestInput<typeof createTopics>, ResponseInput<typeof createTopics>> = {
  api: createTopics,
  request: {
    topics: [
      {
        name: 'events',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }],
        configs: [{ name: 'cleanup.policy', value: 'delete' }],
      },
    ],
    timeoutMs: 5000,
    validateOnly: true,
  },
  theirRequest: () => [createTopicsCase.request.topics, 5000, true],
  response: {
    throttleTimeMs: 1,
    topics: [
      {
        name: 'events',
        topicId: UUID,
        errorCode: 0,
        errorMessage: null,
        topicConfigErrorCode: 29,
        numPartitions: 4,
        replicationFactor: 1,
        configs: [{ name: 'a', value: null, readOnly: true, configSource: 5, isSensitive: false }],
      },
    ],
  },
  // Where a version lacks the configs they say null and we say none.
  compare: (response: ResponseInput<typeof createTopics>) => ({
    ...response,
    topics: response.topics.map((topic) => ({
      ...topic,
      configs: topic.configs?.length ? topic.configs : null,
    })),
  }),
};

const deleteTopicsCase: Case<RequestInput<typeof deleteTopics>, ResponseInput<typeof deleteTopics>> = {
  api: deleteTopics,
  request: { topics: [{ name: 'events', topicId: UUID }], topicNames: ['events'], timeoutMs: 100 },
  theirRequest: () => [[{ name: 'events', topicId: UUID }], 100],
  response: {
    throttleTimeMs: 1,
    responses: [{ name: 'events', topicId: UUID, errorCode: 0, errorMessage: null }],
  },
};

const initProducerIdCase: Case<RequestInput<typeof initProducerId>, ResponseInput<typeof initProducerId>> = {
  api: initProducerId,
  request: { transactionalId: 'tx', transactionTimeoutMs: 900, producerId: 2 ** 40, producerEpoch: 3 },
  theirRequest: () => ['tx', 900, 2n ** 40n, 3],
  response: { throttleTimeMs: 1, errorCode: 0, producerId: 2 ** 40, producerEpoch: 4 },
};

const epochCase: Case<
  RequestInput<typeof offsetForLeaderEpoch>,
  ResponseInput<typeof offsetForLeaderEpoch>
> = {
  api: offsetForLeaderEpoch,
  request: {
    replicaId: -1,
    topics: [{ topic: 'events', partitions: [{ partition: 1, currentLeaderEpoch: 6, leaderEpoch: 5 }] }],
  },
  theirRequest: () => [
    -1,
    [{ name: 'events', partitions: [{ partitionIndex: 1, currentLeaderEpoch: 6, leaderEpoch: 5 }] }],
  ],
  response: {
    throttleTimeMs: 1,
    topics: [
      { topic: 'events', partitions: [{ errorCode: 0, partition: 1, leaderEpoch: 5, endOffset: 2 ** 40 }] },
    ],
  },
};

const findCoordinatorCase: Case<
  RequestInput<typeof findCoordinator>,
  ResponseInput<typeof findCoordinator>
> = {
  api: findCoordinator,
  request: { key: 'group', keyType: 1, coordinatorKeys: ['group'] },
  theirRequest: () => [1, ['group']],
  response: {
    throttleTimeMs: 1,
    nodeId: 4,
    host: 'localhost',
    port: 9092,
    coordinators: [{ key: 'group', nodeId: 4, host: 'localhost', port: 9092, errorCode: 0 }],
  },
  // They give the one coordinator of the early versions as a list of one.
  compare: (response: Response<typeof findCoordinator>) => {
    const { coordinators, throttleTimeMs, errorCode, errorMessage, nodeId, host, port } = response;
    const one = { key: '', nodeId, host, port, errorCode, errorMessage };
    return { throttleTimeMs, coordinators: coordinators.length > 0 ? coordinators : [one] };
  },
};

const describeClusterCase: Case<
  RequestInput<typeof describeCluster>,
  ResponseInput<typeof describeCluster>
> = {
  api: describeCluster,
  request: { includeClusterAuthorizedOperations: true, endpointType: 2 },
  theirRequest: () => [true, 2],
  response: {
    throttleTimeMs: 1,
    errorCode: 0,
    clusterId: 'cluster',
    controllerId: 1,
    brokers: [{ brokerId: 1, host: 'localhost', port: 9092 }],
  },
};

const apiVersionsCase: Case<RequestInput<typeof apiVersions>, ResponseInput<typeof apiVersions>> = {
  api: apiVersions,
  request: { clientSoftwareName: 'name', clientSoftwareVersion: '1.0' },
  theirRequest: () => ['name', '1.0'],
  response: { errorCode: 0, apiKeys: [{ apiKey: 1, minVersion: 4, maxVersion: 12 }], throttleTimeMs: 2 },
};

const cases = [
  listOffsetsCase,
  metadataCase,
  fetchCase,
  createTopicsCase,
  deleteTopicsCase,
  initProducerIdCase,
  epochCase,
  findCoordinatorCase,
  describeClusterCase,
  apiVersionsCase,
];

const inAllVersions = cases.flatMap((one) =>
  versionsOf(one.api).map((version) => ({ name: one.api.name, version, one })),
);

test.each(inAllVersions)('$name request $version has the same bytes', ({ version, one }) => {
  const ours = written(one.api.requestCodec(version), one.request);
  const theirs = foreign(one.api, version).createRequest(...one.theirRequest(version));
  expect(ours.toString('hex')).toBe(Buffer.from(theirs.buffer).toString('hex'));
});

test.each(inAllVersions)('$name response $version is read alike', ({ version, one }) => {
  const bytes = written(one.api.responseCodec(version), one.response);
  const ours = one.api.responseCodec(version).read(new Reader(bytes));
  const reader = platformatic.Reader.from(bytes);
  const theirs = foreign(one.api, version).parseResponse(0, one.api.key, version, reader);
  expect(reader.remaining).toBe(0);
  // The case that compares knows its own API's response; the table of cases can't.
  const seen = one.compare ? one.compare(ours as never) : ours;
  expect(common(seen, theirs)).toEqual(common(theirs, seen));
});

test.each(versionsOf(produce, 3).map((version) => ({ version })))(
  'Produce $version goes both ways',
  ({ version }) => {
    const records = [
      { timestampMs: 1_700_000_000_000, key: Buffer.from('k'), value: Buffer.from('v'.repeat(700)) },
    ];
    const batch = encodeBatch(records, { codec: 'none', producerId: 9, producerEpoch: 0, baseSequence: 0 });
    const ours = written(produce.requestCodec(version), {
      acks: -1,
      timeoutMs: 30,
      topicData: [{ name: 'events', partitionData: [{ index: 2, records: batch }] }],
    });
    const messages = records.map(({ timestampMs, key, value }) => ({
      topic: 'events',
      partition: 2,
      timestamp: BigInt(timestampMs),
      key,
      value,
    }));
    const options = { producerId: 9n, producerEpoch: 0, partitionLeaderEpoch: -1, transactionalId: null };
    const theirs = foreign(produce, version).createRequest(-1, 30, messages, options);
    expect(ours.toString('hex')).toBe(Buffer.from(theirs.buffer).toString('hex'));
    const response = written(produce.responseCodec(version), {
      responses: [
        {
          name: 'events',
          partitionResponses: [
            {
              index: 2,
              errorCode: 0,
              baseOffset: 2 ** 40,
              logAppendTimeMs: 7,
              logStartOffset: 3,
              errorMessage: null,
            },
          ],
        },
      ],
      throttleTimeMs: 4,
    });
    const seen = produce.responseCodec(version).read(new Reader(response));
    const parsed = foreign(produce, version).parseResponse(0, 0, version, platformatic.Reader.from(response));
    expect(common(seen, parsed)).toEqual(common(parsed, seen));
  },
);
