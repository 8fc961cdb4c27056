/**
 * Our tables and record batches against the codecs of kafkajs, a second independent client: its requests byte for byte
 * and as a broker reads them, our responses as it decodes them, and batches both ways.
 */
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { createTopics } from '../../../broker/protocol/apis/create-topics.ts';
import { fetch } from '../../../broker/protocol/apis/fetch.ts';
import { listOffsets } from '../../../broker/protocol/apis/list-offsets.ts';
import { metadata } from '../../../broker/protocol/apis/metadata.ts';
import { produce } from '../../../broker/protocol/apis/produce.ts';
import {
  encodeRequest,
  FrameSplitter,
  readRequest,
  readRequestHeader,
} from '../../../broker/protocol/frame.ts';
import {
  encodeBatch,
  isCrcValid,
  readBatchHeader,
  recordsOf,
} from '../../../broker/protocol/record-batch.ts';
import type { Codec } from '../../../broker/protocol/schema.ts';
import { Reader, Writer } from '../../../broker/protocol/wire.ts';

interface Encoded {
  buffer: Buffer;
}
interface ForeignRequest {
  encode(): Promise<Encoded>;
}
interface ForeignResponse<T> {
  decode(raw: Buffer): Promise<T>;
}

const require = createRequire(import.meta.url);
const request = (api: string, version: number) =>
  require(`kafkajs/src/protocol/requests/${api}/v${version}/request`) as (options: object) => ForeignRequest;
const response = <T>(api: string, version: number) =>
  require(`kafkajs/src/protocol/requests/${api}/v${version}/response`) as ForeignResponse<T>;
const frameOf = require('kafkajs/src/protocol/request') as (options: object) => Promise<Encoded>;

function written<W>(codec: Codec<unknown, W>, value: W): Buffer {
  const writer = new Writer();
  codec.write(writer, value);
  return Buffer.concat(writer.finish());
}

test.each([4, 5, 7, 9, 11])('Fetch request %i has the same bytes', async (version) => {
  const partition = { partition: 2, currentLeaderEpoch: 4, fetchOffset: 2 ** 40, logStartOffset: -1 };
  const theirs = await request(
    'fetch',
    version,
  )({
    replicaId: -1,
    maxWaitTime: 500,
    minBytes: 1,
    maxBytes: 1000,
    isolationLevel: 1,
    topics: [{ topic: 'events', partitions: [{ ...partition, maxBytes: 900 }] }],
    rackId: 'r',
  }).encode();
  const ours = written(fetch.requestCodec(version), {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 1000,
    isolationLevel: 1,
    topics: [{ topic: 'events', partitions: [{ ...partition, partitionMaxBytes: 900 }] }],
    rackId: 'r',
  });
  expect(ours.toString('hex')).toBe(theirs.buffer.toString('hex'));
});

test.each([1, 2, 3])('ListOffsets request %i has the same bytes', async (version) => {
  const theirs = await request(
    'listOffsets',
    version,
  )({
    replicaId: -1,
    isolationLevel: 1,
    topics: [{ topic: 'events', partitions: [{ partition: 7, timestamp: 1_700_000_000_000 }] }],
  }).encode();
  const ours = written(listOffsets.requestCodec(version), {
    isolationLevel: 1,
    topics: [{ name: 'events', partitions: [{ partitionIndex: 7, timestamp: 1_700_000_000_000 }] }],
  });
  expect(ours.toString('hex')).toBe(theirs.buffer.toString('hex'));
});

test.each([2, 3])('CreateTopics request %i has the same bytes', async (version) => {
  const theirs = await request(
    'createTopics',
    version,
  )({
    topics: [
      { topic: 'a', numPartitions: 3, replicationFactor: 1, configEntries: [{ name: 'k', value: 'v' }] },
    ],
    timeout: 77,
    validateOnly: true,
  }).encode();
  const ours = written(createTopics.requestCodec(version), {
    topics: [{ name: 'a', numPartitions: 3, replicationFactor: 1, configs: [{ name: 'k', value: 'v' }] }],
    timeoutMs: 77,
    validateOnly: true,
  });
  expect(ours.toString('hex')).toBe(theirs.buffer.toString('hex'));
});

test('whole request frames are the same, header and all', async () => {
  const theirs = await frameOf({
    correlationId: 9,
    clientId: 'me',
    request: { apiKey: 3, apiVersion: 6, encode: request('metadata', 6)({ topics: ['events'] }).encode },
  });
  const body = { topics: [{ name: 'events' }], allowAutoTopicCreation: true };
  const ours = Buffer.concat(encodeRequest(metadata, 6, { correlationId: 9, clientId: 'me' }, body));
  expect(ours.toString('hex')).toBe(theirs.buffer.toString('hex'));
});

