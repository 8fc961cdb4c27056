/**
 * Removes staging that nothing can come of any more. An attempt whose publish was ever sent may still land, so age says
 * nothing: it is dead exactly when the name it wants is taken by another, when its own record is applied, or when the
 * generation it belongs to is gone. The wanted name stands in the staging path, so any process can tell.
 */
import { listStaged } from './apply.ts';
import type { Chain } from './commit-chain.ts';
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

/**
 * Sweeps a topic's staging; returns how many attempts were removed. Chains must have been read after they were rolled
 * forward. `staged`: the wanted names that something is staged for, if they were listed already.
 */
export async function sweepStaging(
  store: Store,
  topic: string,
  chains: ReadonlyMap<number, Chain>,
  staged?: ReadonlySet<string>,
): Promise<number> {
  let removed = 0;
  for (const name of staged ?? (await listStaged(store, topic))) {
    const want = parseWantedName(name);
    const chain = want && chains.get(want.partition);
    if (want === undefined || chain === undefined) continue;
    const directory = `${stagingDirectory(topic)}/${wantedName(want)}`;
    let kept = 0;
    for (const { name: attempt } of await store.list(directory)) {
      if (isDead(chain, want, attempt)) {
        await store.remove(attemptDirectory(topic, want, attempt));
        removed++;
      } else kept++;
    }
    // While the name is free another loader may begin an attempt in there between our look and the removal.
    if (kept === 0 && isTaken(chain, want)) await store.remove(directory);
  }
  return removed;
}

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

/** Whether the wanted name can't be won any more: whatever is staged for it is of no use, or its record's and applied. */
function isTaken(chain: Chain, want: WantedName): boolean {
  if (want.generation !== chain.generation) return want.generation < chain.generation;
  return want.kind === 'base' || chain.commits.some(({ start }) => start === want.start);
}

function isDead(chain: Chain, want: WantedName, attempt: string): boolean {
  if (want.generation !== chain.generation) return want.generation < chain.generation;
  if (want.kind === 'base') return true; // the base is there, and it is a copy of its staged file
  const winner = chain.commits.find(({ start }) => start === want.start);
  if (winner === undefined) return false; // the name is free: this attempt may yet take it
  // All records but the last are applied: nobody adds a link before the one below it is in place.
  return winner.attempt !== attempt || winner !== chain.commits.at(-1);
}
