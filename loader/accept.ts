/**
 * What a load does when a partition's log is not what its chain was read from: stop, unless an operator has signed. A gap
 * becomes a record of its own, so that the chain stays closed and the loss stands on paper; a log created anew ends the
 * generation and begins the next one under another incarnation, so that equal offsets are not taken for equal rows.
 */
import { applyCommit } from './apply.ts';
import type { Commit } from './commit.ts';
import { type Chain, publishCommit } from './commit-chain.ts';
import { emptyRecord, type Sealer, sealChain } from './generation.ts';
import { recoverChain } from './recover.ts';
import type { LogProblem, LogView } from './same-log.ts';
import type { Store } from './store/store.ts';

/** What an operator has signed for. */
export interface Accepted {
  gap: boolean;
  recreated: boolean;
  /** Who signed. */
  by: string;
}

/** A partition that can't be loaded now; the others go on. The message is one line with the remedy. */
export class PartitionStopped extends Error {
  override name = 'PartitionStopped';
}

/** Goes on past a problem that was signed for: returns the chain to load on from. Throws PartitionStopped if it wasn't. */
export async function acceptProblem(
  store: Store,
  chain: Chain,
  {
    problem,
    view,
    accepted,
    sealer,
  }: { problem: LogProblem; view: LogView; accepted: Accepted; sealer: Sealer },
): Promise<Chain> {
  const isAccepted = problem.kind === 'gap' ? accepted.gap : accepted.recreated;
  if (!isAccepted) throw new PartitionStopped(problem.message);
  const { topic, partition, base, generation } = chain;
  if (problem.kind === 'gap') {
    const reason = `the log began at ${view.logStart} when the chain had reached ${chain.head}`;
    const gap: Commit = {
      ...emptyRecord(chain, sealer),
      kind: 'gap',
      next: view.logStart,
      gap: { reason, by: accepted.by },
    };
    if ((await publishCommit(store, generation, gap)) === 'won')
      await applyCommit(store, gap, generation, true);
  } else {
    const opens = { topicId: view.topicId, incarnation: base.incarnation + 1, head: view.logStart };
    await sealChain(store, chain, sealer, opens);
  }
  const after = await recoverChain(store, topic, partition);
  if (after === undefined || after.headSha256 === chain.headSha256)
    throw new PartitionStopped(`${topic}-${partition}: another loader is at work on it; run the load again`);
  return after;
}
