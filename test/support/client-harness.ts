/**
 * A broker and clients of it in the test's own process, and the records of a partition as they come back.
 */
import type { Broker } from '../../broker/broker.ts';
import { KafkaClient } from '../../broker/client/client.ts';
import { fetchRange } from '../../broker/client/fetch-range.ts';
import { batchesOf, type ReadRecord, recordsOf } from '../../broker/protocol/record-batch.ts';
import type { TopicPartition } from '../../broker/topic-partition.ts';
import { type Settings, settingsSchema } from '../../config/settings.ts';
import { addressOf, type BrokerOverrides, startBroker } from './start-broker.ts';
import { TempDir } from './temp-dir.ts';

const defaults = settingsSchema.parse({});
/** Small enough that a few thousand records take many fetches. */
const FETCH_BYTES = 20_000;

/** A broker with its directory and all clients opened on it; stop it with `await using`. */
export class ClientHarness implements AsyncDisposable {
  readonly broker: Broker;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(broker: Broker, dataDir: string, stack: AsyncDisposableStack) {
    this.broker = broker;
    this.host = broker.host;
    this.port = broker.port;
    this.dataDir = dataDir;
    this.#stack = stack;
  }

  static async start(overrides: BrokerOverrides = {}): Promise<ClientHarness> {
    const stack = new AsyncDisposableStack();
    const directory = stack.use(new TempDir('client'));
    const broker = stack.use(await startBroker(directory.path, overrides));
    return new ClientHarness(broker, directory.path, stack);
  }

  /** A client of the broker, by its own address unless another host is given. */
  async connect(settings: Partial<Settings['client']> = {}, host = this.host): Promise<KafkaClient> {
    const brokers = addressOf({ host, port: this.port });
    return this.#stack.use(await KafkaClient.connect({ ...defaults.client, brokers, ...settings }));
  }

  /** Stops something else with the broker. */
  use<T extends AsyncDisposable>(value: T): T {
    return this.#stack.use(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Producer settings with a short linger. */
export function producerSettings(settings: Partial<Settings['producer']> = {}): Settings['producer'] {
  return { ...defaults.producer, lingerMs: 1, ...settings };
}

/** The records of a partition from an offset, to the end of the log unless told. */
export async function readAll(
  client: KafkaClient,
  part: TopicPartition,
  from = 0,
  until?: number,
): Promise<ReadRecord[]> {
  const [end] = await client.listOffsets([part], 'latest', 'read_committed');
  const range = { from, until: until ?? end?.offset ?? 0 };
  const records: ReadRecord[] = [];
  const options = { maxBytes: FETCH_BYTES, isolation: 'read_committed' } as const;
  for await (const { bytes } of fetchRange(client, part, range, options)) {
    for (const { at, header } of batchesOf(bytes)) records.push(...recordsOf(bytes, at, header));
  }
  return records;
}
