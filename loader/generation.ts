/**
 * Generations: how old records are forgotten without freeing their names one by one, which would let a loader that slept
 * publish an old start again. A seal takes the name of the head; then the next generation gets a base that holds what is
 * still needed; only then is the old one removed as a whole.
 */

import { type Commit, type Counts, encodeCommit, sha256Of } from './commit.ts';
import {
  type Chain,
  isHistory,
  listGenerations,
  newAttempt,
  publishCommit,
  rootChain,
} from './commit-chain.ts';
import { boundsOf, filesOwnedBy } from './fold.ts';
import {
  generationDirectory,
  partitionDirectory,
  rewriteGenerationDirectory,
  rewritesDirectory,
} from './paths.ts';
import type { Rewrite } from './rewrite.ts';
import { publishRewrite, type RewriteLog, readRewriteLog, rootRewriteLog } from './rewrite-log.ts';
import { lastBatchOf } from './same-log.ts';
import type { Store } from './store/store.ts';
import type { TopicState } from './table-state.ts';

/** Who seals, and when. */
export interface Sealer {
  run: string;
  nowMs: number;
}

const NO_ROWS: Counts = {
  read: 0,
  data: 0,
  lateInHour: 0,
  lateDir: 0,
  quarantined: 0,
  filtered: 0,
  perHour: {},
};
const NO_SCHEMA = { name: '', sha256: '0'.repeat(64) };

/** A record of a chain that carries no rows: a gap or a seal. Its bounds are those of nothing. */
export function emptyRecord(chain: Chain, { run, nowMs }: Sealer): Omit<Commit, 'kind' | 'next'> {
  const at = new Date(nowMs).toISOString();
  return {
    v: 1,
    topic: chain.topic,
    topicId: chain.base.topicId,
    incarnation: chain.base.incarnation,
    partition: chain.partition,
    start: chain.head,
    prevSha256: chain.headSha256,
    run,
    attempt: newAttempt(),
    planTakenAt: at,
    committedAt: at,
    leaderEpoch: -1,
    last: null,
    lateBefore: at,
    skewAfter: at,
    schema: NO_SCHEMA,
    files: [],
    counts: NO_ROWS,
  };
}

/**
 * Ends the current generation of a chain and opens the next. The chain must be recovered. `opens` differs from the chain's
 * own values where the topic was created anew. Returns undefined if another process took the head's name.
 */
export async function sealChain(
  store: Store,
  chain: Chain,
  sealer: Sealer,
  opens: NonNullable<Commit['opens']> = { ...chain.base, head: chain.head },
): Promise<Chain | undefined> {
  const { topicId, incarnation, head } = opens;
  const seal: Commit = {
    ...emptyRecord(chain, sealer),
    kind: 'seal',
    next: chain.head,
    opens: { topicId, incarnation, head },
  };
  if ((await publishCommit(store, chain.generation, seal)) === 'lost') return undefined;
  const sealed = { ...chain, seal };
  return await openGeneration(store, sealed, seal);
}

/** Gives the generation after a seal its base: the head, and the files and bounds that the sealed records held. */
export async function openGeneration(store: Store, chain: Chain, seal: Commit): Promise<Chain> {
  const { topic, partition, base, generation } = chain;
  const log = await readRewriteLog(store, topic);
  const isSameLog = seal.opens!.incarnation === base.incarnation;
  const epochs = chain.commits.map(({ leaderEpoch }) => leaderEpoch);
  return await rootChain(
    store,
    {
      topic,
      partition,
      ...seal.opens!,
      policy: base.policy,
      createdAt: base.createdAt,
      rewriteSeq: log.seq,
      files: filesOwnedBy(chain, log.rewrites),
      // Offsets of a topic created anew begin again: what is known of the old ones says nothing of them.
      ...(isSameLog && {
        bounds: boundsOf(chain).map(({ start, lateBeforeMs, skewAfterMs }) => [
          start,
          lateBeforeMs,
          skewAfterMs,
        ]),
        last: lastBatchOf(chain),
        leaderEpoch: epochs.findLast((epoch) => epoch >= 0) ?? base.leaderEpoch ?? -1,
      }),
      prevSha256: sha256Of(encodeCommit(seal)),
    },
    generation + 1,
  );
}

/** Ends the current generation of the rewrite log and opens the next; undefined if another process took the number. */
export async function sealRewriteLog(
  store: Store,
  log: RewriteLog,
  { run, nowMs }: Sealer,
): Promise<RewriteLog | undefined> {
  if (log.generation === undefined) return undefined;
  const seal: Rewrite = {
    v: 1,
    kind: 'seal',
    topic: log.topic,
    seq: log.seq + 1,
    prevSha256: log.headSha256,
    run,
    attempt: newAttempt(),
    createdAt: new Date(nowMs).toISOString(),
    removes: [],
    adds: [],
  };
  if ((await publishRewrite(store, log.generation, seal)) === 'lost') return undefined;
  const sealed = await readRewriteLog(store, log.topic);
  return sealed.seal ? await openRewriteGeneration(store, sealed, sealed.seal) : sealed;
}

export async function openRewriteGeneration(
  store: Store,
  log: RewriteLog,
  seal: Rewrite,
): Promise<RewriteLog> {
  return await rootRewriteLog(
    store,
    {
      topic: log.topic,
      seq: seal.seq,
      createdAt: seal.createdAt,
      ...(log.expiredBefore === undefined ? {} : { expiredBefore: log.expiredBefore }),
      prevSha256: log.headSha256,
    },
    log.generation! + 1,
  );
}

/**
 * Removes the generations that are history: of each chain those below the current one, of the rewrite log those whose
 * rewrites every chain was sealed after. Returns how many went. The state must be recovered and read anew.
 */
export async function removeHistory(store: Store, { topic, chains, log }: TopicState): Promise<number> {
  let removed = 0;
  const old = async (directory: string, generation: number) =>
    (await listGenerations(store, directory)).filter((found) => found < generation);
  for (const { partition, generation } of chains.values())
    for (const below of await old(partitionDirectory(topic, partition), generation)) {
      await store.remove(generationDirectory(topic, partition, below));
      removed++;
    }
  if (log.generation === undefined || log.seal !== undefined) return removed;
  for (const below of await old(rewritesDirectory(topic), log.generation)) {
    if (!(await isFolded(store, { topic, chains, log }, below))) break;
    await store.remove(rewriteGenerationDirectory(topic, below));
    removed++;
  }
  return removed;
}

/** Whether every chain's base was made after the last rewrite of a generation. */
async function isFolded(
  store: Store,
  { topic, chains, log }: Omit<TopicState, 'live'>,
  generation: number,
): Promise<boolean> {
  if (!(await isHistory(store, rewritesDirectory(topic), generation))) return false;
  const seals = log.rewrites.filter(({ kind }) => kind === 'seal');
  const last = seals[seals.length - (log.generation! - generation)]?.seq ?? 0;
  return [...chains.values()].every(({ base }) => base.rewriteSeq >= last);
}
