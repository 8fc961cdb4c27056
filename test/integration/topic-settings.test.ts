/**
 * The settings of topics and brokers as clients see and change them: over the socket, at every version, and with kafkajs.
 */
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { TOPIC_CONFIG_NAMES } from '../../broker/log/log-config.ts';
import { alterConfigs } from '../../broker/protocol/apis/alter-configs.ts';
import { createTopics } from '../../broker/protocol/apis/create-topics.ts';
import { describeConfigs } from '../../broker/protocol/apis/describe-configs.ts';
import { incrementalAlterConfigs } from '../../broker/protocol/apis/incremental-alter-configs.ts';
import { ERRORS, type ErrorName } from '../../broker/protocol/errors.ts';
import { batchOf, produceBatch } from '../support/batches.ts';
import { RawClient } from '../support/raw-client.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const code = (name: ErrorName) => ERRORS[name][0];
const [TOPIC, BROKER] = [2, 4];
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3] as const;
const dir = new TempDir('topic-settings');
let broker: Broker;
let client: RawClient;
let topics = 0;

beforeAll(async () => {
  broker = await startBroker(dir.path, { nodeId: 7, log: { segmentMs: 5_000_000 } });
  client = await RawClient.connect(broker);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

async function topic(configs: Record<string, string> = {}): Promise<string> {
  const name = `topic-${++topics}`;
  const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const answer = await client.request(createTopics, 7, {
    topics: [{ name, numPartitions: 1, replicationFactor: 1, configs: entries }],
  });
  expect(answer.topics[0]?.errorMessage).toBeNull();
  return name;
}

async function describeOne(
  resourceName: string,
  keys: string[] | null = null,
  resourceType = TOPIC,
  version = 4,
) {
  const { results } = await client.request(describeConfigs, version, {
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  const [result] = results;
  if (result === undefined) throw new Error('DescribeConfigs was answered without the resource');
  return result;
}

/** What a topic overrides, as DescribeConfigs tells it. */
async function overridesOf(name: string): Promise<Record<string, string | null>> {
  const { configs } = await describeOne(name);
  return Object.fromEntries(configs.filter((c) => c.configSource === 1).map((c) => [c.name, c.value]));
}

type Change = [name: string, operation: number, value: string | null];

async function alter(
  resourceName: string,
  changes: Change[],
  { validateOnly = false, resourceType = TOPIC } = {},
) {
  const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }));
  const answer = await client.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly,
  });
  return answer.responses[0];
}

