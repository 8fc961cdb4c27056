/**
 * One load: every named topic, some of them side by side, their tasks shared by one pool of worker threads, each event
 * into the table exactly once. A load may be killed at any moment, started twice, or run beside another; the next one puts
 * everything right by itself.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type FoundOffset, KafkaClient } from '../broker/client/client.ts';
import type { ClusterMetadata } from '../broker/client/cluster-metadata.ts';
import { commitOffsets, type GroupOffset } from '../broker/client/group-offsets.ts';
import type { Settings } from '../config/settings.ts';
import type { Accepted } from './accept.ts';
import type { Hour } from './hour.ts';
import type { Shard } from './shard.ts';
import { openRecordCache, openSpoolDirectory } from './spool-directory.ts';
import type { Store } from './store/store.ts';
import { TaskPool } from './task-pool.ts';
import { loadTopic, type TopicLoadOptions, type TopicOutcome } from './topic-load.ts';

export interface LoadOptions {
  settings: TopicLoadOptions['settings'];
  store: Store;
  topics: readonly string[];
  /** Records at or after this time are left for later; milliseconds since 1970. */
  untilMs?: number;
  /** Most offsets read per topic. */
  maxEvents?: number;
  /** Reading stops after this; what was read is committed. */
  maxMinutes?: number;
  /** Only the partitions of this shard; other runs load the others. */
  shard?: Shard;
  /** What an operator has signed for; nothing, unless told. */
  accepted?: Accepted;
  now?: () => number;
  warn: (message: string) => void;
  /** Told a few times a second how many records were read, of how many offsets planned. */
  onProgress?: (read: number, planned: number) => void;
  /** Abandons the load: nothing further is published. */
  signal?: AbortSignal;
}

/** What a load did; the JSON that `load --json` prints. */
export interface LoadResult {
  runId: string;
  topics: TopicOutcome[];
  rows: number;
  quarantined: number;
  files: number;
  bytes: number;
  hours: Hour[];
  seconds: number;
}

const PROGRESS_INTERVAL_MS = 200;
const MS_PER_MINUTE = 60_000;

type TopicMetadata = ClusterMetadata['topics'][number];

/**
 * Runs one load. Trouble of a partition or a topic stands in the result; throws if broker or warehouse can't be used, or
 * if no topic could be loaded at all.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { settings, topics, store, signal, untilMs, maxEvents, shard, warn } = options;
  const now = options.now ?? Date.now;
  const startedMs = now();
  const runId = randomUUID();
  await using client = await KafkaClient.connect(settings.client, { clientId: 'millrace-loader' });
  const metadata = await client.metadata([...topics], { autoCreate: false });
  await using spool = await openSpoolDirectory(settings.loader);
  const workers = workersOf(settings.loader);
  await using pool = new TaskPool(workers);
  let planned = 0;
  const loaded: GroupOffset[] = [];
  using _watch = watch(pool, options, () => planned);
  const shared: TopicLoadOptions = {
    settings,
    store,
    client,
    pool,
    workers,
    spoolDirectory: spool.path,
    records: openRecordCache(settings.loader),
    run: runId,
    untilMs,
    maxEvents,
    shard,
    accepted: options.accepted ?? { gap: false, recreated: false, by: '' },
    now,
    warn,
    onPlanned: (offsets) => {
      planned += offsets;
    },
    onLoaded: (offsets) => {
      loaded.push(...offsets);
    },
  };
  const { outcomes, failures } = await loadAll(shared, metadata.topics, signal);
  signal?.throwIfAborted();
  await report(shared, loaded);
  if (failures.length > 0 && failures.length === outcomes.length) throw failures[0];
  return summary(runId, outcomes, (now() - startedMs) / 1_000);
}

/**
 * Tells the broker how far everything is loaded, in the name of a group: a hint for its retention, and lag in Kafka's
 * tools. The chains in the warehouse stay the only truth, so trouble here is no trouble of the load.
 */
async function report({ client, settings, warn }: TopicLoadOptions, loaded: readonly GroupOffset[]) {
  const { reportGroup } = settings.loader;
  if (reportGroup === '' || loaded.length === 0) return;
  await commitOffsets(client, reportGroup, loaded).catch((error: unknown) => {
    warn(
      `the broker was not told how far the topics are loaded (group ${reportGroup}, setting loader.reportGroup): ${(error as Error).message}; the table is whole`,
    );
  });
}

/**
 * Loads all topics, so many side by side: what is kept in memory of one is let go before the next begins. One that fails
 * fails alone.
 */
