/**
 * The Java client, by the tools that come with Kafka: they make and describe topics, write and read, by hand and in groups,
 * and see the group's members and lag, as on a broker of Kafka's own.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { SeenApis } from '../support/seen-apis.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { KafkaTools, type ToolRun } from './bed/kafka-tools.ts';

const RECORDS = 500;
const LINES = Array.from({ length: RECORDS }, (_, i) => `key${i % 7}\tvalue ${i} ${'ü'.repeat(i % 90)}`);
const TEST = { timeout: 10 * 60_000 };

const TOOLS = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  groups: 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  configs: 'kafka.admin.ConfigCommand',
  offsets: 'org.apache.kafka.tools.GetOffsetShell',
  produce: 'org.apache.kafka.tools.ConsoleProducer',
  consume: 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  producePerformance: 'org.apache.kafka.tools.ProducerPerformance',
  consumePerformance: 'org.apache.kafka.tools.ConsumerPerformance',
  produceVerifiably: 'org.apache.kafka.tools.VerifiableProducer',
  consumeVerifiably: 'org.apache.kafka.tools.VerifiableConsumer',
};

let dir: TempDir;
const seen = new SeenApis();
let broker: Broker;
let tools: KafkaTools;
beforeAll(async () => {
  dir = new TempDir('kafka-tools');
  broker = await startBroker(dir.path, {}, seen.log);
  tools = await KafkaTools.start();
}, 10 * 60_000);
afterAll(async () => {
  await tools[Symbol.asyncDispose]();
  await broker.stop();
  seen.expectTold('Java client and tools', /./);
  dir[Symbol.dispose]();
});

/** Runs a tool that knows `--bootstrap-server`, and expects that it succeeds. */
async function run(tool: keyof typeof TOOLS, args: readonly string[], input?: string): Promise<string[]> {
  return succeeded(await tools.run(TOOLS[tool], ['--bootstrap-server', addressOf(broker), ...args], input));
}

function succeeded({ status, lines }: ToolRun): string[] {
  expect(status, lines.join('\n')).toBe(0);
  return lines;
}

/** The fields of the JSON lines of a verifiable tool that bear a name. */
const events = (lines: readonly string[], name: string) =>
  lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((event) => event['name'] === name);

it('kafka-topics makes, lists, describes and deletes topics', TEST, async () => {
  const make = ['--create', '--topic', 'made', '--partitions', '3', '--config', 'retention.ms=60000'];
  expect((await run('topics', make)).join()).toContain('Created topic made.');
  expect(await run('topics', ['--list'])).toContain('made');
  const described = await run('topics', ['--describe', '--topic', 'made']);
  expect(described.filter((line) => line.includes('Leader: 1'))).toHaveLength(3);
  expect(described[0]).toContain('PartitionCount: 3');
  await run('topics', ['--delete', '--topic', 'made']);
  expect(await run('topics', ['--list'])).not.toContain('made');
});

it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
  'the console producer writes with codec %s and the console consumer reads the same',
  TEST,
  async (codec) => {
    const topic = `console-${codec}`;
    await run('topics', ['--create', '--topic', topic, '--partitions', '1']);
    const keyed = ['--property', 'parse.key=true'];
    const produce = ['--topic', topic, '--compression-codec', codec, ...keyed];
    await run('produce', produce, `${LINES.join('\n')}\n`);
    const read = ['--topic', topic, '--partition', '0', '--offset', 'earliest'];
    const shown = ['--property', 'print.key=true', '--max-messages', String(RECORDS)];
    const lines = await run('consume', [...read, ...shown]);
    expect(lines.filter((line) => line.startsWith('key'))).toEqual(LINES);
    expect(await run('offsets', ['--topic', topic])).toEqual([`${topic}:0:${RECORDS}`]);
  },
);

