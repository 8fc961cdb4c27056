/**
 * Brings the chains of a topic into a state that may be built on: read, checked, rooted where they are new, and their
 * last records applied, whoever published them. Nothing is planned, read or swept before this.
 */
import { applyCommit, isApplied, listStaged } from './apply.ts';
import type { Base } from './commit.ts';
import { type Chain, listPartitions, readChain, rootChain } from './commit-chain.ts';
import type { RecordCache } from './record-cache.ts';
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
  await rollForward(store, chain);
  return chain;
}

async function rollForward(store: Store, chain: Chain, staged?: ReadonlySet<string>): Promise<void> {
  const last = chain.commits.at(-1);
  if (last !== undefined && !(await isApplied(store, last, chain.generation, staged)))
    await applyCommit(store, last, chain.generation, false);
}

/** What a run does to its partitions side by side: `step` may end one of them without the others. */
export interface Recovering {
  partition: number;
  chain?: Chain;
  /** Runs a step of this partition, unless an earlier one failed. */
  step(act: () => Promise<void>): Promise<void>;
}

export interface TopicRecovery {
  store: Store;
  topic: string;
  cache: RecordCache | undefined;
  /** What a partition's chain begins with; `policy` as it holds for this topic. */
  root: (partition: number, policy: Base['policy']) => Promise<Omit<Base, 'v' | 'attempt'>>;
  startPolicy: Base['policy'];
}

/**
 * The same for all partitions of a topic: what can be listed once for all of them is. New partitions of a topic that was
 * loaded before begin at the earliest record.
 */
export async function recoverTopic(
  { store, topic, cache, root, startPolicy }: TopicRecovery,
  partitions: readonly Recovering[],
): Promise<void> {
  const known = new Set(await listPartitions(store, topic));
  const policy = known.size > 0 ? 'earliest' : startPolicy;
  const forAll = (act: (one: Recovering) => Promise<void>) =>
    Promise.all(partitions.map((one) => one.step(() => act(one))));
  await forAll(async (one) => {
    const chain = known.has(one.partition) ? await readChain(store, topic, one.partition, cache) : undefined;
    if (chain !== undefined) one.chain = chain;
  });
  // Both listed after the chains: a rewrite may have retired what would be rolled forward, and what is not staged any
  // more is applied.
  const rewrites = refuseRewrites(store, topic);
  const staged = rewrites.then(() => listStaged(store, topic));
  staged.catch(() => {}); // told as the error of each partition
  await forAll(async (one) => {
    if (one.chain !== undefined) return await rollForward(store, one.chain, await staged);
    await rewrites;
    one.chain = await rootChain(store, await root(one.partition, policy));
  });
}