async function loadAll(
  options: TopicLoadOptions,
  topics: readonly TopicMetadata[],
  signal: AbortSignal | undefined,
): Promise<{ outcomes: TopicOutcome[]; failures: unknown[] }> {
  const { client, settings } = options;
  const outcomes = new Map<TopicMetadata, TopicOutcome>();
  const failures: unknown[] = [];
  const queue = (await longestFirst(client, topics, settings.loader)).values();
  const lane = async () => {
    for (const topic of queue)
      try {
        signal?.throwIfAborted();
        checkTopic(topic.name, topic.error);
        outcomes.set(topic, await loadTopic(options, topic));
      } catch (error) {
        failures.push(error);
        outcomes.set(topic, failedTopic(topic.name, error));
      }
  };
  await Promise.all(Array.from({ length: settings.loader.topicsAtOnce }, lane));
  return { outcomes: topics.map((topic) => outcomes.get(topic)!), failures };
}

function failedTopic(topic: string, error: unknown): TopicOutcome {
  const message = error instanceof Error ? error.message : String(error);
  const isNamed = [`topic ${topic} `, `"${topic}"`, `${topic}:`].some((name) => message.includes(name));
  return { topic, partitions: [], hours: [], marked: [], error: isNamed ? message : `${topic}: ${message}` };
}

/**
 * The topics in the order they are begun in, longest log first: how far behind a topic is, is known only once its chains
 * are read, and where loads are regular, that goes with what the log holds. Where all begin at once the order is theirs.
 */
async function longestFirst(
  client: KafkaClient,
  topics: readonly TopicMetadata[],
  { topicsAtOnce }: Settings['loader'],
): Promise<readonly TopicMetadata[]> {
  if (topics.length <= topicsAtOnce) return topics;
  const parts = topics.flatMap(({ name: topic, error, partitions }) =>
    error ? [] : partitions.filter((one) => !one.error).map(({ partition }) => ({ topic, partition })),
  );
  const lengths = new Map<string, number>();
  const add = (sign: 1 | -1, found: readonly FoundOffset[]) => {
    for (const { topic, offset } of found) lengths.set(topic, (lengths.get(topic) ?? 0) + sign * offset);
  };
  try {
    add(1, await client.listOffsets(parts, 'latest'));
    add(-1, await client.listOffsets(parts, 'earliest'));
  } catch {
    return topics; // a partition that can't be asked now is told of by its own topic
  }
  const length = ({ name }: TopicMetadata) => lengths.get(name) ?? 0;
  return topics.toSorted((a, b) => length(b) - length(a));
}

/** Throws if a topic of the broker's answer can't have a table. */
export function checkTopic(name: string, error: string | undefined): void {
  if (error !== undefined)
    throw new Error(
      `no topic "${name}" on the broker (${error}); "millrace topics list" shows those there are`,
    );
  if (/^[_.]/.test(name))
    throw new Error(
      `topic ${name} can't be loaded: readers of the table pass over names that begin with "_" or "."; use another name`,
    );
}

/** Worker threads by the settings. */
export function workersOf({ workers }: Settings['loader']): number {
  return workers === 0 ? availableParallelism() : workers;
}

/** Ties the pool to the time budget, the abort signal and the progress callback; disposing unties it. */
export function watch(
  pool: TaskPool,
  { maxMinutes, signal, onProgress }: Pick<LoadOptions, 'maxMinutes' | 'signal' | 'onProgress'>,
  planned: () => number,
): Disposable {
  const abandon = () => pool.stop('abandon');
  if (signal?.aborted) abandon();
  signal?.addEventListener('abort', abandon);
  const budget =
    maxMinutes === undefined ? undefined : setTimeout(() => pool.stop('finish'), maxMinutes * MS_PER_MINUTE);
  const progress = onProgress && setInterval(() => onProgress(pool.read, planned()), PROGRESS_INTERVAL_MS);
  return {
    [Symbol.dispose]() {
      clearTimeout(budget);
      clearInterval(progress);
      signal?.removeEventListener('abort', abandon);
      onProgress?.(pool.read, planned());
    },
  };
}

function summary(runId: string, topics: TopicOutcome[], seconds: number): LoadResult {
  const partitions = topics.flatMap((topic) => topic.partitions);
  const total = (key: 'rows' | 'quarantined' | 'files' | 'bytes') =>
    partitions.reduce((sum, partition) => sum + partition[key], 0);
  const hours = [...new Set(topics.flatMap((topic) => topic.hours))].sort();
  return {
    runId,
    topics,
    rows: total('rows'),
    quarantined: total('quarantined'),
    files: total('files'),
    bytes: total('bytes'),
    hours,
    seconds,
  };
}
