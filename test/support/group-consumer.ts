/**
 * A consumer of a group in a process of its own, with kafkajs. Run as a script, this file is that process: its arguments
 * are broker, group and topic; it commits each record by itself and prints what it does, one JSON object a line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';

const FILE = fileURLToPath(import.meta.url);
/** The shortest that a broker takes by default. */
const SESSION_MS = 6_000;

/** What a consumer tells: its share, a record it took, a commit that was answered. */
export type ConsumerLine =
  | { kind: 'share'; partitions: number[] }
  | { kind: 'took'; partition: number; offset: number; value: string }
  | { kind: 'committed'; partition: number; offset: number };

/** A consumer process. Disposing of it kills it if it still runs. */
export class GroupConsumer implements AsyncDisposable {
  /** What it read last that it is to read. */
  partitions: readonly number[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** `onLine` is told everything in its order. */
  constructor(address: string, group: string, topic: string, onLine: (line: ConsumerLine) => void) {
    this.#child = spawn(process.execPath, [FILE, address, group, topic], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    lines.on('line', (text) => {
      const line = JSON.parse(text) as ConsumerLine;
      if (line.kind === 'share') this.partitions = line.partitions;
      onLine(line);
    });
    this.#ended = Promise.all([once(this.#child, 'exit'), once(lines, 'close')]);
  }

  /** `kill -9`; resolves when all that it printed was read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    this.partitions = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

async function consume(address: string, groupId: string, topic: string): Promise<void> {
  const tell = (line: ConsumerLine) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const kafka = new Kafka({ clientId: 'consumer', brokers: [address], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId, sessionTimeout: SESSION_MS, heartbeatInterval: 500 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  consumer.on('consumer.group_join', ({ payload }) => {
    tell({ kind: 'share', partitions: payload.memberAssignment[topic] ?? [] });
  });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const offset = Number(message.offset);
      tell({ kind: 'took', partition, offset, value: String(message.value) });
      await consumer.commitOffsets([{ topic, partition, offset: String(offset + 1) }]);
      tell({ kind: 'committed', partition, offset: offset + 1 });
    },
  });
}

if (process.argv[1] === FILE) {
  const [, , address = '', group = '', topic = ''] = process.argv;
  await consume(address, group, topic);
}
