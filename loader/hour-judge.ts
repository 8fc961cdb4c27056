/**
 * Judges which hours are complete and marks them. An hour is complete when every partition's caught-up clock has passed
 * its end plus a grace: that clock is the newest time T among observations whose high watermark lies below the chain's
 * applied head. Event times never enter into it, so neither an idle partition nor a wild timestamp can defeat it.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path/posix';
import { isApplied } from './apply.ts';
import { isRewriteApplied, touchedHours } from './apply-rewrite.ts';
import type { DataFile } from './commit.ts';
import { type Chain, newAttempt } from './commit-chain.ts';
import type { LiveFile } from './fold.ts';
import { HOUR_MS, type Hour, type HourIndex, hourDirectory, hourEndMs, hourName, parseHour } from './hour.ts';
import { firstMarkedMs, type HourMarker, newestMarker, publishMarker, repairSuccess } from './hour-marker.ts';
import { markerStagingDirectory, markersStagingDirectory } from './paths.ts';
import {
  hasLastRunEnded,
  listRuns,
  newestOutcome,
  plansNewestFirst,
  type RunOutcome,
  type RunPaths,
} from './run-history.ts';
import type { Store } from './store/store.ts';
import { liveFilesByHour, type TopicState } from './table-state.ts';

/** Hours judged side by side. */
const HOURS_AT_ONCE = 8;

export interface JudgeOptions {
  store: Store;
  state: TopicState;
  /** Names that something is staged for, listed after the chains were read. */
  staged?: ReadonlySet<string> | undefined;
  /** The topic's partitions by metadata fetched after the run's observations. */
  partitions: readonly number[];
  /** Hours that may already bear a marker. */
  markedHours: ReadonlySet<Hour>;
  graceMs: number;
  emptyHoursPerRun: number;
  /** Other runs load the topic too, on purpose: that one of them has not ended yet says nothing about it. */
  isShared?: boolean;
  /** Looks at every marked hour again, whatever the history says. */
  lookAtAll?: boolean;
  run: string;
  now: () => number;
}

export interface Judgement {
  /** Hours that got a marker, or a new version of theirs. */
  marked: Hour[];
  /** Chains judged up to here: the next run looks only at what came later, and at unmarked hours. */
  judgedHeads: Record<string, number>;
  /** And the log of rewrites up to here. */
  judgedRewrite: number;
  /** One line each: hours that should be whole and aren't. */
  problems: string[];
}

/** The newest time by which everything a partition had acknowledged is in the table; -Infinity if there is none. */
async function caughtUpMs(
  { store, state, staged, partitions }: JudgeOptions,
  runs: RunPaths,
): Promise<number> {
  const appliedHeads = new Map<number, { head: number; topicId: string }>();
  for (const partition of partitions) {
    const chain = state.chains.get(partition);
    if (chain === undefined) return Number.NEGATIVE_INFINITY;
    const head = await appliedHead(store, chain, staged);
    appliedHeads.set(partition, { head, topicId: chain.base.topicId });
  }
  const newest = new Map<number, number>();
  for await (const { observations } of plansNewestFirst(store, runs)) {
    for (const { partition, topicId, headRead, timeMs, highWatermark } of observations) {
      const chain = appliedHeads.get(partition);
      const isVoid = chain?.topicId !== topicId || highWatermark < headRead;
      if (isVoid || highWatermark > chain.head) continue;
      newest.set(partition, Math.max(timeMs, newest.get(partition) ?? Number.NEGATIVE_INFINITY));
    }
    if (newest.size === appliedHeads.size) break; // older plans hold older times
  }
  return newest.size === appliedHeads.size && newest.size > 0
    ? Math.min(...newest.values())
    : Number.NEGATIVE_INFINITY;
}

/** Published is not applied: a record that another process is still moving into place doesn't count yet. */
async function appliedHead(
  store: Store,
  { commits, head, generation }: Chain,
  staged: JudgeOptions['staged'],
): Promise<number> {
  const last = commits.at(-1);
  return last === undefined || (await isApplied(store, last, generation, staged)) ? head : last.start;
}

