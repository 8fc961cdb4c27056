/**
 * Brings a topic into a state that may be built on: chains read, checked and their last record applied, whoever published
 * it, seals opened, and the last rewrite applied. Nothing is planned, read, rewritten or swept before this.
 */
import { applyCommit, isApplied } from './apply.ts';
import { applyRewrite, isRewriteApplied } from './apply-rewrite.ts';
import { type Chain, listPartitions, readChain } from './commit-chain.ts';
import { openGeneration, openRewriteGeneration } from './generation.ts';
import { type RewriteLog, readRewriteLog } from './rewrite-log.ts';
import type { Store } from './store/store.ts';
import { readTopicState, type TopicState } from './table-state.ts';

/** Reads a chain, opens the generation after a seal, and rolls the last record forward; undefined if the partition has no chain yet. */
export async function recoverChain(
  store: Store,
  topic: string,
  partition: number,
): Promise<Chain | undefined> {
  const found = await readChain(store, topic, partition);
  if (found === undefined) return undefined;
  const chain = found.seal ? await openGeneration(store, found, found.seal) : found;
  const last = chain.commits.at(-1);
  if (last !== undefined && !(await isApplied(store, last, chain.generation)))
    await applyCommit(store, last, chain.generation, false);
  return chain;
}

/** Reads the log of rewrites and rolls its last one forward. To be called after the chains were recovered. */
export async function recoverRewrites(store: Store, topic: string): Promise<RewriteLog> {
  const found = await readRewriteLog(store, topic);
  const log = found.seal ? await openRewriteGeneration(store, found, found.seal) : found;
  const last = log.rewrites.findLast(({ kind }) => kind !== 'seal');
  if (last === undefined || log.generation === undefined) return log;
  // Whoever seals has rolled forward before, so only a rewrite of the current generation can be unapplied.
  if (!(await isRewriteApplied(store, last, log.generation)))
    await applyRewrite(store, last, log.generation, false);
  return log;
}

/** Recovers all of a topic and reads its state afterwards. */
export async function recoverTopic(store: Store, topic: string): Promise<TopicState> {
  for (const partition of await listPartitions(store, topic)) await recoverChain(store, topic, partition);
  await recoverRewrites(store, topic);
  return await readTopicState(store, topic);
}
