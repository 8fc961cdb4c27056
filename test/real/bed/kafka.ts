/**
 * Apache Kafka as plain processes: one broker or three, each also a KRaft controller, on free loopback ports. Any one of
 * three may be killed and started again.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KafkaClient } from '../../../broker/client/client.ts';
import type { TopicMetadata } from '../../../broker/client/cluster-metadata.ts';
import { type Settings, settingsSchema } from '../../../config/settings.ts';
import { Bed, type BedOptions } from './bed.ts';
import { runCommand } from './command.ts';
import { Daemon } from './daemon.ts';
import { fetchJars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';
import { freePorts, LOOPBACK } from './ports.ts';
import { waitFor } from './wait.ts';

const CLUSTER_ID = 'bWlsbHJhY2UtcmVhbC1iZQ';
const TOOL_LIMIT_MS = 300_000;
const TOPIC_LIMIT_MS = 300_000;
/** Probes of a starting broker fail at once; the waiting is done outside. */
const PROBE = { retries: 0, connectTimeoutMs: 2000, requestTimeoutMs: 5000 };

export interface KafkaOptions extends BedOptions {
  brokers?: 1 | 3;
  /** Settings of server.properties over the bed's own, for all brokers. */
  properties?: Record<string, string | number | boolean>;
}

interface BrokerPorts {
  client: number;
  controller: number;
}

function clientSettings(brokers: string, overrides: Partial<Settings['client']> = {}): Settings['client'] {
  return { ...settingsSchema.parse({}).client, brokers, ...overrides };
}

export class KafkaBroker extends Daemon {
  readonly host = LOOPBACK;
  readonly port: number;
  readonly nodeId: number;

  constructor(bed: Bed, lib: string, nodeId: number, port: number, config: string) {
    const address = `${LOOPBACK}:${port}`;
    super(bed.place(`broker${nodeId}`), {
      command: javaCommand(),
      args: kafkaArguments(bed, lib, 'kafka.Kafka', [config], 512),
      cwd: bed.join('tmp'),
      // It answers before it is a member of the cluster; only then do clients find it.
      isReady: async () => {
        await using client = await KafkaClient.connect(clientSettings(address, PROBE));
        const { brokers } = await client.metadata([]);
        return brokers.some((broker) => broker.nodeId === nodeId);
      },
    });
    this.nodeId = nodeId;
    this.port = port;
  }
}

function kafkaArguments(bed: Bed, lib: string, main: string, args: string[], heapMb: number): string[] {
  return javaArguments({
    classPath: [lib],
    main,
    args,
    heapMb,
    jvm: bed.jvm,
    properties: {
      'millrace.bed': `${bed.path}/`,
      'kafka.logs.dir': bed.join('logs'),
      'org.slf4j.simpleLogger.defaultLogLevel': 'warn',
      'org.slf4j.simpleLogger.showDateTime': 'true',
    },
  });
}

export class Kafka implements AsyncDisposable {
  readonly bed: Bed;
  readonly brokers: readonly KafkaBroker[];
  readonly #lib: string;

  constructor(bed: Bed, lib: string, brokers: readonly KafkaBroker[]) {
    this.bed = bed;
    this.brokers = brokers;
    this.#lib = lib;
  }

  /** `HOST:PORT,…` of all brokers. */
  get bootstrap(): string {
    return this.brokers.map(({ host, port }) => `${host}:${port}`).join(',');
  }

  /** A client of ours; close it with `await using`. */
  connect(overrides: Partial<Settings['client']> = {}): Promise<KafkaClient> {
    return KafkaClient.connect(clientSettings(this.bootstrap, overrides));
  }

  /** Creates a topic and waits until every partition has a leader. Replicated to all brokers unless told. */
  async createTopic(
    name: string,
    options: { partitions?: number; replication?: number; configs?: Record<string, string> } = {},
  ): Promise<void> {
    const { partitions = 1, replication = this.brokers.length, configs = {} } = options;
    await using client = await this.connect();
    await client.createTopic(name, { partitions, replication, configs });
    await waitFor(`leaders of ${name}`, TOPIC_LIMIT_MS, async () => {
      const topic = (await client.metadata([name])).topics[0];
      return topic?.partitions.length === partitions && topic.partitions.every(({ leader }) => leader >= 0);
    });
  }

  async deleteTopic(name: string): Promise<void> {
    await using client = await this.connect();
    await client.deleteTopic(name);
  }

  async describeTopic(name: string): Promise<TopicMetadata> {
    await using client = await this.connect();
    return (await client.metadata([name])).topics[0]!;
  }

