/**
 * Our broker and Apache Kafka side by side on one disk, both with their default settings, and kcat, one build of
 * librdkafka, as the client of both: it is C throughout, so little of a client's own work hides what a broker costs.
 */
import { KafkaClient } from '../../broker/client/client.ts';
import { settingsSchema } from '../../config/settings.ts';
import { type Kafka, startKafka } from '../../test/real/bed/kafka.ts';
import { startBroker } from '../broker-process.ts';
import { runProgram } from './process-usage.ts';

export const PARTITIONS = 4;

/** What Kafka's own start script gives the JVM of a broker. */
const KAFKA_JVM = [
  '-Xms1g',
  '-Xmx1g',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-XX:MaxInlineLevel=15',
];

/** Kafka's defaults where the bed has others, for the sake of tests. */
const KAFKA_PROPERTIES = {
  'broker.session.timeout.ms': 9_000,
  'broker.heartbeat.interval.ms': 2_000,
  'log.initial.task.delay.ms': 30_000,
  'log.retention.check.interval.ms': 300_000,
  'log.cleaner.backoff.ms': 15_000,
  'log.cleaner.dedupe.buffer.size': 128 * 1024 * 1024,
  // Not a default: deleted topics free the disk before the next run, not during it.
  'log.segment.delete.delay.ms': 0,
};

const PRODUCER = ['acks=1', 'queue.buffering.max.messages=1000000'];
/**
 * Without these, librdkafka 2.0 pauses for a second whenever its queue is full, and half a second before it tells the
 * end.
 */
const CONSUMER = [
  'queued.min.messages=10000000',
  'queued.max.messages.kbytes=2097151',
  'fetch.wait.max.ms=10',
];
const settings = (all: readonly string[]) => all.flatMap((each) => ['-X', each]);

/** Apache Kafka as its start script would start it. */
export const startShippedKafka = (): Promise<Kafka> =>
  startKafka({ jvm: KAFKA_JVM, properties: KAFKA_PROPERTIES });

/** One of the two brokers. */
export interface Contender {
  name: string;
  /** HOST:PORT. */
  address: string;
  pid: number;
}

/** Both brokers, fresh, with their data on the same disk. */
export async function startBoth(): Promise<
  AsyncDisposable & { brokers: readonly Contender[]; scratch: string }
> {
  await using stack = new AsyncDisposableStack();
  const kafka = stack.use(await startShippedKafka());
  const ours = await startBroker(kafka.bed.join('data'));
  // Whatever it did with a Ctrl-C that it got too, what counts is that it has ended.
  stack.defer(() =>
    ours.stop().then(
      () => undefined,
      () => undefined,
    ),
  );
  const [daemon] = kafka.brokers;
  const resources = stack.move();
  return {
    brokers: [
      { name: 'millrace', address: ours.address, pid: ours.pid },
      { name: 'Apache Kafka', address: kafka.bootstrap, pid: daemon!.pid },
    ],
    scratch: kafka.bed.join('tmp'),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Sends each line of a file as a record. */
export function produceLines(
  address: string,
  topic: string,
  file: string,
  signal: AbortSignal,
  codec: 'none' | 'lz4' = 'none',
) {
  const args = ['-P', '-q', '-b', address, '-t', topic, ...settings(PRODUCER), '-z', codec, '-l', file];
  return runProgram('kcat', args, { signal });
}

/** Reads a whole topic to nowhere; `count` tells the bytes of its lines. */
export function consumeAll(
  address: string,
  topic: string,
  signal: AbortSignal,
  output: 'drop' | 'count' = 'drop',
) {
  const args = ['-C', '-q', '-e', '-o', 'beginning', '-b', address, '-t', topic, ...settings(CONSUMER)];
  return runProgram('kcat', args, { signal, output });
}

const connect = (address: string) =>
  KafkaClient.connect(settingsSchema.parse({ client: { brokers: address } }).client);

/** A new topic; it is used when all its partitions have leaders. */
export async function createTopic(address: string, topic: string): Promise<void> {
  await using client = await connect(address);
  await client.createTopic(topic, { partitions: PARTITIONS, replication: 1, configs: {} });
  await countRecords(address, topic);
}

export async function deleteTopic(address: string, topic: string): Promise<void> {
  await using client = await connect(address);
  await client.deleteTopic(topic);
}

/** The sum of the end offsets, as soon as all partitions have leaders. */
export async function countRecords(address: string, topic: string): Promise<number> {
  await using client = await connect(address);
  const parts = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
  const ends = await client.listOffsets(parts, 'latest');
  return ends.reduce((sum, { offset }) => sum + offset, 0);
}
