/**
 * Removes staging that nothing can come of any more. An attempt whose publish was ever sent may still land, so age says
 * nothing: it is dead exactly when the name it wants is taken by another, when its own record is applied, or when the
 * generation it belongs to is gone. The wanted name stands in the staging path, so any process can tell.
 */
import type { Chain } from './commit-chain.ts';
import { HOUR_MS } from './hour.ts';
import {
  attemptDirectory,
  MARKER_STAGING,
  parseWantedName,
  stagingDirectory,
  type WantedName,
  wantedName,
} from './paths.ts';
import type { Store } from './store/store.ts';

/** Sweeps a topic's staging; returns how many attempts were removed. Chains must have been read after they were rolled forward. */
export async function sweepStaging(
  store: Store,
  topic: string,
  chains: ReadonlyMap<number, Chain>,
  nowMs: number,
): Promise<number> {
  let removed = 0;
  for (const { name } of await store.list(stagingDirectory(topic))) {
    if (name === MARKER_STAGING) {
      removed += await sweepMarkers(store, topic, nowMs);
      continue;
    }
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
    if (kept === 0) await store.remove(directory);
  }
  return removed;
}

/**
 * Markers are derived, so here age may decide: a judge that slept this long finds its staged marker gone, publishes
 * nothing, and the next run judges the hour again.
 */
async function sweepMarkers(store: Store, topic: string, nowMs: number): Promise<number> {
  const directory = `${stagingDirectory(topic)}/${MARKER_STAGING}`;
  const old = (await store.list(directory)).filter(({ modifiedMs }) => modifiedMs < nowMs - HOUR_MS);
  for (const { name } of old) await store.remove(`${directory}/${name}`);
  return old.length;
}

function isDead(chain: Chain, want: WantedName, attempt: string): boolean {
  if (want.generation !== chain.generation) return want.generation < chain.generation;
  if (want.kind === 'base') return true; // the base is there, and it is a copy of its staged file
  const winner = chain.commits.find(({ start }) => start === want.start);
  if (winner === undefined) return false; // the name is free: this attempt may yet take it
  // All records but the last are applied: nobody adds a link before the one below it is in place.
  return winner.attempt !== attempt || winner !== chain.commits.at(-1);
}