it(
  'a group reads with the console consumer, and kafka-consumer-groups tells its lag and moves it',
  TEST,
  async () => {
    const [topic, group] = ['grouped', 'readers'];
    await run('topics', ['--create', '--topic', topic, '--partitions', '2']);
    await run('produce', ['--topic', topic], `${LINES.join('\n')}\n`);
    const read = ['--topic', topic, '--group', group, '--from-beginning', '--max-messages', '100'];
    const settings = ['--consumer-property', 'enable.auto.commit=true'];
    const lines = await run('consume', [...read, ...settings]);
    expect(lines.filter((line) => line.startsWith('key'))).toHaveLength(100);
    expect(await run('groups', ['--list'])).toContain(group);
    const state = await run('groups', ['--describe', '--group', group, '--state']);
    expect(state.at(-1)).toMatch(/Empty\s+0$/);
    const rows = async () =>
      (await run('groups', ['--describe', '--group', group]))
        .map((line) => line.trim().split(/\s+/))
        .filter(([name]) => name === group)
        .map(([, , , committed, end, lag]) => ({
          committed: Number(committed),
          end: Number(end),
          lag: Number(lag),
        }));
    const seen = await rows();
    expect(seen.reduce((sum, { end }) => sum + end, 0)).toBe(RECORDS);
    expect(seen.reduce((sum, { committed }) => sum + committed, 0)).toBe(100);
    for (const { committed, end, lag } of seen) expect(lag).toBe(end - committed);
    const move = ['--reset-offsets', '--group', group, '--topic', topic, '--to-latest', '--execute'];
    await run('groups', move);
    expect((await rows()).map(({ lag }) => lag)).toEqual([0, 0]);
    await run('groups', ['--delete', '--group', group]);
    expect(await run('groups', ['--list'])).not.toContain(group);
  },
);

it('kafka-configs changes and shows the settings of a topic', TEST, async () => {
  await run('topics', ['--create', '--topic', 'configured', '--partitions', '1']);
  const entity = ['--entity-type', 'topics', '--entity-name', 'configured'];
  await run('configs', [...entity, '--alter', '--add-config', 'retention.ms=123456,segment.bytes=1048576']);
  const described = async () => (await run('configs', [...entity, '--describe'])).join('\n');
  expect(await described()).toMatch(/retention\.ms=123456 .*DYNAMIC_TOPIC_CONFIG/);
  await run('configs', [...entity, '--alter', '--delete-config', 'retention.ms']);
  expect(await described()).not.toContain('retention.ms');
  expect(await described()).toContain('segment.bytes=1048576');
  await run('topics', ['--alter', '--topic', 'configured', '--partitions', '3']);
  expect((await run('topics', ['--describe', '--topic', 'configured']))[0]).toContain('PartitionCount: 3');
});

it('the performance tools write and read 20,000 records', TEST, async () => {
  await run('topics', ['--create', '--topic', 'perf', '--partitions', '3']);
  const producer = [
    '--topic',
    'perf',
    '--num-records',
    '20000',
    '--record-size',
    '100',
    '--throughput',
    '-1',
  ];
  const properties = ['--producer-props', `bootstrap.servers=${addressOf(broker)}`, 'compression.type=lz4'];
  const written = succeeded(await tools.run(TOOLS.producePerformance, [...producer, ...properties]));
  expect(written.at(-1)).toMatch(/^20000 records sent/);
  const read = await run('consumePerformance', ['--topic', 'perf', '--messages', '20000']);
  expect(Number(read.at(-1)?.split(', ')[4])).toBe(20_000);
});

it('the verifiable producer is acknowledged what the verifiable consumer then reads', TEST, async () => {
  const topic = 'verified';
  await run('topics', ['--create', '--topic', topic, '--partitions', '2']);
  const sent = await run('produceVerifiably', ['--topic', topic, '--max-messages', '1000', '--acks', '-1']);
  expect(events(sent, 'producer_send_success')).toHaveLength(1000);
  expect(events(sent, 'tool_data')).toMatchObject([{ sent: 1000, acked: 1000 }]);
  const read = ['--topic', topic, '--group-id', 'verifiers', '--max-messages', '1000', '--verbose'];
  const received = await run('consumeVerifiably', [...read, '--reset-policy', 'earliest']);
  const values = events(received, 'record_data').map(({ value }) => Number(value));
  expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(events(received, 'offsets_committed').every(({ success }) => success)).toBe(true);
});
