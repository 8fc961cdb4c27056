/**
 * What the broker answers over a socket, request by request.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { apiVersions } from '../../broker/protocol/apis/api-versions.ts';
import { createTopics } from '../../broker/protocol/apis/create-topics.ts';
import { deleteTopics } from '../../broker/protocol/apis/delete-topics.ts';
import { describeCluster } from '../../broker/protocol/apis/describe-cluster.ts';
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { findCoordinator } from '../../broker/protocol/apis/find-coordinator.ts';
import { initProducerId } from '../../broker/protocol/apis/init-producer-id.ts';
import { listOffsets } from '../../broker/protocol/apis/list-offsets.ts';
import { metadata } from '../../broker/protocol/apis/metadata.ts';
import { offsetForLeaderEpoch } from '../../broker/protocol/apis/offset-for-leader-epoch.ts';
import { produce } from '../../broker/protocol/apis/produce.ts';
import { ERRORS, type ErrorName } from '../../broker/protocol/errors.ts';
import { decodeResponse } from '../../broker/protocol/frame.ts';
import { encodeBatch } from '../../broker/protocol/record-batch.ts';
import { batchOf, fetchBody, fetchFrom, produceBatch, valuesIn } from '../support/batches.ts';
import { RawClient } from '../support/raw-client.ts';
import { startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const code = (name: ErrorName) => ERRORS[name][0];
const dir = new TempDir('protocol');
let broker: Broker;
let client: RawClient;
let topics = 0;

beforeAll(async () => {
  broker = await startBroker(dir.path, { numPartitions: 2, log: { maxMessageBytes: 15_000 } });
  client = await RawClient.connect(broker);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

/** A fresh topic; returns its name. */
async function topic(configs: Record<string, string> = {}, numPartitions = 1): Promise<string> {
  topics += 1;
  const name = `topic-${topics}`;
  const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const answer = await client.request(createTopics, 7, {
    topics: [{ name, numPartitions, replicationFactor: 1, configs: entries }],
  });
  expect(answer.topics[0]?.errorMessage).toBeNull();
  return name;
}

async function offsetAt(name: string, timestamp: number, version = 7) {
  const answer = await client.request(listOffsets, version, {
    topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
  });
  return answer.topics[0]?.partitions[0];
}

