/**
 * Which offsets a replay is about: from what an operator names (an offset, a time, a run) to ranges of the partitions
 * that were loaded, and whether the log still has them.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { OffsetRange } from '../broker/topic-partition.ts';
import type { Chain } from '../loader/commit-chain.ts';
import { boundsOf } from '../loader/fold.ts';
import { logProblem, viewLog } from '../loader/same-log.ts';
import { clipRange, type ReplayRange } from './replay-plan.ts';

/** What an operator names; times are milliseconds since 1970, and mean the first record of that timestamp or later. */
export interface ReplaySelection {
  /** Undefined: every partition. */
  partition?: number | undefined;
  from: { offset: number } | { timeMs: number } | { run: string };
  /** Exclusive. Undefined: the head of the chain. */
  to?: { offset: number } | { timeMs: number } | undefined;
}

type Chains = ReadonlyMap<number, Chain>;

/** The ranges of the selection that were loaded, by partition. Throws if there are none. */
export async function selectRanges(
  client: KafkaClient,
  topic: string,
  chains: Chains,
  selection: ReplaySelection,
): Promise<ReplayRange[]> {
  const { partition, from, to } = selection;
  if (partition !== undefined && !chains.has(partition))
    throw new Error(
      `${topic}-${partition} was never loaded into this warehouse; "millrace offsets --topic ${topic}" shows what was`,
    );
  const chosen = [...chains.values()].filter((chain) => (partition ?? chain.partition) === chain.partition);
  const starts = await boundary(client, topic, chosen, from);
  const ends = await boundary(client, topic, chosen, to ?? { offset: Number.MAX_SAFE_INTEGER });
  const ranges = chosen.flatMap((chain, i) => clipRange(chain, { from: starts[i]!, until: ends[i]! }) ?? []);
  if (ranges.length > 0) return ranges;
  const known = chosen.map(
    (chain) => `${chain.partition}: ${boundsOf(chain)[0]?.start ?? chain.head} to ${chain.head}`,
  );
  const isRun = 'run' in from && starts.every((start) => start === Number.POSITIVE_INFINITY);
  throw new Error(
    isRun
      ? `${topic}: no commit of run ${from.run} is in the chains; "millrace offsets --topic ${topic} --json" shows the runs, of older ones name the offsets`
      : `${topic}: nothing of that was loaded, so there is nothing to replay; loaded are the offsets ${known.join(', ') || 'of no partition'}`,
  );
}

/** The offset that a boundary is in each chain. Infinity: the run made no record of it, or no record is as young. */
async function boundary(
  client: KafkaClient,
  topic: string,
  chains: readonly Chain[],
  at: ReplaySelection['from'],
): Promise<number[]> {
  if ('offset' in at) return chains.map(() => at.offset);
  if ('run' in at)
    return chains.map(
      ({ commits }) =>
        commits.find(({ run, kind }) => run === at.run && kind === 'data')?.start ?? Number.POSITIVE_INFINITY,
    );
  const found = await client.listOffsets(
    chains.map(({ partition }) => ({ topic, partition })),
    at.timeMs,
  );
  return chains.map(({ partition }) => {
    const offset = found.find((one) => one.partition === partition)?.offset ?? -1;
    return offset < 0 ? Number.POSITIVE_INFINITY : offset;
  });
}

/** Throws unless the chains are still of the incarnation that the ranges were chosen in, and the logs those they were read from. */
export async function checkSameLogs(
  client: KafkaClient,
  topic: string,
  chains: Chains,
  ranges: readonly ReplayRange[],
): Promise<void> {
  const { topics } = await client.metadata([topic], { autoCreate: false });
  for (const { partition, incarnation } of ranges) {
    const chain = chains.get(partition);
    if (chain?.base.incarnation !== incarnation)
      throw new Error(
        `${topic}-${partition}: its log was accepted as created anew meanwhile; run the replay again`,
      );
    const view = await viewLog(client, topic, partition, topics[0]?.topicId ?? chain.base.topicId);
    const problem = await logProblem(client, chain, view);
    if (problem?.kind === 'other') throw new Error(problem.message);
  }
}

/** Throws if a log no longer has the beginning of a range. */
export async function checkLogStarts(
  client: KafkaClient,
  topic: string,
  ranges: readonly ReplayRange[],
): Promise<void> {
  const starts = await client.listOffsets(
    ranges.map(({ partition }) => ({ topic, partition })),
    'earliest',
  );
  for (const range of ranges) {
    const logStart = starts.find(({ partition }) => partition === range.partition)!.offset;
    if (logStart > range.from) throw new Error(logStartProblem(topic, range, logStart));
  }
}

function logStartProblem(
  topic: string,
  { partition, from, until }: ReplayRange & OffsetRange,
  logStart: number,
) {
  const begins = `${topic}-${partition}: the log begins at ${logStart}, so offsets ${from} to ${Math.min(until, logStart) - 1} can't be read again; nothing was changed`;
  return logStart < until
    ? `${begins}: replay from there with --partition ${partition} --from-offset ${logStart}`
    : `${begins}: the rows in the table are all there is`;
}
