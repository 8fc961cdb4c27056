/**
 * Expiry by the retention settings: old hours, trash that nobody will want back, history, dead staging, sealed records.
 * Deleting takes the next number of the rewrite log first, so an undo that was on its way is outbid and looks again.
 */
import type { Settings } from '../config/settings.ts';
import { asDataFile } from '../loader/fold.ts';
import { chainsToSeal, forgetHistory } from '../loader/forget.ts';
import { HOUR_MS, type Hour, hourName } from '../loader/hour.ts';
import { parseTrashName, parseWantedName, stagingDirectory, trashRoot } from '../loader/paths.ts';
import { RecoveredTopic } from '../loader/recover.ts';
import type { RewritePlan } from '../loader/rewrite-topic.ts';
import { rewriteTopic } from '../loader/rewrite-topic.ts';
import type { Store } from '../loader/store/store.ts';
import { standingOf, sweepStaging } from '../loader/sweep.ts';
import { readTopicState, type TopicState } from '../loader/table-state.ts';
import { expireRuns } from './expire-runs.ts';

/** A rewrite that staged something this long ago and never published it is not at work any more. */
const ORPHAN_MS = 24 * HOUR_MS;

export interface ExpireOptions {
  store: Store;
  topic: string;
  loader: Settings['loader'];
  run: string;
  now: () => number;
  /** Only says what would go. */
  dryRun: boolean;
}

export interface Expiry {
  topic: string;
  /** Hours of the table that went, with their rows. */
  hours: Hour[];
  rows: number;
  files: number;
  /** Rewrites whose trash went. */
  trash: number[];
  /** Runs whose history went. */
  runs: number;
  chainsSealed: number;
}

/** Retention settings that contradict each other; to a caller like any other setting that can't be used. */
export class RetentionError extends Error {
  override name = 'RetentionError';
}

/** Expires one topic. Throws RetentionError if the settings would delete hours that late rows may still come for. */
export async function expire(options: ExpireOptions): Promise<Expiry> {
  const { store, topic, loader, run, now, dryRun } = options;
  checkRetention(loader);
  const table = new RecoveredTopic(store, topic);
  // Recovery does what a dead process left undone: that is a change.
  const state = dryRun ? await readTopicState(store, topic) : await table.recover();
  const old = oldFiles(state, loader, now());
  const trash = await oldTrash(options, state);
  const result: Expiry = {
    topic,
    hours: [...new Set(old.map(({ hour }) => hour))].sort(),
    rows: old.reduce((sum, { rows }) => sum + rows, 0),
    files: old.length,
    trash,
    runs: await expireRuns({ store, keepHours: loader.historyKeepHours, nowMs: now(), dryRun }, state),
    chainsSealed: chainsToSeal(state, loader.sealAfterRecords).length,
  };
  if (dryRun) return result;
  await rewriteTopic(table, { run, now }, (fresh) => planExpiry(options, fresh));
  const after = await table.recover();
  await sweepStaging(store, after);
  const sealer = { run, nowMs: now() };
  const { chainsSealed } = await forgetHistory(store, after, { limit: loader.sealAfterRecords, sealer });
  return { ...result, chainsSealed };
}

function checkRetention({ dataKeepHours, lateHorizonHours }: Settings['loader']): void {
  if (dataKeepHours >= 0 && dataKeepHours <= lateHorizonHours)
    throw new RetentionError(
      `loader.dataKeepHours (${dataKeepHours}) must be more than loader.lateHorizonHours (${lateHorizonHours}), or late rows would come into hours that are deleted already; set one of them`,
    );
}

function cutoffOf({ dataKeepHours }: Settings['loader'], nowMs: number): Hour | undefined {
  return dataKeepHours < 0 ? undefined : hourName(Math.floor(nowMs / HOUR_MS) - dataKeepHours);
}

function oldFiles({ live }: TopicState, loader: Settings['loader'], nowMs: number) {
  const cutoff = cutoffOf(loader, nowMs) ?? '';
  return [...live.values()].filter(({ hour }) => hour < cutoff);
}

/** Trash directories that are older than they are kept, or of rewrites that are sealed away. */
async function oldTrash(
  { store, topic, loader, now }: ExpireOptions,
  { log }: TopicState,
): Promise<number[]> {
  const before = new Date(now() - loader.trashKeepHours * HOUR_MS).toISOString();
  const found = (await store.list(trashRoot(topic))).flatMap(({ name }) => parseTrashName(name) ?? []);
  return found.filter((seq) => {
    if (seq <= log.sealedUntil) return true;
    const rewrite = log.rewrites.find((one) => one.seq === seq);
    return rewrite !== undefined && rewrite.createdAt < before;
  });
}

/** One rewrite for all of it; only a number is taken where staging of a dead rewrite waits for it. */
async function planExpiry(options: ExpireOptions, state: TopicState): Promise<RewritePlan | undefined> {
  const { loader, now } = options;
  const nowMs = now();
  const removes = oldFiles(state, loader, nowMs).map(asDataFile);
  const trash = await oldTrash(options, state);
  const cutoff = cutoffOf(loader, nowMs);
  if (removes.length > 0 && cutoff !== undefined) {
    const expiredBefore = [cutoff, state.log.expiredBefore ?? ''].sort().at(-1)!;
    return { kind: 'expire', removes, adds: [], trash, expiredBefore };
  }
  const isNeeded = trash.length > 0 || (await hasOrphans(options, state));
  return isNeeded ? { kind: 'fence', removes: [], adds: [], trash } : undefined;
}

async function hasOrphans({ store, topic, now }: ExpireOptions, state: TopicState): Promise<boolean> {
  for (const { name, modifiedMs } of await store.list(stagingDirectory(topic))) {
    const want = parseWantedName(name);
    if (want?.kind !== 'rewrite' || now() - modifiedMs < ORPHAN_MS) continue;
    if (standingOf(state, want)?.isFree !== false) return true;
  }
  return false;
}