test.each([1, 4, 6])('Metadata response %i is decoded by kafkajs', async (version) => {
  const bytes = written(metadata.responseCodec(version), {
    brokers: [{ nodeId: 1, host: 'h', port: 9, rack: null }],
    clusterId: 'c',
    controllerId: 1,
    topics: [
      {
        errorCode: 0,
        name: 'events',
        partitions: [{ errorCode: 0, partitionIndex: 1, leaderId: 1, replicaNodes: [1], isrNodes: [1] }],
      },
    ],
  });
  const decoded = await response<object>('metadata', version).decode(bytes);
  expect(decoded).toMatchObject({
    brokers: [{ nodeId: 1, host: 'h', port: 9 }],
    controllerId: 1,
    topicMetadata: [
      { topic: 'events', partitionMetadata: [{ partitionId: 1, leader: 1, replicas: [1], isr: [1] }] },
    ],
  });
});

const messages = Array.from({ length: 30 }, (_, index) => ({
  timestamp: 1_700_000_000_000 + index * 1_000_000,
  key: index % 3 === 0 ? null : Buffer.from(`k${index}`),
  value: index % 7 === 0 ? null : Buffer.from(`value ${index}`.repeat(index)),
  headers: index % 2 === 0 ? {} : { a: Buffer.from([index]), grün: Buffer.from('x') },
}));
const records = messages.map(({ timestamp, headers, ...rest }) => ({
  ...rest,
  timestampMs: timestamp,
  headers: Object.entries(headers).map(([key, value]) => ({ key, value: value as Buffer })),
}));

test.each([
  [3, 0],
  [7, 1],
] as const)(
  'a Produce request %i of kafkajs is read, and its batch (codec %i) walked',
  async (version, compression) => {
    const theirs = await frameOf({
      correlationId: 1,
      clientId: 'me',
      request: {
        apiKey: 0,
        apiVersion: version,
        encode: request(
          'produce',
          version,
        )({
          acks: -1,
          timeout: 10,
          compression,
          producerId: 5,
          producerEpoch: 0,
          topicData: [{ topic: 'events', partitions: [{ partition: 3, firstSequence: 17, messages }] }],
        }).encode,
      },
    });
    const [frame] = new FrameSplitter(1_000_000).push(theirs.buffer);
    const reader = new Reader(frame as Buffer);
    expect(readRequestHeader(reader)).toMatchObject({ apiKey: 0, apiVersion: version, clientId: 'me' });
    const read = readRequest(produce, version, reader);
    expect(read).toMatchObject({ acks: -1, timeoutMs: 10, transactionalId: null });
    const { index, records: batch } = read.topicData[0]?.partitionData[0] ?? {};
    expect(index).toBe(3);
    const header = readBatchHeader(batch as Buffer, 0);
    expect(isCrcValid(batch as Buffer, 0, header)).toBe(true);
    expect(header).toMatchObject({
      codec: compression,
      producerId: 5,
      producerEpoch: 0,
      baseSequence: 17,
      recordCount: 30,
    });
    expect(recordsOf(batch as Buffer, 0, header)).toEqual(
      records.map((record, offset) => ({ offset, ...record })),
    );
  },
);

interface DecodedFetch {
  responses: {
    partitions: {
      messages: { offset: string; timestamp: string; key: Buffer | null; value: Buffer | null }[];
    }[];
  }[];
}

test.each([
  [4, 'none'],
  [11, 'none'],
  [11, 'gzip'],
] as const)('a Fetch response %i with a batch of ours (%s) is decoded by kafkajs', async (version, codec) => {
  const batch = encodeBatch(records, { codec, baseOffset: 500, leaderEpoch: 2 });
  const bytes = written(fetch.responseCodec(version), {
    responses: [
      {
        topic: 'events',
        partitions: [
          {
            partitionIndex: 0,
            errorCode: 0,
            highWatermark: 530,
            abortedTransactions: [],
            records: [batch, batch],
          },
        ],
      },
    ],
  });
  const decoded = await response<DecodedFetch>('fetch', version).decode(bytes);
  const read = decoded.responses[0]?.partitions[0]?.messages ?? [];
  expect(read).toHaveLength(60);
  for (const [index, { timestampMs, key, value }] of records.entries()) {
    expect(read[index]).toMatchObject({
      offset: String(500 + index),
      timestamp: String(timestampMs),
      key,
      value,
    });
  }
});
