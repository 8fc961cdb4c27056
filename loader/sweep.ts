/**
 * Removes staging that nothing can come of any more. An attempt whose publish was ever sent may still land, so age says
 * nothing: it is dead exactly when the name it wants is taken by another, when its own record is applied, or when the
 * generation it belongs to is gone. The wanted name stands in the staging path, so any process can tell.
 */
import { listStaged } from './apply.ts';
import { HOUR_MS } from './hour.ts';
import {
  attemptDirectory,
  markersStagingDirectory,
  parseWantedName,
  stagingDirectory,
  type WantedName,
  wantedName,
} from './paths.ts';
import type { Store } from './store/store.ts';
import type { TopicState } from './table-state.ts';

/** What a sweep must know: the chains and the log as they were read after they were rolled forward. */
export type SweptState = Pick<TopicState, 'topic' | 'chains' | 'log'>;

/** Sweeps a topic's staging; returns how many attempts were removed. `staged`: the wanted names that something is staged for, if they were listed already. */
export async function sweepStaging(
  store: Store,
  state: SweptState,
  staged?: ReadonlySet<string>,
): Promise<number> {
  const { topic } = state;
  let removed = 0;
  for (const name of staged ?? (await listStaged(store, topic))) {
    const want = parseWantedName(name);
    const standing = want && standingOf(state, want);
    if (want === undefined || standing === undefined || standing.isFree) continue;
    const directory = `${stagingDirectory(topic)}/${wantedName(want)}`;
    let kept = 0;
    for (const { name: attempt } of await store.list(directory)) {
      if (attempt === standing.unapplied) kept++;
      else {
        await store.remove(attemptDirectory(topic, want, attempt));
        removed++;
      }
    }
    // While the name is free another loader may begin an attempt in there between our look and the removal.
    if (kept === 0) await store.remove(directory);
  }
  return removed;
}

/** How a wanted name stands: free, so that every attempt may still win it; or taken, by an attempt that may be unapplied. */
export interface Standing {
  isFree: boolean;
  unapplied?: string;
}

const FREE: Standing = { isFree: true };
const TAKEN: Standing = { isFree: false };

/** Undefined: of a partition without a chain, of which nothing is known. */
export function standingOf({ chains, log }: SweptState, want: WantedName): Standing | undefined {
  const ofChain = want.kind === 'commit' || want.kind === 'base';
  const chain = ofChain ? chains.get(want.partition) : undefined;
  const current = ofChain ? chain?.generation : log.generation;
  if (current === undefined) return undefined;
  if (want.generation !== current) return want.generation < current ? TAKEN : FREE;
  // All records but the last are applied: nobody adds a link before the one below it is in place.
  if (want.kind === 'commit') {
    if (chain!.seal?.start === want.start) return TAKEN;
    const winner = chain!.commits.find(({ start }) => start === want.start);
    return winner && standingOfWinner(winner.attempt, winner === chain!.commits.at(-1));
  }
  if (want.kind === 'rewrite') {
    const winner = log.rewrites.find(({ seq }) => seq === want.seq);
    return winner && standingOfWinner(winner.attempt, winner === log.rewrites.at(-1));
  }
  return TAKEN; // the base is there, and it is a copy of its staged file
}

const standingOfWinner = (attempt: string, isLast: boolean): Standing =>
  isLast ? { isFree: false, unapplied: attempt } : TAKEN;

/**
 * Markers are derived, so here age may decide: a judge that slept this long finds its staged marker gone, publishes
 * nothing, and the next run judges the hour again. What lies here tells that a judge may have died between a marker and
 * its copy: to be called after this run looked at all marked hours, with the time at which it listed them.
 */
export async function sweepMarkers(store: Store, topic: string, listedMs: number): Promise<number> {
  const directory = markersStagingDirectory(topic);
  const old = (await store.list(directory)).filter(({ modifiedMs }) => modifiedMs < listedMs - HOUR_MS);
  for (const { name } of old) await store.remove(`${directory}/${name}`);
  return old.length;
}
