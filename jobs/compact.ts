/**
 * Compaction: merges the small files of complete hours, across partitions, into files near the target size, sorted by
 * event time. One rewrite per hour, so that readers miss an hour for a moment only and a stop loses one hour's work.
 * Every row of the new files is counted from them again before the rewrite is published: rows and digest must equal those
 * of the files they replace.
 */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFile, FilePart } from '../loader/commit.ts';
import type { LiveFile } from '../loader/fold.ts';
import { asDataFile } from '../loader/fold.ts';
import type { Hour } from '../loader/hour.ts';
import { judgeHours } from '../loader/hour-judge.ts';
import { listMarkedHours } from '../loader/hour-marker.ts';
import { finalName, stagedName } from '../loader/paths.ts';
import { RecoveredTopic } from '../loader/recover.ts';
import { type RewriteAttempt, rewriteTopic } from '../loader/rewrite-topic.ts';
import { ColumnsDiffer, type CountedRows, type RowCopier, timeColumnOf } from '../loader/row-copier.ts';
import { sumOfDigests } from '../loader/row-digest.ts';
import { checkParquet, uploadWhole } from '../loader/stage-files.ts';
import type { Store } from '../loader/store/store.ts';
import { liveFiles, liveFilesByHour } from '../loader/table-state.ts';
import { groupsToMerge } from './compact-plan.ts';
import { FetchedFiles } from './fetched-files.ts';

export interface CompactOptions {
  store: Store;
  topic: string;
  copier: RowCopier;
  /** An existing local directory for files on their way. */
  localDirectory: string;
  /** Only this hour; without it all complete ones. */
  hour?: Hour | undefined;
  targetBytes: number;
  compression: 'snappy' | 'zstd' | 'uncompressed';
  rowGroupRows: number;
  /** Name of the schema's event time, for the order of rows; undefined for a raw table. */
  eventTime: string | undefined;
  /** For the markers of the hours that were rewritten. */
  graceMs: number;
  run: string;
  now: () => number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  warn: (message: string) => void;
}

/** What a compaction did. Bytes are of the files merged, before and after. */
export interface CompactResult {
  topic: string;
  hours: Hour[];
  filesBefore: number;
  filesAfter: number;
  bytesBefore: number;
  bytesAfter: number;
  rows: number;
}

/** Compacts a topic's complete hours. Throws if the topic has no table, or the hour asked for is not complete. */
export async function compact(options: CompactOptions): Promise<CompactResult> {
  const { store, topic, hour, targetBytes, signal, onProgress } = options;
  const table = new RecoveredTopic(store, topic);
  const state = await table.recover();
  if (state.chains.size === 0)
    throw new Error(`topic "${topic}" has no table in ${store.url}; load it first`);
  const marked = new Set(await listMarkedHours(store, topic));
  if (hour !== undefined && !marked.has(hour))
    throw new Error(`${topic}: hour ${hour} is not complete; only complete hours are compacted`);
  const hours = [...liveFilesByHour(state)]
    .filter(
      ([of, files]) =>
        (hour === undefined ? marked.has(of) : of === hour) && groupsToMerge(files, targetBytes).length > 0,
    )
    .map(([of]) => of)
    .sort();
  const result: CompactResult = {
    topic,
    hours: [],
    filesBefore: 0,
    filesAfter: 0,
    bytesBefore: 0,
    bytesAfter: 0,
    rows: 0,
  };
  try {
    for (const [done, of] of hours.entries()) {
      signal?.throwIfAborted();
      onProgress?.(done, hours.length);
      await compactHour(options, table, of, result);
    }
    onProgress?.(hours.length, hours.length);
  } finally {
    if (result.hours.length > 0) await markAgain(options, table);
  }
  return result;
}

async function compactHour(
  options: CompactOptions,
  table: RecoveredTopic,
  hour: Hour,
  result: CompactResult,
): Promise<void> {
  const { store, topic, targetBytes, run, now, warn, localDirectory } = options;
  await using local = await FetchedFiles.open(store, localDirectory);
  const rewrite = await rewriteTopic(table, { run, now }, async (state, attempt) => {
    const adds: DataFile[] = [];
    const removes: DataFile[] = [];
    const ofHour = liveFiles(state).filter((file) => file.hour === hour);
    for (const group of groupsToMerge([...ofHour], targetBytes)) {
      try {
        adds.push(await mergeGroup(options, local, { hour, group, attempt, part: adds.length }));
        removes.push(...group.map(asDataFile));
      } catch (error) {
        if (!(error instanceof ColumnsDiffer)) throw error;
        warn(`${topic}: files of ${hour} stay as they are: ${error.message}`);
      }
    }
    return adds.length === 0 ? undefined : { kind: 'compact', removes, adds };
  });
  if (rewrite === undefined) return;
  result.hours.push(hour);
  result.filesBefore += rewrite.removes.length;
  result.filesAfter += rewrite.adds.length;
  result.bytesBefore += total(rewrite.removes, ({ bytes }) => bytes);
  result.bytesAfter += total(rewrite.adds, ({ bytes }) => bytes);
  result.rows += total(rewrite.adds, ({ rows }) => rows);
}

