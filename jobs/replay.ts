/**
 * Replay: offsets that are in the table already are read again from the log, and the new rows take the place of the old
 * ones in one rewrite of the topic. Each record is judged as it was when it was first read; rows outside the ranges stay
 * as they are, also where they share a file with rows inside. It can be taken back while the trash is kept.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Settings } from '../config/settings.ts';
import { touchedHours } from '../loader/apply-rewrite.ts';
import { listPartitions } from '../loader/commit-chain.ts';
import { asDataFile } from '../loader/fold.ts';
import type { Hour } from '../loader/hour.ts';
import { watch, workersOf } from '../loader/loader.ts';
import { RecoveredTopic } from '../loader/recover.ts';
import { rewriteTopic } from '../loader/rewrite-topic.ts';
import { openSpoolDirectory } from '../loader/spool-directory.ts';
import type { Store } from '../loader/store/store.ts';
import { followTopicState, readTopicState } from '../loader/table-state.ts';
import { TaskPool } from '../loader/task-pool.ts';
import { tombstoneRule } from '../loader/topic-load.ts';
import { findSchema } from '../schemas/event-schema.ts';
import { attemptReplay, type ReplayInputs } from './replay-attempt.ts';
import { hoursOf, type ReplayRange, removalOf, rowsOfWhole } from './replay-plan.ts';
import { checkLogStarts, checkSameLogs, type ReplaySelection, selectRanges } from './replay-range.ts';
import { rowsOf, runOnTable } from './table-run.ts';

export interface ReplayOptions {
  settings: Pick<Settings, 'client' | 'loader' | 'webhdfs' | 'topics' | 'schemas'>;
  store: Store;
  client: KafkaClient;
  topic: string;
  selection: ReplaySelection;
  /** Goes on where the log has fewer records than the table has rows: a compacted topic. */
  acceptFewer: boolean;
  now: () => number;
  warn: (message: string) => void;
  /** Told a few times a second how many records were read, of how many offsets. */
  onProgress?: (read: number, planned: number) => void;
  /** Abandons the replay: nothing is published. */
  signal?: AbortSignal;
}

/** What a replay would do to one partition. Rows of files that would be cut are not known before they are read. */
export interface ReplayPartition extends ReplayRange {
  /** Files that would go as a whole, and their rows. */
  filesRemoved: number;
  rowsRemoved: number;
  /** Files that would be written anew without the range's rows. */
  filesCut: number;
  hours: number;
}

/** What a replay would do; the JSON of `replay --dry-run`. */
export interface ReplayPreview {
  topic: string;
  partitions: ReplayPartition[];
  filesRemoved: number;
  filesCut: number;
  /** An estimate: one per partition, hour and role, and one per file that is cut. */
  filesAdded: number;
  /** The files that would go, by path below the topic; a cut one comes back without the range's rows. */
  files: { path: string; hour: Hour; isCut: boolean }[];
  hours: Hour[];
}

/** What a replay did; the JSON of `replay`. */
export interface ReplayResult {
  runId: string;
  topic: string;
  /** Number of the rewrite. */
  rewrite: number;
  partitions: ReplayRange[];
  read: number;
  filtered: number;
  /** Rows in added files, carried over ones included. */
  rows: number;
  late: number;
  quarantined: number;
  filesRemoved: number;
  filesAdded: number;
  hours: Hour[];
  marked: Hour[];
  seconds: number;
}

/** What a replay would do. Changes nothing at all. Throws, with the reason, what the replay would refuse before it reads. */
export async function previewReplay({
  store,
  client,
  topic,
  selection,
}: Pick<ReplayOptions, 'store' | 'client' | 'topic' | 'selection'>): Promise<ReplayPreview> {
  if ((await listPartitions(store, topic)).length === 0)
    throw new Error(`topic "${topic}" has no table in ${store.url}; load it first`);
  const { chains, live } = await readTopicState(store, topic);
  const ranges = await selectRanges(client, topic, chains, selection);
  await checkSameLogs(client, topic, chains, ranges);
  await checkLogStarts(client, topic, ranges);
  const all = removalOf(live.values(), ranges);
  const files = [...all.whole, ...all.partly.map(({ file }) => file)];
  const partitions = ranges.map((range) => {
    const { whole, partly } = removalOf(live.values(), [range]);
    return {
      ...range,
      filesRemoved: whole.length,
      rowsRemoved: rowsOfWhole(whole).get(range.partition) ?? 0,
      filesCut: partly.length,
      hours: hoursOf({ whole, partly }).length,
    };
  });
  const kinds = new Set(files.map(({ partition, hour, role }) => `${partition} ${hour} ${role}`));
  return {
    topic,
    partitions,
    filesRemoved: all.whole.length,
    filesCut: all.partly.length,
    filesAdded: kinds.size + all.partly.length,
    files: files
      .map(({ final: path, hour }, i) => ({ path, hour, isCut: i >= all.whole.length }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
    hours: hoursOf(all),
  };
}

/** Replays. Throws, with the reason and nothing changed, what has to be refused. */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { loader } = options.settings;
  await using spool = await openSpoolDirectory(loader);
  const workers = workersOf(loader);
  await using pool = new TaskPool(workers);
  return await replayWith({ pool, workers, spoolDirectory: spool.path }, options);
}

/** The same with workers that are there already. */
export async function replayWith(
  workshop: Pick<ReplayInputs, 'pool' | 'workers' | 'spoolDirectory'>,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { settings, store, client, topic, now } = options;
  const startedMs = now();
  const preview = await previewReplay(options);
  const ranges = preview.partitions.map(
    ({ partition, incarnation, from, until }): ReplayRange => ({ partition, incarnation, from, until }),
  );
  const schema = await findSchema(topic, settings);
  const tombstones = await tombstoneRule(options, topic);
  const offsets = ranges.reduce((sum, { from, until }) => sum + until - from, 0);
  using _watch = watch(workshop.pool, options, () => offsets);
  const inputs: ReplayInputs = { ...options, ...workshop, ranges, schema, tombstones };
  const { runId, record, marked } = await runOnTable(
    { ...options, kind: 'replay', ranges },
    async (run) =>
      await rewriteTopic(new RecoveredTopic(store, topic), { run, now }, async (state, attempt) => {
        const { removed, adds, counts } = await attemptReplay(inputs, state, attempt);
        await checkSameLogs(client, topic, (await followTopicState(store, state)).chains, ranges);
        options.signal?.throwIfAborted();
        return { kind: 'replay', removes: removed.map(asDataFile), adds, ranges, counts };
      }),
  );
  const { seq, adds, removes, counts } = record!;
  return {
    runId,
    topic,
    rewrite: seq,
    partitions: ranges,
    read: counts!.read,
    filtered: counts!.filtered,
    rows: rowsOf(adds, 'data'),
    late: rowsOf(adds, 'late'),
    quarantined: rowsOf(adds, 'quarantine'),
    filesRemoved: removes.length,
    filesAdded: adds.length,
    hours: touchedHours(record!),
    marked,
    seconds: (now() - startedMs) / 1_000,
  };
}
