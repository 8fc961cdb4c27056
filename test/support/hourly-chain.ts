/**
 * A long chain made by the product's own functions: one commit an hour with one file in it, sealed and its history removed
 * whenever it has grown to a limit. It goes on from the chain it has instead of reading it each time, so ten thousand
 * hours in memory take seconds.
 */
import { applyCommit } from '../../loader/apply.ts';
import type { Commit } from '../../loader/commit.ts';
import { type Chain, publishCommit, rootChain, withCommit } from '../../loader/commit-chain.ts';
import { emptyRecord, removeHistory, sealChain } from '../../loader/generation.ts';
import { HOUR_MS, hourName } from '../../loader/hour.ts';
import { attemptDirectory } from '../../loader/paths.ts';
import type { Published } from '../../loader/publish.ts';
import type { Store } from '../../loader/store/store.ts';
import { readTopicState } from '../../loader/table-state.ts';
import { madeBody, madeFile } from './made-table.ts';

const FIRST_MS = Date.UTC(2025, 0, 1);
export const HOURLY_SEALER = { run: 'hourly', nowMs: FIRST_MS };

/** The next hour's commit, of one offset. */
export async function publishHour(
  store: Store,
  chain: Chain,
): Promise<{ outcome: Published; commit: Commit }> {
  const { topic, partition, generation, head: start } = chain;
  const empty = emptyRecord(chain, HOURLY_SEALER);
  const want = { kind: 'commit', partition, generation, start } as const;
  const staged = `${attemptDirectory(topic, want, empty.attempt)}/000-000.staged`;
  await store.create(staged, madeBody(partition, start, start + 1));
  const hour = hourName(FIRST_MS / HOUR_MS + start);
  const file = madeFile({ partition, from: start, next: start + 1, hour }, staged.slice(topic.length + 1));
  const counts = { ...empty.counts, read: 1, data: 1, perHour: { [hour]: 1 } };
  const commit: Commit = { ...empty, kind: 'data', next: start + 1, files: [file], counts };
  return { outcome: await publishCommit(store, generation, commit), commit };
}

/**
 * Makes a chain of so many hourly commits in partition 0 of a topic, sealed every `limit`. `meanwhile` is told each chain
 * as it is before its next commit. Returns how often it was sealed.
 */
export async function makeHourly(
  store: Store,
  topic: string,
  { commits, limit }: { commits: number; limit: number },
  meanwhile: (chain: Chain) => void = () => {},
): Promise<{ seals: number }> {
  const base = { topic, topicId: 'id', partition: 0, incarnation: 0, head: 0, policy: 'earliest' as const };
  let chain = await rootChain(store, { ...base, createdAt: new Date(FIRST_MS).toISOString(), rewriteSeq: 0 });
  let seals = 0;
  for (let n = 0; n < commits; n++) {
    meanwhile(chain);
    const { outcome, commit } = await publishHour(store, chain);
    if (outcome === 'lost') throw new Error('nobody else is at work here');
    await applyCommit(store, commit, chain.generation, true);
    chain = withCommit(chain, commit);
    if (chain.commits.length < limit) continue;
    chain = (await sealChain(store, chain, HOURLY_SEALER))!;
    await removeHistory(store, await readTopicState(store, topic));
    seals++;
  }
  return { seals };
}
