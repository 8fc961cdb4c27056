/**
 * Two loaders on one topic at the same time, again and again: each round both are given the same new records to load, with
 * other waits between their operations. Each has its own connection and worker threads, kept over the rounds.
 */
import { KafkaClient } from '../../broker/client/client.ts';
import type { Settings } from '../../config/settings.ts';
import { openRecordCache, openSpoolDirectory } from '../../loader/spool-directory.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { TaskPool } from '../../loader/task-pool.ts';
import { loadTopic, type TopicOutcome } from '../../loader/topic-load.ts';
import { racingStore } from './racing-store.ts';

/** A loader that stays, as a service would. */
export class RacingLoader implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #resources: AsyncDisposableStack;
  readonly #client: KafkaClient;
  readonly #pool: TaskPool;
  readonly #spoolDirectory: string;

  private constructor(
    settings: Settings,
    resources: AsyncDisposableStack,
    parts: { client: KafkaClient; pool: TaskPool; spoolDirectory: string },
  ) {
    this.#settings = settings;
    this.#resources = resources;
    this.#client = parts.client;
    this.#pool = parts.pool;
    this.#spoolDirectory = parts.spoolDirectory;
  }

  static async open(settings: Settings): Promise<RacingLoader> {
    await using resources = new AsyncDisposableStack();
    const client = resources.use(await KafkaClient.connect(settings.client));
    const { path: spoolDirectory } = resources.use(await openSpoolDirectory(settings.loader));
    const pool = resources.use(new TaskPool(1));
    return new RacingLoader(settings, resources.move(), { client, pool, spoolDirectory });
  }

  /** One load of a topic; its store waits by the seed. */
  async load(topic: string, { seed, maxMs }: { seed: number; maxMs: number }): Promise<TopicOutcome> {
    await using store = await openStore(this.#settings);
    const metadata = await this.#client.metadata([topic]);
    return await loadTopic(
      {
        settings: this.#settings,
        records: openRecordCache(this.#settings.loader),
        store: racingStore(store, seed, maxMs),
        client: this.#client,
        pool: this.#pool,
        workers: 1,
        spoolDirectory: this.#spoolDirectory,
        run: crypto.randomUUID(),
        accepted: { gap: false, recreated: false, by: '' },
        now: Date.now,
        warn: () => {},
        onPlanned: () => {},
        onLoaded: () => {},
      },
      metadata.topics[0]!,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** What a round came to: rows by each loader, and what stopped a partition. */
export interface RaceResult {
  rows: [number, number];
  errors: string[];
}

/** Starts both at once; the second's seed is another one of the first's. */
export async function race(
  loaders: readonly [RacingLoader, RacingLoader],
  topic: string,
  { seed, maxMs }: { seed: number; maxMs: number },
): Promise<RaceResult> {
  const outcomes = await Promise.all(
    loaders.map((loader, i) => loader.load(topic, { seed: 2 * seed + i, maxMs })),
  );
  const rows = outcomes.map(({ partitions }) => partitions.reduce((sum, p) => sum + p.rows, 0));
  const errors = outcomes.flatMap(({ partitions }) => partitions.flatMap(({ error }) => error ?? []));
  return { rows: rows as [number, number], errors };
}