interface Merge {
  hour: Hour;
  group: readonly LiveFile[];
  attempt: RewriteAttempt;
  part: number;
}

/** Merges a group into one staged file; its entry for the record. */
async function mergeGroup(
  options: CompactOptions,
  local: FetchedFiles,
  { hour, group, attempt, part }: Merge,
): Promise<DataFile> {
  const { store, topic, copier, localDirectory, compression, rowGroupRows, signal } = options;
  const sources = group.map(({ final }) => `${topic}/${final}`);
  await local.fetch(sources, signal);
  const paths = sources.map((path) => local.at(path));
  const columns = await copier.columnsOf(paths);
  const timeColumn = timeColumnOf(columns, options.eventTime);
  const path = join(localDirectory, `${attempt.seq}-${part}.merged`);
  try {
    const metadata = await footerOf(options, paths, { hour, group });
    await copier.merge(paths, { columns, timeColumn }, { path, compression, rowGroupRows, metadata });
    const counted = await copier.count(path, timeColumn);
    checkSame(topic, group, counted);
    const staged = `${attempt.staging}/${stagedName(0, part)}`;
    const { size: bytes } = await stat(path);
    checkParquet(path, bytes);
    await uploadWhole(store, path, `${topic}/${staged}`, bytes);
    await local.keep(new Set());
    return entryOf({ hour, group, attempt, part }, counted, { staged, bytes });
  } finally {
    await rm(path, { force: true });
  }
}

/** The schema is that of the newest file: columns are only ever added. */
async function footerOf(
  { topic, copier }: CompactOptions,
  paths: readonly string[],
  { hour, group }: Pick<Merge, 'hour' | 'group'>,
): Promise<Record<string, string>> {
  const newest = group.reduce(
    (last, { minOffset, start }, i) =>
      start + minOffset > group[last]!.start + group[last]!.minOffset ? i : last,
    0,
  );
  const footer = await copier.metadataOf(paths[newest]!);
  const partitions = [...new Set(group.flatMap(({ parts }) => parts.map(({ partition }) => partition)))];
  return {
    'millrace.topic': topic,
    'millrace.partition': partitions.sort((a, b) => a - b).join(','),
    'millrace.schema': footer.get('millrace.schema') ?? '',
    'millrace.schema.sha256': footer.get('millrace.schema.sha256') ?? '',
    'millrace.hour': hour,
  };
}

function checkSame(topic: string, group: readonly LiveFile[], { rows, digest }: CountedRows): void {
  const expected = total(group, (file) => file.rows);
  const same = sumOfDigests(group.map((file) => file.digest));
  if (rows !== expected || digest !== same)
    throw new Error(
      `${topic}: merging ${group[0]!.final} and ${group.length - 1} more gave ${rows} rows with digest ${digest}, their records say ${expected} with ${same}; nothing was changed, look for a damaged file with \`millrace doctor --topic ${topic}\``,
    );
}

function entryOf(
  { hour, group, attempt, part }: Merge,
  { rows, parts, minTime, maxTime, digest }: CountedRows,
  place: { staged: string; bytes: number },
): DataFile {
  const incarnations = new Map(
    group.flatMap((file) =>
      file.parts.map(({ partition, incarnation }) => [partition, incarnation] as const),
    ),
  );
  const known = parts.map((one): FilePart => ({ ...one, incarnation: incarnations.get(one.partition) ?? 0 }));
  const owner = known[0]!;
  const final = finalName('data', hour, {
    partition: owner.partition,
    incarnation: owner.incarnation,
    from: owner.minOffset,
    next: owner.maxOffset + 1,
    rewrite: attempt.seq,
    part,
  });
  const minOffset = Math.min(...known.map((one) => one.minOffset));
  const maxOffset = Math.max(...known.map((one) => one.maxOffset));
  const facts = { role: 'data' as const, final, hour, rows, minOffset, maxOffset, minTime, maxTime, digest };
  return { ...facts, ...place, ...(known.length > 1 && { parts: known }) };
}

/** Gives the hours that were rewritten their markers again. What fails here is done by the next load. */
async function markAgain(
  { store, topic, graceMs, run, now, warn }: CompactOptions,
  table: RecoveredTopic,
): Promise<void> {
  const markedHours = new Set(await listMarkedHours(store, topic));
  const state = await table.recover();
  const partitions = [...state.chains.keys()];
  const judgement = await judgeHours({
    store,
    state,
    partitions,
    markedHours,
    graceMs,
    emptyHoursPerRun: 0,
    run,
    now,
  });
  for (const problem of judgement.problems) warn(problem);
}

const total = <T>(items: readonly T[], of: (item: T) => number) =>
  items.reduce((sum, item) => sum + of(item), 0);
