/**
 * What becomes of a topic that is there: more partitions, records deleted, settings changed, over the socket and by
 * `millrace topics alter`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { KafkaClient } from '../../broker/client/client.ts';
import { createPartitions } from '../../broker/protocol/apis/create-partitions.ts';
import { deleteRecords } from '../../broker/protocol/apis/delete-records.ts';
import { ERRORS, type ErrorName } from '../../broker/protocol/errors.ts';
import { settingsSchema } from '../../config/settings.ts';
import { batchOf, produceBatch } from '../support/batches.ts';
import { RawClient } from '../support/raw-client.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const code = (name: ErrorName) => ERRORS[name][0];
const dir = new TempDir('topics-alter');
let broker: Broker;
let raw: RawClient;
let client: KafkaClient;
let topics = 0;

beforeAll(async () => {
  broker = await startBroker(dir.path, { nodeId: 7, maxPartitions: 60 });
  raw = await RawClient.connect(broker);
  client = await KafkaClient.connect({ ...settingsSchema.parse({}).client, brokers: addressOf(broker) });
});

afterAll(async () => {
  raw[Symbol.dispose]();
  await client.close();
  await broker.stop();
  dir[Symbol.dispose]();
});

async function topic(partitions = 1): Promise<string> {
  const name = `topic-${++topics}`;
  await client.createTopic(name, { partitions, replication: 1 });
  return name;
}

const partitionsOf = async (name: string) => (await client.metadata([name])).topics[0]?.partitions.length;

type Growing = { name: string; count: number; assignments?: { brokerIds: number[] }[] };

async function grow(wanted: Growing[], { validateOnly = false, version = 3 } = {}) {
  const answer = await raw.request(createPartitions, version, {
    topics: wanted,
    timeoutMs: 1000,
    validateOnly,
  });
  return answer.results.map(({ errorCode }) => errorCode);
}

describe('CreatePartitions', () => {
  test.each([0, 1, 2, 3])('version %i adds partitions that take records', async (version) => {
    const name = await topic();
    expect(await grow([{ name, count: 3 }], { version })).toEqual([0]);
    expect(await partitionsOf(name)).toBe(3);
    expect(await produceBatch(raw, batchOf(['a']), { topic: name, partition: 2 })).toMatchObject({
      errorCode: 0,
    });
  });

  test('judges every topic by itself and changes nothing where it is refused or only asked', async () => {
    const name = await topic(2);
    const here = { brokerIds: [7] };
    expect(await grow([{ name, count: 3 }], { validateOnly: true })).toEqual([0]);
    expect(await grow([{ name, count: 2 }])).toEqual([code('INVALID_PARTITIONS')]);
    expect(await grow([{ name, count: 1000 }])).toEqual([code('INVALID_PARTITIONS')]);
    expect(await grow([{ name: 'gone', count: 2 }])).toEqual([code('UNKNOWN_TOPIC_OR_PARTITION')]);
    const twice = [
      { name, count: 3 },
      { name, count: 4 },
    ];
    expect(await grow(twice)).toEqual([code('INVALID_REQUEST'), code('INVALID_REQUEST')]);
    for (const assignments of [[], [here, here], [{ brokerIds: [8] }]]) {
      expect(await grow([{ name, count: 3, assignments }])).toEqual([code('INVALID_REPLICA_ASSIGNMENT')]);
    }
    expect(await partitionsOf(name)).toBe(2);
    expect(await grow([{ name, count: 3, assignments: [here] }])).toEqual([0]);
  });
});

test.each([0, 1, 2])('DeleteRecords version %i moves the start of each partition', async (version) => {
  const name = await topic(2);
  await produceBatch(raw, batchOf(['a', 'b', 'c']), { topic: name });
  const answer = await raw.request(deleteRecords, version, {
    topics: [
      {
        name,
        partitions: [
          { partitionIndex: 0, offset: 2 },
          { partitionIndex: 1, offset: 1 },
          { partitionIndex: 9, offset: 0 },
        ],
      },
    ],
    timeoutMs: 1000,
  });
  expect(answer.topics[0]?.partitions).toEqual([
    { partitionIndex: 0, lowWatermark: 2, errorCode: 0 },
    { partitionIndex: 1, lowWatermark: -1, errorCode: code('OFFSET_OUT_OF_RANGE') },
    { partitionIndex: 9, lowWatermark: -1, errorCode: code('UNKNOWN_TOPIC_OR_PARTITION') },
  ]);
  const [earliest] = await client.listOffsets([{ topic: name, partition: 0 }], 'earliest');
  expect(earliest?.offset).toBe(2);
});

describe('millrace topics alter', () => {
  const alter = (...argv: string[]) => runCli(['topics', 'alter', ...argv, '--broker', addressOf(broker)]);

  test('adds partitions, sets and unsets settings, and topics describe shows them', async () => {
    const name = await topic();
    const first = await alter(
      name,
      '--partitions',
      '2',
      '--config',
      'retention.ms=5',
      '--config',
      'segment.ms=6',
    );
    expect(first).toMatchObject({ status: 0, stderr: '' });
    expect(first.stdout).toBe(`topic ${name} has 2 partitions now\nsettings: retention.ms=5 segment.ms=6\n`);
    const second = await alter(name, '--unset', 'retention.ms', '--json');
    expect(JSON.parse(second.stdout)).toEqual({ topic: name, configs: { 'segment.ms': '6' } });
    const described = await runCli(['topics', 'describe', name, '--json', '--broker', addressOf(broker)]);
    const { configs, partitions } = JSON.parse(described.stdout) as { configs: object; partitions: [] };
    expect([configs, partitions.length]).toEqual([{ 'segment.ms': '6' }, 2]);
  }, 120_000);

  test('a setting that is refused leaves the partitions alone, and says why in a line', async () => {
    const name = await topic();
    const { status, stderr } = await alter(name, '--partitions', '2', '--config', 'compression.type=lz4');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^error: topic \S+ not altered: compression.type: 'lz4' is not served, only 'producer' is\b.*\n$/,
    );
    expect(await partitionsOf(name)).toBe(1);
  }, 120_000);

  test('nothing to do, or two things at once, is a wrong command line', async () => {
    expect(await alter('a')).toMatchObject({ status: 2, stderr: expect.stringMatching(/nothing to alter/) });
    const both = await alter('a', '--config', 'x=1', '--unset', 'x');
    expect(both).toMatchObject({ status: 2, stderr: expect.stringMatching(/x is given to --config and/) });
  }, 120_000);
});