/** Marks every hour that is complete and not marked as it now stands. */
export async function judgeHours(options: JudgeOptions): Promise<Judgement> {
  const { store, state, markedHours } = options;
  const runs = await listRuns(store, state.topic);
  const completeUntilMs = (await caughtUpMs(options, runs)) - options.graceMs;
  const before = await newestOutcome(store, runs);
  const data = liveFilesByHour(state);
  const late = liveFilesByHour(state, 'late');
  const removed = Map.groupBy(
    state.log.rewrites.flatMap(({ removes }) => removes.filter(({ role }) => role === 'data')),
    ({ hour }) => hour,
  );
  const moving = await hoursInMotion(options);
  const touched = touchedSince(options, before, data, late);
  // A judge that died between a marker and its copy left an hour without `_SUCCESS`: every marked hour is looked at again.
  const unsure = !options.lookAtAll && (await areMarksWhole(options, runs)) ? [] : markedHours;
  const isExpired = (hour: Hour) => hour < (state.log.expiredBefore ?? '');
  const isComplete = (hour: Hour) =>
    hourEndMs(parseHour(hour) ?? Number.POSITIVE_INFINITY) <= completeUntilMs && !moving.has(hour);
  const candidates = [...new Set([...touched, ...unsure, ...emptyHours(options, data, completeUntilMs)])]
    .filter((hour) => isComplete(hour) && !isExpired(hour))
    .sort();
  const judgement: Judgement = { marked: [], judgedHeads: {}, judgedRewrite: 0, problems: [] };
  // A marked hour that changed must be looked at again, if not by this run: a new partition may hold everything up.
  let isSettled = touched.every((hour) => !markedHours.has(hour) || isComplete(hour) || isExpired(hour));
  // One for all hours: should this judge die, what lies there tells the next one to look at every mark again.
  const staging = markerStagingDirectory(state.topic, newAttempt());
  const queue = candidates.values();
  const judges = Array.from({ length: HOURS_AT_ONCE }, async () => {
    for (const hour of queue) {
      const of = (files: ReadonlyMap<Hour, LiveFile[]>) => files.get(hour) ?? [];
      const files = { data: of(data), late: of(late), removed: removed.get(hour) ?? [] };
      if (!(await judgeHour(options, staging, hour, files, judgement))) isSettled = false;
    }
  });
  await Promise.all(judges);
  if (candidates.length > 0) await store.remove(staging);
  judgement.marked.sort();
  judgement.judgedHeads = isSettled ? headsOf(state) : (before?.judgedHeads ?? {});
  judgement.judgedRewrite = isSettled ? state.log.seq : (before?.judgedRewrite ?? 0);
  return judgement;
}

type FilesByHour = ReadonlyMap<Hour, readonly LiveFile[]>;

/** The hours to look at: those without a marker that hold rows, and those whose files changed since they were judged. */
function touchedSince(
  { state, markedHours }: JudgeOptions,
  before: RunOutcome | undefined,
  data: FilesByHour,
  late: FilesByHour,
): Hour[] {
  const judged = before?.judgedHeads ?? {};
  const judgedRewrite = before?.judgedRewrite ?? 0;
  const isNew = ({ partition, incarnation, start, rewrite }: LiveFile) =>
    rewrite > 0 ? rewrite > judgedRewrite : start >= (judged[headKey(partition, incarnation)] ?? 0);
  const rewritten = state.log.rewrites.filter(({ seq }) => seq > judgedRewrite).flatMap(touchedHours);
  const changed = new Set(rewritten);
  for (const files of [data, late])
    for (const [hour, of] of files) if (!markedHours.has(hour) || of.some(isNew)) changed.add(hour);
  return [...changed].filter((hour) => markedHours.has(hour) || data.has(hour) || late.has(hour));
}

/** The hours of a rewrite that is published but not applied: their files are on their way. */
async function hoursInMotion({ store, staged, state: { log } }: JudgeOptions): Promise<ReadonlySet<Hour>> {
  const last = log.rewrites.at(-1);
  if (last === undefined || log.generation === undefined) return new Set();
  return new Set((await isRewriteApplied(store, last, log.generation, staged)) ? [] : touchedHours(last));
}

/** Whether no judge died, or is at work, between a marker and its copy: it would have left its staging behind. */
async function areMarksWhole(
  { store, state, run, isShared }: JudgeOptions,
  runs: RunPaths,
): Promise<boolean> {
  if (!isShared && !hasLastRunEnded(runs, run)) return false;
  return (await store.list(markersStagingDirectory(state.topic))).length === 0;
}

/** Where a chain stands is said of its incarnation: the offsets of a topic created anew begin again. */
const headKey = (partition: number, incarnation: number) =>
  incarnation === 0 ? String(partition) : `${partition}.${incarnation}`;

const headsOf = ({ chains }: TopicState): Record<string, number> =>
  Object.fromEntries(
    [...chains.values()].map(({ partition, base, head }) => [headKey(partition, base.incarnation), head]),
  );

