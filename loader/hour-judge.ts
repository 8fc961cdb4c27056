/**
 * Judges which hours are complete and marks them. An hour is complete when every partition's caught-up clock has passed
 * its end plus a grace: that clock is the newest time T among observations whose high watermark lies below the chain's
 * applied head. Event times never enter into it, so neither an idle partition nor a wild timestamp can defeat it.
 */
import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path/posix';
import { isApplied } from './apply.ts';
import { type Chain, newAttempt } from './commit-chain.ts';
import { HOUR_MS, type Hour, type HourIndex, hourEndMs, hourName, parseHour } from './hour.ts';
import { firstMarkedMs, type HourMarker, newestMarker, publishMarker, repairSuccess } from './hour-marker.ts';
import { markerStagingDirectory, markersStagingDirectory } from './paths.ts';
import { hasLastRunEnded, listRuns, newestOutcome, plansNewestFirst, type RunPaths } from './run-history.ts';
import type { Store } from './store/store.ts';
import { type LiveFile, liveFilesByHour, type TopicState } from './table-state.ts';

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
  run: string;
  now: () => number;
}

export interface Judgement {
  /** Hours that got a marker, or a new version of theirs. */
  marked: Hour[];
  /** Chains judged up to here: the next run looks only at what came later, and at unmarked hours. */
  judgedHeads: Record<string, number>;
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
  const { store, state } = options;
  const runs = await listRuns(store, state.topic);
  const completeUntilMs = (await caughtUpMs(options, runs)) - options.graceMs;
  const judged = (await newestOutcome(store, runs))?.judgedHeads ?? {};
  const data = liveFilesByHour(state);
  const late = liveFilesByHour(state, 'late');
  const isNew = ({ partition, start }: LiveFile) => start >= (judged[partition] ?? 0);
  const isDirty = (hour: Hour) =>
    !options.markedHours.has(hour) || data.get(hour)?.some(isNew) || late.get(hour)?.some(isNew);
  const touched = [...data.keys(), ...late.keys()].filter(isDirty);
  // A judge that died between a marker and its copy left an hour without `_SUCCESS`: every marked hour is looked at again.
  const unsure = (await areMarksWhole(options, runs)) ? [] : options.markedHours;
  const isComplete = (hour: Hour) =>
    hourEndMs(parseHour(hour) ?? Number.POSITIVE_INFINITY) <= completeUntilMs;
  const candidates = [...new Set([...touched, ...unsure, ...emptyHours(options, data, completeUntilMs)])]
    .filter(isComplete)
    .sort();
  const judgement: Judgement = { marked: [], judgedHeads: {}, problems: [] };
  // A marked hour that changed must be looked at again, if not by this run: a new partition may hold everything up.
  let isSettled = touched.every((hour) => !options.markedHours.has(hour) || isComplete(hour));
  // One for all hours: should this judge die, what lies there tells the next one to look at every mark again.
  const staging = markerStagingDirectory(state.topic, newAttempt());
  const queue = candidates.values();
  const judges = Array.from({ length: HOURS_AT_ONCE }, async () => {
    for (const hour of queue) {
      const files = { data: data.get(hour) ?? [], late: late.get(hour) ?? [] };
      if (!(await judgeHour(options, staging, hour, files, judgement))) isSettled = false;
    }
  });
  await Promise.all(judges);
  if (candidates.length > 0) await store.remove(staging);
  judgement.marked.sort();
  judgement.judgedHeads = isSettled ? headsOf(state) : judged;
  return judgement;
}

/** Whether no judge died, or is at work, between a marker and its copy: it would have left its staging behind. */
async function areMarksWhole({ store, state, run }: JudgeOptions, runs: RunPaths): Promise<boolean> {
  return hasLastRunEnded(runs, run) && (await store.list(markersStagingDirectory(state.topic))).length === 0;
}

const headsOf = ({ chains }: TopicState): Record<string, number> =>
  Object.fromEntries([...chains].map(([partition, { head }]) => [partition, head]));

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

/** Marks one hour as it stands. False: it must be looked at again, because files are missing or another judge was faster. */
async function judgeHour(
  options: JudgeOptions,
  staging: string,
  hour: Hour,
  { data: files, late }: Record<'data' | 'late', readonly LiveFile[]>,
  judgement: Judgement,
): Promise<boolean> {
  const { store, state, markedHours, now, run } = options;
  const problem = await missingFile(store, state.topic, files);
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
    rewriteSeq: state.rewriteSeq,
    rows,
    bytes: sum(files.map((file) => file.bytes)),
    files: files.length,
    late: {
      inHour: newest === undefined ? 0 : newest.late.inHour + rows - newest.rows,
      apart: sum(late.map((file) => file.rows)),
    },
    filesSha256,
  };
  if (!(await publishMarker(store, body, staging))) return false;
  judgement.marked.push(hour);
  return true;
}

/** Whether a marker was made from a longer chain than this judge has read: his list of files is the newer one. */
function knowsMore({ nextOffsets }: HourMarker, { chains }: TopicState): boolean {
  return Object.entries(nextOffsets).some(
    ([partition, next]) => next > (chains.get(Number(partition))?.head ?? 0),
  );
}

/** The first live file of an hour that isn't in its directory with its length, as a sentence; one listing per hour. */
async function missingFile(
  store: Store,
  topic: string,
  files: readonly LiveFile[],
): Promise<string | undefined> {
  const first = files[0];
  if (first === undefined) return undefined;
  const directory = `${topic}/${dirname(first.final)}`;
  const sizes = new Map((await store.list(directory)).map(({ name, size }) => [name, size]));
  const missing = files.find(({ final, bytes }) => sizes.get(basename(final)) !== bytes);
  return (
    missing &&
    `${topic}/${missing.final} is not in place with its ${missing.bytes} bytes: the hour is not marked; run the load again, and if it stays so restore the file`
  );
}