describe('versions', () => {
  test('ApiVersions names the table of the design, in every version', async () => {
    for (const version of [0, 1, 2, 3]) {
      const { errorCode, apiKeys } = await client.request(apiVersions, version, {});
      expect(errorCode).toBe(0);
      expect(apiKeys.map((api) => [api.apiKey, api.minVersion, api.maxVersion])).toEqual([
        [0, 0, 9],
        [1, 4, 12],
        [2, 1, 7],
        [3, 0, 12],
        [8, 2, 8],
        [9, 1, 8],
        [10, 0, 4],
        [11, 0, 7],
        [12, 0, 4],
        [13, 0, 4],
        [14, 0, 5],
        [15, 0, 5],
        [16, 0, 4],
        [18, 0, 3],
        [19, 2, 7],
        [20, 1, 6],
        [21, 0, 2],
        [22, 0, 4],
        [23, 2, 4],
        [24, 0, 3],
        [25, 0, 3],
        [26, 0, 3],
        [28, 0, 3],
        [32, 1, 4],
        [33, 0, 2],
        [37, 0, 3],
        [42, 0, 2],
        [44, 0, 1],
        [47, 0, 0],
        [60, 0, 1],
      ]);
    }
  });

  test('an unknown version of ApiVersions is answered in version 0 with error 35 and the list', async () => {
    const frame = await client.sendHeader(18, 99);
    const body = decodeResponse(apiVersions, 0, frame);
    expect(body.errorCode).toBe(code('UNSUPPORTED_VERSION'));
    expect(body.apiKeys.find(({ apiKey }) => apiKey === 18)?.maxVersion).toBe(3);
  });

  test('an unknown API is answered with error 35', async () => {
    const frame = await client.sendHeader(4711, 0);
    expect(frame.readInt16BE(4)).toBe(code('UNSUPPORTED_VERSION'));
  });

  test('Produce 0 to 2 is refused per partition, and nothing is written', async () => {
    const name = await topic();
    for (const version of [0, 1, 2]) {
      const { errorCode } = await produceBatch(client, batchOf(['a']), { topic: name, version });
      expect(errorCode).toBe(code('UNSUPPORTED_VERSION'));
    }
    expect((await offsetAt(name, -1))?.offset).toBe(0);
  });

  test('every served version of every API is answered in its own form', async () => {
    const name = await topic();
    for (const version of [3, 4, 5, 6, 7, 8, 9]) {
      expect((await produceBatch(client, batchOf(['a']), { topic: name, version })).errorCode).toBe(0);
    }
    for (let version = 4; version <= 12; version++) {
      const { records } = await fetchFrom(client, { topic: name, offset: 0, version });
      expect(valuesIn(records).length).toBe(7);
    }
    for (let version = 1; version <= 7; version++)
      expect((await offsetAt(name, -1, version))?.offset).toBe(7);
    for (let version = 0; version <= 12; version++) {
      const { topics: found } = await client.request(metadata, version, { topics: [{ name }] });
      expect(found[0]).toMatchObject({ name, errorCode: 0, partitions: [{ leaderId: 1 }] });
    }
    for (const version of [2, 3, 4]) {
      const answer = await client.request(offsetForLeaderEpoch, version, {
        topics: [{ topic: name, partitions: [{ partition: 0, leaderEpoch: 0 }] }],
      });
      expect(answer.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, leaderEpoch: 0, endOffset: 7 });
    }
    for (const version of [0, 1]) {
      const { brokers } = await client.request(describeCluster, version, {});
      expect(brokers).toMatchObject([{ brokerId: 1, port: broker.port }]);
    }
    for (let version = 0; version <= 4; version++) {
      expect((await client.request(initProducerId, version, {})).errorCode).toBe(0);
      const found = await client.request(findCoordinator, version, { key: 'g', coordinatorKeys: ['g'] });
      const place = version < 4 ? found : found.coordinators[0];
      expect(place).toMatchObject({ errorCode: 0, nodeId: 1, port: broker.port });
    }
  });
});