describe('DescribeConfigs', () => {
  test.each([1, 2, 3, 4])('version %i lists every setting with its source and synonyms', async (version) => {
    const name = await topic({ 'retention.ms': '1000' });
    const { errorCode, configs } = await describeOne(name, null, TOPIC, version);
    expect(errorCode).toBe(0);
    expect(configs.map((config) => config.name)).toEqual(TOPIC_CONFIG_NAMES);
    const found = (wanted: string) => configs.find((config) => config.name === wanted);
    expect(found('retention.ms')).toMatchObject({ value: '1000', configSource: 1, readOnly: false });
    expect(found('retention.ms')?.synonyms.map(({ source }) => source)).toEqual([1, 5]);
    expect(found('segment.ms')).toMatchObject({ value: '5000000', configSource: 4 });
    expect(found('compression.type')).toMatchObject({ value: 'producer', configSource: 5 });
    if (version < 3) return;
    expect(found('retention.ms')).toMatchObject({ configType: 5 });
    expect(found('retention.ms')?.documentation).toMatch(/deleted/);
  });

  test('gives only the settings asked for', async () => {
    const { configs } = await describeOne(await topic(), ['segment.ms', 'no.such.setting']);
    expect(configs.map(({ name }) => name)).toEqual(['segment.ms']);
  });

  test('gives those of this broker by Kafka’s names, read-only', async () => {
    const { configs } = await describeOne('7', null, BROKER);
    const found = (wanted: string) => configs.find(({ name }) => name === wanted);
    expect(found('broker.id')).toMatchObject({ value: '7', readOnly: true });
    expect(found('log.roll.ms')).toMatchObject({ value: '5000000', configSource: 4 });
    expect(found('log.cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 });
  });

  test.each([
    [TOPIC, 'no-such-topic', 'UNKNOWN_TOPIC_OR_PARTITION'],
    [BROKER, '8', 'INVALID_REQUEST'],
    [8, '7', 'INVALID_REQUEST'],
    [0, 'x', 'INVALID_REQUEST'],
  ] as const)('a resource of type %i named %s is answered with %s', async (type, name, error) => {
    expect(await describeOne(name, null, type)).toMatchObject({ errorCode: code(error), configs: [] });
  });
});

describe('IncrementalAlterConfigs', () => {
  test('sets and deletes single settings, and they act', async () => {
    const name = await topic({ 'retention.ms': '1000', 'segment.ms': '3000' });
    const changes: Change[] = [
      ['max.message.bytes', SET, '100'],
      ['segment.ms', DELETE, null],
    ];
    expect(await alter(name, changes)).toMatchObject({ errorCode: 0, errorMessage: null });
    expect(await overridesOf(name)).toEqual({ 'retention.ms': '1000', 'max.message.bytes': '100' });
    const answer = await produceBatch(client, batchOf(['x'.repeat(200)]), { topic: name });
    expect(answer.errorCode).toBe(code('MESSAGE_TOO_LARGE'));
    await alter(name, [['max.message.bytes', DELETE, null]]);
    const taken = await produceBatch(client, batchOf(['x'.repeat(200)]), { topic: name });
    expect(taken.errorCode).toBe(0);
  });

  test('changes nothing where it is asked only to look', async () => {
    const name = await topic();
    const set: Change[] = [['retention.ms', SET, '5']];
    expect(await alter(name, set, { validateOnly: true })).toMatchObject({ errorCode: 0 });
    const wrong = await alter(name, [['retention.ms', SET, 'x']], { validateOnly: true });
    expect(wrong?.errorCode).toBe(code('INVALID_CONFIG'));
    expect(await overridesOf(name)).toEqual({});
  });

  test.each<[Change[], ErrorName, RegExp]>([
    [[['compression.type', SET, 'lz4']], 'INVALID_CONFIG', /'lz4' is not served, only 'producer' is/],
    [[['no.such', SET, '1']], 'INVALID_CONFIG', /no such topic setting/],
    [[['retention.ms', SET, null]], 'INVALID_REQUEST', /null is no value/],
    [[['retention.ms', APPEND, '1']], 'INVALID_CONFIG', /is no list/],
    [[['retention.ms', 9, '1']], 'INVALID_REQUEST', /no operation 9/],
    [[['cleanup.policy', SUBTRACT, 'delete']], 'INVALID_CONFIG', /'' is not served/],
    [
      [
        ['retention.ms', SET, '1'],
        ['retention.ms', DELETE, null],
      ],
      'INVALID_REQUEST',
      /named twice/,
    ],
  ])('%j is refused with %s', async (changes, error, message) => {
    const name = await topic();
    const answer = await alter(name, [['segment.ms', SET, '9'], ...changes]);
    expect(answer?.errorCode).toBe(code(error));
    expect(answer?.errorMessage).toMatch(message);
    expect(await overridesOf(name)).toEqual({});
  });

  test('appends to a list', async () => {
    const name = await topic();
    expect(await alter(name, [['cleanup.policy', APPEND, 'delete']])).toMatchObject({ errorCode: 0 });
    expect(await overridesOf(name)).toEqual({ 'cleanup.policy': 'delete' });
  });

  test('refuses brokers and unknown topics', async () => {
    const set: Change[] = [['log.retention.ms', SET, '5']];
    const ofBroker = await alter('7', set, { resourceType: BROKER });
    expect(ofBroker).toMatchObject({ errorCode: code('INVALID_REQUEST') });
    expect(ofBroker?.errorMessage).toMatch(/settings file/);
    expect((await alter('gone', set))?.errorCode).toBe(code('UNKNOWN_TOPIC_OR_PARTITION'));
    expect((await alter('gone', set, { resourceType: 3 }))?.errorCode).toBe(code('INVALID_REQUEST'));
  });
});

test.each([0, 1, 2])('AlterConfigs version %i replaces all settings of a topic', async (version) => {
  const name = await topic({ 'retention.ms': '1000' });
  const resource = { resourceType: TOPIC, resourceName: name };
  const answer = await client.request(alterConfigs, version, {
    resources: [{ ...resource, configs: [{ name: 'segment.ms', value: '9' }] }],
    validateOnly: false,
  });
  expect(answer.responses[0]).toMatchObject({ errorCode: 0, resourceName: name });
  expect(await overridesOf(name)).toEqual({ 'segment.ms': '9' });
});

test('LogAppendTime is told to the producer', async () => {
  const name = await topic({ 'message.timestamp.type': 'LogAppendTime' });
  const answer = await produceBatch(client, batchOf(['a'], { timestampMs: 5 }), { topic: name });
  expect(answer.logAppendTimeMs).toBeGreaterThan(5);
  const plain = await produceBatch(client, batchOf(['a']), { topic: await topic() });
  expect(plain.logAppendTimeMs).toBe(-1);
});

test('kafkajs describes and alters a topic', async () => {
  const name = await topic({ 'segment.ms': '3000' });
  const kafka = new Kafka({ brokers: [addressOf(broker)], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const configEntries = [{ name: 'retention.ms', value: '4000' }];
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC, name, configEntries }] });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: TOPIC, name }],
    });
    const own = resources[0]?.configEntries.filter((entry) => entry.configSource === 1);
    expect(own?.map(({ configName, configValue }) => [configName, configValue])).toEqual([
      ['retention.ms', '4000'],
    ]);
  } finally {
    await admin.disconnect();
  }
});
