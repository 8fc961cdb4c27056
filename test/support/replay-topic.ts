/**
 * Loads, replays and undoes in the test's own process, with one client and one pool of workers for all of them: what
 * the commands do, without the time it takes to start threads. Warnings fail the test unless it takes them.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { KafkaClient } from '../../broker/client/client.ts';
import type { Settings } from '../../config/settings.ts';
import {
  previewReplay,
  type ReplayOptions,
  type ReplayPreview,
  type ReplayResult,
  replayWith,
} from '../../jobs/replay.ts';
import { type UndoResult, undo } from '../../jobs/undo.ts';
import { openStore } from '../../loader/store/open-store.ts';
import type { Store } from '../../loader/store/store.ts';
import { TaskPool } from '../../loader/task-pool.ts';
import { loadTopic, type TopicLoadOptions, type TopicOutcome } from '../../loader/topic-load.ts';
import { type LoadSetup, setupSettings } from './load-topic.ts';

function warn(message: string): never {
  throw new Error(`unexpected warning: ${message}`);
}

/** What a run may be told otherwise: another store, above all, or settings of the loader. */
export interface Change extends Partial<Omit<ReplayOptions, 'settings'>> {
  loader?: Partial<Settings['loader']>;
}

export class Workshop implements AsyncDisposable {
  readonly warehouse: string;
  readonly store: Store;
  readonly client: KafkaClient;
  readonly #settings: Settings;
  readonly #pool: TaskPool;
  readonly #spoolDirectory: string;

  private constructor(setup: LoadSetup, settings: Settings, store: Store, client: KafkaClient) {
    this.warehouse = setup.warehouse;
    this.store = store;
    this.client = client;
    this.#settings = settings;
    this.#spoolDirectory = join(`${setup.warehouse}.spool`);
    this.#pool = new TaskPool(1);
    mkdirSync(this.#spoolDirectory, { recursive: true });
  }

  static async open(setup: LoadSetup): Promise<Workshop> {
    const settings = setupSettings(setup);
    return new Workshop(
      setup,
      settings,
      await openStore(settings),
      await KafkaClient.connect(settings.client),
    );
  }

  #place({ loader, ...change }: Change) {
    const settings = { ...this.#settings, loader: { ...this.#settings.loader, ...loader } };
    return { store: this.store, client: this.client, now: Date.now, warn, ...change, settings };
  }

  /** One load. */
  async load(topic: string, change: Change & Partial<TopicLoadOptions> = {}): Promise<TopicOutcome> {
    const metadata = await this.client.metadata([topic]);
    const outcome = await loadTopic(
      {
        pool: this.#pool,
        workers: 1,
        spoolDirectory: this.#spoolDirectory,
        run: crypto.randomUUID(),
        accepted: { gap: false, recreated: false, by: '' },
        records: undefined,
        onPlanned: () => {},
        onLoaded: () => {},
        ...this.#place(change),
      },
      metadata.topics[0]!,
    );
    for (const { error } of outcome.partitions) if (error !== null) throw new Error(error);
    return outcome;
  }

  /** One replay. */
  async replay(
    topic: string,
    selection: ReplayOptions['selection'],
    change: Change = {},
  ): Promise<ReplayResult> {
    const workshop = { pool: this.#pool, workers: 2, spoolDirectory: this.#spoolDirectory };
    return await replayWith(workshop, { topic, selection, acceptFewer: false, ...this.#place(change) });
  }

  /** What a replay would do. */
  async preview(topic: string, selection: ReplayOptions['selection']): Promise<ReplayPreview> {
    return await previewReplay({ topic, selection, ...this.#place({}) });
  }

  /** Takes the rewrite of that number back. */
  async undo(topic: string, rewrite: number, change: Change = {}): Promise<UndoResult> {
    return await undo({ topic, rewrite, ...this.#place(change) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
    await this.client[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }
}

/** A run on another warehouse than the workshop's own, through this store. The tasks open stores of their own, by the settings. */
export const inPlace = (store: Store, warehouse: string) => ({
  store,
  warn: () => {},
  loader: { warehouse: `file:${warehouse}` },
});

/** A range of one partition. */
export const offsets = (partition: number, from: number, until: number): ReplayOptions['selection'] => ({
  partition,
  from: { offset: from },
  to: { offset: until },
});