describe('produce', () => {
  test.each<[string, (batch: Buffer) => Buffer | null, ErrorName]>([
    ['a wrong checksum', (batch) => flip(batch, batch.length - 1), 'CORRUPT_MESSAGE'],
    ['a batch cut off', (batch) => batch.subarray(0, -1), 'CORRUPT_MESSAGE'],
    ['a header cut off', (batch) => batch.subarray(0, 40), 'CORRUPT_MESSAGE'],
    ['no records at all', () => null, 'CORRUPT_MESSAGE'],
    ['two batches', (batch) => Buffer.concat([batch, batch]), 'INVALID_RECORD'],
    ['message format 1', (batch) => flip(batch, 16), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
    ['a batch above max.message.bytes', () => batchOf(['x'.repeat(20_000)]), 'MESSAGE_TOO_LARGE'],
    ['a control batch', () => batchOf(['x'], { isControl: true }), 'INVALID_RECORD'],
    [
      'a transactional batch without its id',
      () => batchOf(['x'], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    ],
    [
      'a transactional batch without a producer',
      () => batchOf(['x'], { isTransactional: true }),
      'INVALID_RECORD',
    ],
  ])('%s is refused and nothing is written', async (_, spoil, error) => {
    const name = await topic();
    const answer = await produceBatch(client, spoil(batchOf(['a', 'b'])), { topic: name });
    expect(answer.errorCode).toBe(code(error));
    expect((await offsetAt(name, -1))?.offset).toBe(0);
  });

  test.each(['none', 'gzip'] as const)(
    'a compacted topic refuses a batch for its records without a key, and says which (%s)',
    async (codec) => {
      const name = await topic({ 'cleanup.policy': 'compact' });
      const keys = [Buffer.from('a'), null, Buffer.from('b'), null, Buffer.from('c')];
      const records = keys.map((key) => ({ key, value: Buffer.from('v'), timestampMs: 0 }));
      const batch = encodeBatch(records, { codec });
      const answer = await produceBatch(client, batch, { topic: name });
      expect(answer).toMatchObject({ errorCode: code('INVALID_RECORD'), baseOffset: -1, logStartOffset: 0 });
      const [batchIndexErrorMessage] = answer.recordErrors.map((each) => each.batchIndexErrorMessage);
      expect(batchIndexErrorMessage).toContain('key');
      expect(answer.recordErrors).toEqual(
        [1, 3].map((batchIndex) => ({ batchIndex, batchIndexErrorMessage })),
      );
      expect((await offsetAt(name, -1))?.offset).toBe(0);
      const keyed = encodeBatch(records.slice(0, 1), { codec });
      expect(await produceBatch(client, keyed, { topic: name })).toMatchObject({
        errorCode: 0,
        recordErrors: [],
      });
    },
  );

  test('of a batch of many records without a key a bounded number is named', async () => {
    const name = await topic({ 'cleanup.policy': 'compact' });
    const keyless = Array.from({ length: 10_500 }, () => ({ key: null, value: null, timestampMs: 0 }));
    const answer = await produceBatch(client, encodeBatch(keyless, { codec: 'zstd' }), { topic: name });
    expect(answer.recordErrors).toHaveLength(10_000);
  });

  test('an unknown topic and a bad acks have their errors', async () => {
    const unknown = await produceBatch(client, batchOf(['a']), { topic: 'nowhere' });
    expect(unknown.errorCode).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
    const bad = await produceBatch(client, batchOf(['a']), { topic: await topic(), acks: 2 });
    expect(bad.errorCode).toBe(code('INVALID_REQUIRED_ACKS'));
  });

  test('acks=0 gets no answer, and the record is there', async () => {
    const name = await topic();
    client.send(produce, 9, {
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name, partitionData: [{ index: 0, records: batchOf(['quiet']) }] }],
    });
    const { records } = await fetchFrom(client, { topic: name, offset: 0, maxWaitMs: 5000 });
    expect(valuesIn(records)).toEqual([[0, 'quiet']]);
  });

  test('pipelined requests are answered in their order, also behind a long poll', async () => {
    const name = await topic();
    using other = await RawClient.connect(broker);
    const ids = [other.send(fetch, 12, fetchBody({ topic: name, offset: 0, maxWaitMs: 30_000 }))];
    ids.push(other.send(apiVersions, 3, {}), other.send(metadata, 12, { topics: [{ name }] }));
    await produceBatch(client, batchOf(['wake']), { topic: name });
    const answered = [await other.nextFrame(), await other.nextFrame(), await other.nextFrame()];
    expect(answered.map((frame) => frame?.readInt32BE(0))).toEqual(ids);
  });

  test('an idempotent producer: repetitions keep their offset, gaps and old epochs are refused', async () => {
    const name = await topic();
    const { producerId } = await client.request(initProducerId, 4, {});
    const send = (baseSequence: number, producerEpoch = 0) =>
      produceBatch(client, batchOf(['a', 'b'], { producerId, producerEpoch, baseSequence }), { topic: name });
    for (let i = 0; i < 6; i++) expect(await send(2 * i)).toMatchObject({ errorCode: 0, baseOffset: 2 * i });
    expect(await send(2)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect((await send(20)).errorCode).toBe(code('OUT_OF_ORDER_SEQUENCE_NUMBER'));
    expect(await send(0, 1)).toMatchObject({ errorCode: 0, baseOffset: 12 });
    expect((await send(12)).errorCode).toBe(code('INVALID_PRODUCER_EPOCH'));
    expect((await offsetAt(name, -1))?.offset).toBe(14);
  });
});

describe('fetch', () => {
  test('an offset inside a batch gives the whole batch, and the first is whole above every limit', async () => {
    const name = await topic();
    await produceBatch(client, batchOf(['a', 'b', 'c']), { topic: name });
    await produceBatch(client, batchOf(['d']), { topic: name });
    const inside = await fetchFrom(client, { topic: name, offset: 1, partitionMaxBytes: 1, maxBytes: 1 });
    expect(valuesIn(inside.records).map(([, value]) => value)).toEqual(['a', 'b', 'c']);
  });

  test('the byte limit of the request holds over its partitions', async () => {
    const name = await topic({}, 2);
    for (const partition of [0, 1]) {
      await produceBatch(client, batchOf(['x'.repeat(1000)]), { topic: name, partition });
    }
    const partitions = [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 5000 }));
    const body = { maxWaitMs: 0, minBytes: 1, topics: [{ topic: name, partitions }] };
    const sizes = async (maxBytes: number) => {
      const answer = await client.request(fetch, 12, { ...body, maxBytes });
      return answer.responses[0]?.partitions.map(({ records }) => (records ?? []).length > 0);
    };
    expect(await sizes(5000)).toEqual([true, true]);
    expect(await sizes(1500)).toEqual([true, false]);
  });

  test('offsets outside the log have their error, its end is just empty', async () => {
    const name = await topic();
    await produceBatch(client, batchOf(['a']), { topic: name });
    expect((await fetchFrom(client, { topic: name, offset: 2 })).errorCode).toBe(code('OFFSET_OUT_OF_RANGE'));
    const end = await fetchFrom(client, { topic: name, offset: 1 });
    expect(end).toMatchObject({ errorCode: 0, highWatermark: 1 });
    expect(end.records.length).toBe(0);
  });

  test('a long poll waits for minBytes, not for the first record', async () => {
    const name = await topic();
    using other = await RawClient.connect(broker);
    const size = batchOf(['a']).length;
    const polled = fetchFrom(other, { topic: name, offset: 0, minBytes: 2 * size, maxWaitMs: 30_000 });
    await produceBatch(client, batchOf(['a']), { topic: name });
    await produceBatch(client, batchOf(['b']), { topic: name });
    expect(valuesIn((await polled).records).length).toBe(2);
  });

  test('a long poll without news ends after maxWait', async () => {
    const answer = await fetchFrom(client, { topic: await topic(), offset: 0, maxWaitMs: 50 });
    expect(answer).toMatchObject({ errorCode: 0, highWatermark: 0 });
  });

  test('a long poll ends when the topic is deleted', async () => {
    const name = await topic();
    using other = await RawClient.connect(broker);
    const polled = fetchFrom(other, { topic: name, offset: 0, maxWaitMs: 30_000 });
    await client.request(metadata, 12, { topics: [{ name }] });
    await client.request(deleteTopics, 6, { topics: [{ name }], timeoutMs: 1000 });
    expect((await polled).errorCode).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
  });

  test('a wrong leader epoch is fenced or unknown', async () => {
    const name = await topic();
    const newer = await fetchFrom(client, { topic: name, offset: 0, leaderEpoch: 7 });
    expect(newer.errorCode).toBe(code('UNKNOWN_LEADER_EPOCH'));
  });
});

