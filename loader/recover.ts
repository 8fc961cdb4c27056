/**
 * Brings a topic into a state that may be built on: chains read, checked, rooted where they are new, and their last record
 * applied, whoever published it; seals opened; and the last rewrite applied. Nothing is planned, read, rewritten or swept
 * before this.
 */
import { applyCommit, isApplied, listStaged } from './apply.ts';
import { applyRewrite, isRewriteApplied } from './apply-rewrite.ts';
import type { Base } from './commit.ts';
import { type Chain, listPartitions, readChain, rootChain } from './commit-chain.ts';
import { openGeneration, openRewriteGeneration } from './generation.ts';
import type { RecordCache } from './record-cache.ts';
import { type RewriteLog, readRewriteLog } from './rewrite-log.ts';
import type { Store } from './store/store.ts';
import { followTopicState, readTopicState, type TopicState } from './table-state.ts';

/** How often others may publish while a topic is recovered. */
const MAX_OVERTAKEN = 16;

/** Reads a chain, opens the generation after a seal, and rolls the last record forward; undefined if the partition has no chain yet. */
export async function recoverChain(
  store: Store,
  topic: string,
  partition: number,
): Promise<Chain | undefined> {
  const chain = await readOpenChain(store, topic, partition);
  if (chain !== undefined) await rollForward(store, chain);
  return chain;
}

async function readOpenChain(
  store: Store,
  topic: string,
  partition: number,
  cache?: RecordCache,
): Promise<Chain | undefined> {
  const chain = await readChain(store, topic, partition, cache);
  return chain?.seal ? await openGeneration(store, chain, chain.seal) : chain;
}

async function rollForward(store: Store, chain: Chain, staged?: ReadonlySet<string>): Promise<void> {
  const last = chain.commits.at(-1);
  if (last !== undefined && !(await isApplied(store, last, chain.generation, staged)))
    await applyCommit(store, last, chain.generation, false);
}

/** Reads the log of rewrites and rolls its last one forward. To be called after the chains were recovered. */
export async function recoverRewrites(store: Store, topic: string): Promise<RewriteLog> {
  return await rollRewriteForward(store, await readRewriteLog(store, topic));
}

async function rollRewriteForward(
  store: Store,
  found: RewriteLog,
  staged?: ReadonlySet<string>,
): Promise<RewriteLog> {
  let log = found;
  // What is opened may have been sealed again by the time it is read, and nothing may follow a seal in its generation.
  for (let opened = 0; log.seal !== undefined; opened++) {
    if (opened === MAX_OVERTAKEN)
      throw new Error(`${log.topic}: others sealed its rewrites ${opened} times meanwhile; run this again`);
    log = await openRewriteGeneration(store, log, log.seal);
  }
  const last = lastRewrite(log);
  // Whoever seals has rolled forward before, so only a rewrite of the current generation can be unapplied.
  if (last !== undefined && !(await isRewriteApplied(store, last, log.generation!, staged)))
    await applyRewrite(store, last, log.generation!, false);
  return log;
}

/**
 * A topic as one process recovers it, once or many times: each time what was published since is seen and rolled forward,
 * and nothing is read twice.
 */
export class RecoveredTopic {
  readonly store: Store;
  readonly topic: string;
  /** As it was found in place the last time. */
  #state: TopicState | undefined;

  constructor(store: Store, topic: string) {
    this.store = store;
    this.topic = topic;
  }

  /**
   * Recovers all of the topic and returns its state. What another process published while the state was read may be
   * unapplied, and whoever built on it would hide it from every later recovery: so it is the state returned that must be
   * in place.
   */
  async recover(): Promise<TopicState> {
    const { store, topic } = this;
    let before = this.#state;
    for (let overtaken = 0; overtaken < MAX_OVERTAKEN; overtaken++) {
      const state = await (before ? followTopicState(store, before) : readTopicState(store, topic));
      if (await isInPlace(store, state, before)) {
        this.#state = state;
        return state;
      }
      before = undefined;
      for (const partition of state.chains.keys()) await recoverChain(store, topic, partition);
      await recoverRewrites(store, topic);
    }
    throw new Error(
      `${topic}: others published ${MAX_OVERTAKEN} records while it was recovered; run this again`,
    );
  }
}

