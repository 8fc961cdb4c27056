/**
 * Brings a partition's chain into a state that may be built on: read, checked, rooted if it is new, and its last record
 * applied, whoever published it. Nothing is planned, read or swept before this.
 */
import { applyCommit, isApplied } from './apply.ts';
import { type Chain, readChain } from './commit-chain.ts';
import type { Store } from './store/store.ts';
import { refuseRewrites } from './table-state.ts';

/** Reads a chain and rolls its last record forward; undefined if the partition has no chain yet. */
export async function recoverChain(
  store: Store,
  topic: string,
  partition: number,
): Promise<Chain | undefined> {
  const chain = await readChain(store, topic, partition);
  if (chain === undefined) return undefined;
  await refuseRewrites(store, topic); // listed after the chain: a rewrite may have retired what would be rolled forward
  const last = chain.commits.at(-1);
  if (last !== undefined && !(await isApplied(store, last, chain.generation)))
    await applyCommit(store, last, chain.generation, false);
  return chain;
}
