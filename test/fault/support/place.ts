/**
 * A broker and a topic of a case's own, for cases that produce meanwhile, break the log, or make the topic anew. The
 * broker can be stopped, its files changed, and started again under its address.
 */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '../../../broker/broker.ts';
import { KafkaClient } from '../../../broker/client/client.ts';
import { batchesOf } from '../../../broker/protocol/record-batch.ts';
import { settingsSchema } from '../../../config/settings.ts';
import { createTopic } from '../../support/load-topic.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { type Round, TopicTruth } from './topic-truth.ts';

export class Place implements AsyncDisposable {
  readonly truth: TopicTruth;
  readonly #dataDir: string;
  #broker: Broker;
  #isRunning = true;

  private constructor(dataDir: string, broker: Broker, truth: TopicTruth) {
    this.#dataDir = dataDir;
    this.#broker = broker;
    this.truth = truth;
  }

  static async open(dataDir: string, { topic = 'events', partitions = 2 } = {}): Promise<Place> {
    const place = new Place(dataDir, await startBroker(dataDir), new TopicTruth(topic));
    await createTopic(place.address, topic, partitions);
    return place;
  }

  get address(): string {
    return addressOf(this.#broker);
  }

  async produce(round: Round): Promise<void> {
    await this.truth.produce(this.address, round);
  }

  /** Deletes the topic and makes it again. */
  async recreate(partitions: number): Promise<void> {
    const { client: settings } = settingsSchema.parse({ client: { brokers: this.address } });
    await using client = await KafkaClient.connect(settings);
    await client.deleteTopic(this.truth.topic);
    await createTopic(this.address, this.truth.topic, partitions);
    this.truth.incarnation++;
  }

  /** Stops the broker, lets its files be changed, and starts it again at the same port. */
  async restart(change: () => void): Promise<void> {
    const { port } = this.#broker;
    await this.#broker.stop();
    this.#isRunning = false;
    change();
    this.#broker = await startBroker(this.#dataDir, { port });
    this.#isRunning = true;
  }

  /** Gives the topic one partition more, as no API of this broker does. Only while it is stopped. */
  addPartition(): void {
    const file = join(this.#dataDir, 'topics', `${this.truth.topic}.json`);
    const topic = JSON.parse(readFileSync(file, 'utf8')) as { partitions: number };
    writeFileSync(file, JSON.stringify({ ...topic, partitions: topic.partitions + 1 }));
  }

  /** Cuts the last batch off a partition, as if it had never reached the disk; returns where the log ends then. Only while the broker is stopped. */
  cutLastBatch(partition: number): number {
    const file = join(this.#dataDir, `${this.truth.topic}-${partition}`, `${'0'.repeat(20)}.log`);
    const last = [...batchesOf(readFileSync(file))].at(-1)!;
    truncateSync(file, last.at);
    const checkpoint = join(this.#dataDir, 'recovery-points.json');
    const points = JSON.parse(readFileSync(checkpoint, 'utf8')) as { recoveryPoints: Record<string, number> };
    const end = last.header.baseOffset;
    for (const name of Object.keys(points.recoveryPoints))
      if (name.endsWith(`-${partition}`)) points.recoveryPoints[name] = end;
    writeFileSync(checkpoint, `${JSON.stringify(points)}\n`);
    this.truth.cut(partition, end);
    return end;
  }

  /** Deletes the first batches of a partition, as retention does; returns where the log begins then. Only while the broker is stopped. */
  cutFirstBatches(partition: number, count: number): number {
    const directory = join(this.#dataDir, `${this.truth.topic}-${partition}`);
    const whole = join(directory, `${'0'.repeat(20)}.log`);
    const bytes = readFileSync(whole);
    const first = [...batchesOf(bytes)][count]!;
    const start = first.header.baseOffset;
    writeFileSync(join(directory, `${String(start).padStart(20, '0')}.log`), bytes.subarray(first.at));
    for (const kind of ['log', 'index', 'timeindex']) rmSync(whole.replace(/log$/, kind), { force: true });
    return start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isRunning) await this.#broker.stop();
  }
}