/** The same for whoever recovers a topic once. */
export async function recoverTopic(store: Store, topic: string): Promise<TopicState> {
  return await new RecoveredTopic(store, topic).recover();
}

/**
 * Whether nothing that a state knows of is left to be opened or moved. What is in place once stays applied, and so does
 * all that was known `before`, which was in place.
 */
async function isInPlace(
  store: Store,
  { chains, log }: TopicState,
  before: TopicState | undefined,
): Promise<boolean> {
  for (const [partition, chain] of chains) {
    if (chain === before?.chains.get(partition)) continue;
    const { commits, seal, generation } = chain;
    const last = commits.at(-1);
    if (seal !== undefined || (last !== undefined && !(await isApplied(store, last, generation))))
      return false;
  }
  if (log === before?.log) return true;
  if (log.seal !== undefined) return false;
  const last = lastRewrite(log);
  return last === undefined || (await isRewriteApplied(store, last, log.generation!));
}

const lastRewrite = (log: RewriteLog) =>
  log.generation === undefined ? undefined : log.rewrites.findLast(({ kind }) => kind !== 'seal');

/** What a run does to its partitions side by side: `step` may end one of them without the others. */
export interface Recovering {
  partition: number;
  chain?: Chain;
  /** Runs a step of this partition, unless an earlier one failed. */
  step(act: () => Promise<void>): Promise<void>;
}

export interface LoadRecovery {
  store: Store;
  topic: string;
  cache: RecordCache | undefined;
  /** What a partition's chain begins with; `policy` and `rewriteSeq` as they hold for this topic. */
  root: (
    partition: number,
    policy: Base['policy'],
    rewriteSeq: number,
  ) => Promise<Omit<Base, 'v' | 'attempt'>>;
  startPolicy: Base['policy'];
}

/**
 * The same for a load, which roots new partitions too, and lists once what can be listed once for all of them. New
 * partitions of a topic that was loaded before begin at the earliest record. Returns the log of rewrites, if it could be
 * read: else that ended every partition. Of `others`, which another run loads, new ones are rooted and nothing else is done.
 */
export async function recoverForLoad(
  { store, topic, cache, root, startPolicy }: LoadRecovery,
  partitions: readonly Recovering[],
  others: readonly Recovering[] = [],
): Promise<RewriteLog | undefined> {
  const known = new Set(await listPartitions(store, topic));
  const policy = known.size > 0 ? 'earliest' : startPolicy;
  const forAll = (all: readonly Recovering[], act: (one: Recovering) => Promise<void>) =>
    Promise.all(all.map((one) => one.step(() => act(one))));
  await forAll(partitions, async (one) => {
    const chain = known.has(one.partition)
      ? await readOpenChain(store, topic, one.partition, cache)
      : undefined;
    if (chain !== undefined) one.chain = chain;
  });
  // Both listed after the chains: a rewrite may have retired what would be rolled forward, and what is not staged any
  // more is applied.
  const rewrites = readRewriteLog(store, topic, cache);
  const staged = rewrites.then(() => listStaged(store, topic));
  staged.catch(() => {}); // told as the error of each partition
  const unrooted = others.filter(({ partition }) => !known.has(partition));
  await forAll([...partitions, ...unrooted], async (one) => {
    const { seq } = await rewrites;
    if (one.chain !== undefined) return await rollForward(store, one.chain, await staged);
    one.chain = await rootChain(store, await root(one.partition, policy, seq));
  });
  const log = await rewrites.catch(() => undefined);
  return log && (await rollRewriteForward(store, log, await staged));
}
