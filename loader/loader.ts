/**
 * One load: every named topic, one worker thread per partition at work, each event into the table exactly once. A load
 * may be killed at any moment, started twice, or run beside another; the next one puts everything right by itself.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { KafkaClient } from '../broker/client/client.ts';
import type { Settings } from '../config/settings.ts';
import type { Accepted } from './accept.ts';
import type { Hour } from './hour.ts';
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

/** Runs one load. Throws if a topic is unknown or broker or warehouse can't be used; trouble of single partitions stands in the result. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { settings, topics, store, signal } = options;
  const now = options.now ?? Date.now;
  const startedMs = now();
  const runId = randomUUID();
  await using client = await KafkaClient.connect(settings.client, { clientId: 'millrace-loader' });
  const metadata = await client.metadata([...topics], { autoCreate: false });
  for (const { name, error } of metadata.topics) checkTopic(name, error);
  await using spool = await openSpoolDirectory(settings.loader);
  const workers = workersOf(settings.loader);
  await using pool = new TaskPool(workers);
  let planned = 0;
  using _watch = watch(pool, options, () => planned);
  const outcomes: TopicOutcome[] = [];
  for (const topic of metadata.topics) {
    signal?.throwIfAborted();
    const { untilMs, maxEvents, warn } = options;
    const onPlanned = (offsets: number) => {
      planned += offsets;
    };
    outcomes.push(
      await loadTopic(
        {
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
          accepted: options.accepted ?? { gap: false, recreated: false, by: '' },
          now,
          warn,
          onPlanned,
        },
        topic,
      ),
    );
  }
  signal?.throwIfAborted();
  return summary(runId, outcomes, (now() - startedMs) / 1_000);
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
