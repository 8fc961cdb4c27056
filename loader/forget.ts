/**
 * Keeps chains and the rewrite log short: seals those that have grown long and removes the generations that are history.
 * A rewrite is forgotten only when every chain was sealed after it, because until then its files may be told only by it.
 */
import type { Chain } from './commit-chain.ts';
import { removeHistory, type Sealer, sealChain, sealRewriteLog } from './generation.ts';
import { recoverChain, recoverRewrites } from './recover.ts';
import type { Store } from './store/store.ts';
import { sweepStaging } from './sweep.ts';
import { readTopicState, type TopicState } from './table-state.ts';

/** What was sealed and removed. */
export interface Forgotten {
  chainsSealed: number;
  rewritesSealed: boolean;
  generationsRemoved: number;
}

const isLong = ({ rewrites, generation }: TopicState['log'], limit: number) =>
  rewrites.length >= limit && generation !== undefined;

/** The chains that `forgetHistory` would seal: long ones, and all of them where the log of rewrites is long. */
export function chainsToSeal({ chains, log }: TopicState, limit: number): Chain[] {
  return [...chains.values()].filter(({ commits }) => commits.length >= limit || isLong(log, limit));
}

/** Seals what holds at least `limit` records, as the state tells. Other processes may be at work on the topic at the same time. */
export async function forgetHistory(
  store: Store,
  { topic, chains, log }: TopicState,
  { limit, sealer }: { limit: number; sealer: Sealer },
): Promise<Forgotten> {
  const sealed = isLong(log, limit)
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
  let generationsRemoved = 0;
  if (hasHistory || sealed !== undefined) {
    const state = await readTopicState(store, topic);
    generationsRemoved = await removeHistory(store, state);
    // Seals and bases were staged too; nothing that stays behind may look to an operator like work that died.
    await sweepStaging(store, state);
  }
  return { chainsSealed, rewritesSealed: sealed !== undefined, generationsRemoved };
}
