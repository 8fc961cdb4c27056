/**
 * Loads in the test's own process, with settings as small as the test wants them: the same call as the command `load`.
 */
import { KafkaClient } from '../../broker/client/client.ts';
import { Producer } from '../../broker/client/producer.ts';
import { type Settings, settingsSchema } from '../../config/settings.ts';
import { type LoadOptions, type LoadResult, load } from '../../loader/loader.ts';
import { openStore } from '../../loader/store/open-store.ts';

export interface LoadSetup {
  /** `host:port` of the broker. */
  address: string;
  /** Local directory of the warehouse, or a URL. */
  warehouse: string;
  loader?: Partial<Settings['loader']>;
  topics?: Settings['topics'];
  schemasDir?: string;
  schemas?: Partial<Settings['schemas']>;
}

/** The settings of a setup: defaults, two workers, and what it overrides. */
export function setupSettings({
  address,
  warehouse,
  loader,
  topics,
  schemasDir,
  schemas,
}: LoadSetup): Settings {
  return settingsSchema.parse({
    client: { brokers: address },
    loader: { warehouse: warehouse.includes('://') ? warehouse : `file:${warehouse}`, workers: 2, ...loader },
    topics: topics ?? {},
    schemas: { dir: schemasDir ?? '', ...schemas },
  });
}

/** Loads topics once. Warnings fail the test unless it takes them. */
export async function loadTopics(
  setup: LoadSetup,
  topics: string | string[],
  options: Partial<LoadOptions> = {},
): Promise<LoadResult> {
  const settings = setupSettings(setup);
  await using store = await openStore(settings);
  const warn = (message: string) => {
    throw new Error(`unexpected warning: ${message}`);
  };
  return await load({ settings, store, topics: [topics].flat(), warn, ...options });
}

/** One record to send; `partition` undefined leaves the choice to the key. */
export interface TestRecord {
  value: string | Buffer | null;
  key?: string | Buffer | null;
  partition?: number;
  timestampMs?: number;
  headers?: { key: string; value: Buffer | null }[];
}

const bytes = (text: string | Buffer | null | undefined) =>
  typeof text === 'string' ? Buffer.from(text) : (text ?? null);

/** Creates a topic. */
export async function createTopic(address: string, name: string, partitions: number): Promise<void> {
  const { client: settings } = settingsSchema.parse({ client: { brokers: address } });
  await using client = await KafkaClient.connect(settings);
  await client.createTopic(name, { partitions, replication: 1, configs: {} });
}

/** Sends records with millrace's producer and waits until all are acknowledged. */
export async function sendRecords(
  address: string,
  topic: string,
  records: Iterable<TestRecord>,
  producer: Partial<Settings['producer']> = {},
): Promise<void> {
  const settings = settingsSchema.parse({ client: { brokers: address }, producer });
  await using client = await KafkaClient.connect(settings.client);
  const sender = await Producer.open(client, settings.producer);
  for (const { value, key, partition, timestampMs, headers } of records) {
    await sender.send(topic, {
      key: bytes(key),
      value: bytes(value),
      timestampMs: timestampMs ?? Date.now(),
      ...(headers ? { headers } : {}),
      ...(partition === undefined ? {} : { partition }),
    });
  }
  await sender.close();
}