describe('topics', () => {
  test('metadata makes an unknown topic, ready at once, unless told not to', async () => {
    const shy = await client.request(metadata, 12, {
      topics: [{ name: 'auto' }],
      allowAutoTopicCreation: false,
    });
    expect(shy.topics[0]?.errorCode).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
    const made = await client.request(metadata, 12, { topics: [{ name: 'auto' }] });
    expect(made.topics[0]).toMatchObject({ errorCode: 0, partitions: [{}, {}] });
    const byId = await client.request(metadata, 12, {
      topics: [{ name: null, topicId: made.topics[0]?.topicId }],
    });
    expect(byId.topics[0]?.name).toBe('auto');
    const bad = await client.request(metadata, 12, { topics: [{ name: 'no/slash' }] });
    expect(bad.topics[0]?.errorCode).toBe(code('INVALID_TOPIC_EXCEPTION'));
  });

  test.each<[string, object, ErrorName]>([
    ['an unknown setting', { configs: [{ name: 'retention.hours', value: '1' }] }, 'INVALID_CONFIG'],
    ['a value out of range', { configs: [{ name: 'segment.ms', value: '0' }] }, 'INVALID_CONFIG'],
    ['a value that is no number', { configs: [{ name: 'retention.ms', value: '1h' }] }, 'INVALID_CONFIG'],
    ['a policy of its own', { configs: [{ name: 'cleanup.policy', value: 'forget' }] }, 'INVALID_CONFIG'],
    ['two replicas', { replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR'],
    ['no partitions', { numPartitions: 0 }, 'INVALID_PARTITIONS'],
    ['a bad name', { name: 'a b' }, 'INVALID_TOPIC_EXCEPTION'],
    ['.. as name', { name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
  ])('CreateTopics refuses %s', async (_, fault, error) => {
    const answer = await client.request(createTopics, 7, {
      topics: [{ name: 'refused', numPartitions: 1, replicationFactor: 1, ...fault }],
    });
    expect(answer.topics[0]?.errorCode).toBe(code(error));
    const { topics: all } = await client.request(metadata, 12, { topics: null });
    expect(all.map(({ name }) => name)).not.toContain('refused');
  });

  test('a topic setting acts: max.message.bytes of the topic wins over the broker', async () => {
    const name = await topic({ 'max.message.bytes': '50000' });
    const { errorCode } = await produceBatch(client, batchOf(['x'.repeat(20_000)]), { topic: name });
    expect(errorCode).toBe(0);
  });

  test('the defaults are taken for -1, and validateOnly creates nothing', async () => {
    const wanted = [{ name: 'maybe', numPartitions: -1, replicationFactor: -1 }];
    const checked = await client.request(createTopics, 5, { topics: wanted, validateOnly: true });
    expect(checked.topics[0]).toMatchObject({ errorCode: 0, numPartitions: 2, replicationFactor: 1 });
    const { topics: all } = await client.request(metadata, 12, { topics: null });
    expect(all.map(({ name }) => name)).not.toContain('maybe');
  });

  test('a topic is made once, deleted by id, and gone', async () => {
    const name = await topic();
    const again = await client.request(createTopics, 4, {
      topics: [{ name, numPartitions: 1, replicationFactor: 1 }],
    });
    expect(again.topics[0]?.errorCode).toBe(code('TOPIC_ALREADY_EXISTS'));
    const { topics: found } = await client.request(metadata, 12, { topics: [{ name }] });
    const doomed = { name: null, topicId: found[0]?.topicId };
    const remove = () => client.request(deleteTopics, 6, { topics: [doomed], timeoutMs: 1000 });
    expect((await remove()).responses[0]).toMatchObject({ errorCode: 0, name });
    expect((await remove()).responses[0]?.errorCode).toBe(code('UNKNOWN_TOPIC_ID'));
    const byName = await client.request(deleteTopics, 1, { topicNames: [name], timeoutMs: 1000 });
    expect(byName.responses[0]?.errorCode).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
  });

  test('offsets are found by time, earliest, latest and greatest time', async () => {
    const name = await topic();
    await produceBatch(client, batchOf(['a', 'b', 'c'], { timestampMs: 100 }), { topic: name });
    await produceBatch(client, batchOf(['d'], { timestampMs: 50 }), { topic: name });
    expect(await offsetAt(name, -2)).toMatchObject({ offset: 0, timestamp: -1 });
    expect(await offsetAt(name, -1)).toMatchObject({ offset: 4, timestamp: -1, leaderEpoch: 0 });
    expect(await offsetAt(name, -3)).toMatchObject({ offset: 2, timestamp: 102 });
    expect(await offsetAt(name, 101)).toMatchObject({ offset: 1, timestamp: 101 });
    expect(await offsetAt(name, 103)).toMatchObject({ offset: -1 });
  });
});

function flip(batch: Buffer, at: number): Buffer {
  batch.writeUInt8((batch[at] ?? 0) ^ 1, at);
  return batch;
}