/** Hours without rows that people wait for all the same: from the topic's first run on, and in gaps between loaded hours. */
function emptyHours(
  { state, markedHours, emptyHoursPerRun }: JudgeOptions,
  data: ReadonlyMap<Hour, unknown>,
  completeUntilMs: number,
): Hour[] {
  const loaded = [...data.keys()].map((hour) => parseHour(hour)!);
  const firstRun = Math.min(
    ...[...state.chains.values()].map(({ base }) => Math.floor(Date.parse(base.createdAt) / HOUR_MS)),
  );
  const [first, last] = [min(loaded), max(loaded)];
  const lastComplete = Math.ceil(completeUntilMs / HOUR_MS) - 1;
  const found: Hour[] = [];
  const collect = (from: HourIndex, to: HourIndex) => {
    for (let hour = from; hour <= Math.min(to, lastComplete) && found.length < emptyHoursPerRun; hour++) {
      const name = hourName(hour);
      if (!data.has(name) && !markedHours.has(name)) found.push(name);
    }
  };
  collect(first, last);
  collect(Math.max(firstRun, last), lastComplete);
  return found;
}

const min = (numbers: readonly number[]) =>
  numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const max = (numbers: readonly number[]) =>
  numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** The files of one hour: live rows, live late rows, and rows that rewrites removed. */
interface HourFiles {
  data: readonly LiveFile[];
  late: readonly LiveFile[];
  removed: readonly DataFile[];
}

/** Marks one hour as it stands. False: it must be looked at again, because files are missing or another judge was faster. */
async function judgeHour(
  options: JudgeOptions,
  staging: string,
  hour: Hour,
  { data: files, late, removed }: HourFiles,
  judgement: Judgement,
): Promise<boolean> {
  const { store, state, markedHours, now, run } = options;
  const problem = await misplacedFile(store, state.topic, hour, { files, removed });
  if (problem !== undefined) {
    judgement.problems.push(problem);
    return false;
  }
  const filesSha256 = createHash('sha256')
    .update(
      [...files, ...late]
        .map(({ final }) => final)
        .sort()
        .join('\n'),
    )
    .digest('hex');
  const newest = markedHours.has(hour) ? await newestMarker(store, state.topic, hour) : undefined;
  if (newest?.filesSha256 === filesSha256) {
    await repairSuccess(store, newest, staging);
    return true;
  }
  if (newest !== undefined && knowsMore(newest, state)) return false;
  const markedAt = new Date(now()).toISOString();
  const first = newest && (await firstMarkedMs(store, state.topic, hour));
  const rows = sum(files.map((file) => file.rows));
  const body: Omit<HourMarker, 'v' | 'attempt'> = {
    topic: state.topic,
    hour,
    version: (newest?.version ?? 0) + 1,
    markedAt,
    firstMarkedAt: first === undefined ? markedAt : new Date(first).toISOString(),
    run,
    nextOffsets: headsOf(state),
    rewriteSeq: state.log.seq,
    rows,
    bytes: sum(files.map((file) => file.bytes)),
    files: files.length,
    late: {
      // A rewrite may leave fewer rows than there were.
      inHour: newest === undefined ? 0 : Math.max(0, newest.late.inHour + rows - newest.rows),
      apart: sum(late.map((file) => file.rows)),
    },
    filesSha256,
  };
  if (!(await publishMarker(store, body, staging))) return false;
  judgement.marked.push(hour);
  return true;
}

/** Whether a marker was made from longer chains or more rewrites than this judge has read: his list of files is the newer one. */
function knowsMore({ nextOffsets, rewriteSeq }: HourMarker, { chains, log }: TopicState): boolean {
  if (rewriteSeq > log.seq) return true;
  return Object.entries(nextOffsets).some(([key, next]) => {
    const [partition, incarnation = 0] = key.split('.').map(Number) as [number, number?];
    const chain = chains.get(partition);
    if (chain === undefined) return true;
    return incarnation === chain.base.incarnation ? next > chain.head : incarnation > chain.base.incarnation;
  });
}

/** The first file of an hour that isn't as the records say, as a sentence: missing, or removed and still there. One listing per hour. */
async function misplacedFile(
  store: Store,
  topic: string,
  hour: Hour,
  { files, removed }: { files: readonly LiveFile[]; removed: readonly DataFile[] },
): Promise<string | undefined> {
  if (files.length === 0 && removed.length === 0) return undefined;
  const directory = `${topic}/${hourDirectory(hour)}`;
  const sizes = new Map((await store.list(directory)).map(({ name, size }) => [name, size]));
  const missing = files.find(({ final, bytes }) => sizes.get(basename(final)) !== bytes);
  if (missing !== undefined)
    return `${topic}/${missing.final} is not in place with its ${missing.bytes} bytes: the hour is not marked; run the load again, and if it stays so restore the file`;
  const stays = removed.find(({ final }) => sizes.has(basename(final)));
  return (
    stays &&
    `${topic}/${stays.final} was removed by a rewrite and is still there: the hour is not marked; run the load again`
  );
}
