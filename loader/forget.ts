/**
 * Keeps chains and the rewrite log short: seals those that have grown long and removes the generations that are history.
 * A rewrite is forgotten only when every chain was sealed after it, because until then its files may be told only by it.
 */
import type { Chain } from './commit-chain.ts';
import { removeHistory, type Sealer, sealChain, sealRewriteLog } from './generation.ts';
import { recoverChain, recoverRewrites } from './recover.ts';
import type { Store } from './store/store.ts';
import { readTopicState, type TopicState } from './table-state.ts';

/** What was sealed and removed. */
export interface Forgotten {
  chainsSealed: number;
  rewritesSealed: boolean;
  generationsRemoved: number;
}

/** Seals what holds at least `limit` records, as the state tells. Other processes may be at work on the topic at the same time. */
export async function forgetHistory(
  store: Store,
  { topic, chains, log }: TopicState,
  { limit, sealer }: { limit: number; sealer: Sealer },
): Promise<Forgotten> {
  const isLong = log.rewrites.length >= limit && log.generation !== undefined;
  const sealed = isLong
    ? await sealRewriteLog(store, await recoverRewrites(store, topic), sealer)
    : undefined;
  const needsSeal = ({ commits, base }: Chain) =>
    commits.length >= limit || (sealed !== undefined && base.rewriteSeq < sealed.seq);
  let chainsSealed = 0;
  for (const { partition } of [...chains.values()].filter(needsSeal)) {
    const chain = await recoverChain(store, topic, partition);
    if (chain && (await sealChain(store, chain, sealer))) chainsSealed++;
  }
  const hasHistory = chainsSealed > 0 || log.older > 0 || [...chains.values()].some(({ older }) => older > 0);
  const generationsRemoved = hasHistory ? await removeHistory(store, await readTopicState(store, topic)) : 0;
  return { chainsSealed, rewritesSealed: sealed !== undefined, generationsRemoved };
}