  /** Changes settings of a topic, by Kafka's own tool. Takes seconds. */
  async alterTopic(name: string, configs: Record<string, string>): Promise<void> {
    const changes = Object.entries(configs).map(([key, value]) => `${key}=[${value}]`);
    const what = ['--entity-type', 'topics', '--entity-name', name, '--alter'];
    await this.tool('kafka.admin.ConfigCommand', ...what, '--add-config', changes.join(','));
  }

  /** Deletes the records of a partition below an offset, by Kafka's own tool. Takes seconds. */
  async deleteRecords(topic: string, partition: number, offset: number): Promise<void> {
    const file = this.bed.join('tmp', `delete-${topic}-${partition}-${offset}.json`);
    await writeFile(file, JSON.stringify({ version: 1, partitions: [{ topic, partition, offset }] }));
    await this.tool('org.apache.kafka.tools.DeleteRecordsCommand', '--offset-json-file', file);
  }

  /** The broker that leads a partition now. */
  async leaderOf(topic: string, partition: number): Promise<KafkaBroker> {
    const { partitions } = await this.describeTopic(topic);
    const leader = partitions.find((part) => part.partition === partition)?.leader;
    const broker = this.brokers.find(({ nodeId }) => nodeId === leader);
    if (!broker) throw new Error(`${topic}-${partition} has no leader`);
    return broker;
  }

  /** Runs a class of Kafka's tools with `--bootstrap-server` and arguments, to its end; returns what it printed. */
  tool(main: string, ...args: string[]): Promise<string> {
    return this.run(main, '--bootstrap-server', this.bootstrap, ...args);
  }

  /** Runs any class of Kafka's to its end, as `org.apache.kafka.tools.ProducerPerformance`. */
  run(main: string, ...args: string[]): Promise<string> {
    return runCommand(javaCommand(), kafkaArguments(this.bed, this.#lib, main, args, 256), {
      limitMs: TOOL_LIMIT_MS,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bed[Symbol.asyncDispose]();
  }
}

/** server.properties of one broker: as shipped where it may, quick and small where tests would wait. */
function brokerProperties(
  bed: Bed,
  nodeId: number,
  ports: readonly BrokerPorts[],
  extra: KafkaOptions['properties'],
) {
  const own = ports[nodeId - 1]!;
  const voters = ports.map(({ controller }, index) => `${index + 1}@${LOOPBACK}:${controller}`);
  const copies = ports.length;
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': voters.join(','),
    listeners: `PLAINTEXT://${LOOPBACK}:${own.client},CONTROLLER://${LOOPBACK}:${own.controller}`,
    'advertised.listeners': `PLAINTEXT://${LOOPBACK}:${own.client}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': bed.join('data', `broker${nodeId}`),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': Math.min(2, copies),
    'transaction.state.log.num.partitions': 3,
    'group.initial.rebalance.delay.ms': 0,
    // A killed broker loses its leaderships after this.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    'replica.lag.time.max.ms': 5000,
    // Compaction and retention look again soon.
    'log.initial.task.delay.ms': 100,
    'log.retention.check.interval.ms': 1000,
    'log.cleaner.backoff.ms': 200,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
    ...extra,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

async function startIn(bed: Bed, { brokers: count = 1, properties }: KafkaOptions): Promise<Kafka> {
  const lib = join(await fetchJars('kafka'), 'lib', '*');
  const ports: BrokerPorts[] = [];
  for (let index = 0; index < count; index++) ports.push(await freePorts('client', 'controller'));
  await mkdir(bed.join('conf'));
  const brokers: KafkaBroker[] = [];
  for (const [index, { client }] of ports.entries()) {
    const nodeId = index + 1;
    const config = bed.join('conf', `broker${nodeId}.properties`);
    await writeFile(config, brokerProperties(bed, nodeId, ports, properties));
    brokers.push(bed.add(new KafkaBroker(bed, lib, nodeId, client, config)));
  }
  const kafka = new Kafka(bed, lib, brokers);
  await Promise.all(
    brokers.map(({ nodeId }) =>
      kafka.run(
        'kafka.tools.StorageTool',
        'format',
        '-t',
        CLUSTER_ID,
        '-c',
        bed.join('conf', `broker${nodeId}.properties`),
      ),
    ),
  );
  await Promise.all(brokers.map((broker) => broker.start()));
  return kafka;
}

/** Starts Kafka and waits until every broker is a member of the cluster; end it with `await using`. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const bed = await Bed.open(options.brokers === 3 ? 'kafka3' : 'kafka', options);
  try {
    const kafka = await startIn(bed, options);
    await bed.tell({ brokers: kafka.bootstrap });
    return kafka;
  } catch (error) {
    await bed[Symbol.asyncDispose]();
    throw error;
  }
}
