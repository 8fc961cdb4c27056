/**
 * Actors that load: the steps of `loader/topic-load.ts` in its order, with a made-up broker behind them. Everything that
 * touches the store is the product's own code; only the task that would fetch and write Parquet stages made rows instead.
 */
import type { KafkaClient } from '../../broker/client/client.ts';
import { type Chain, newAttempt, rootChain } from '../../loader/commit-chain.ts';
import { forgetHistory } from '../../loader/forget.ts';
import { removeHistory, sealChain } from '../../loader/generation.ts';
import { HOUR_MS } from '../../loader/hour.ts';
import { listMarkedHours } from '../../loader/hour-marker.ts';
import { type JudgeTopicOptions, judgeTopic } from '../../loader/judge-topic.ts';
import { MadeDirectories } from '../../loader/made-directories.ts';
import { loadPartition, type TopicRun } from '../../loader/partition-load.ts';
import { type LoadRecovery, type Recovering, recoverChain, recoverForLoad } from '../../loader/recover.ts';
import { type RunId, writeOutcome, writePlan, writeStarted } from '../../loader/run-history.ts';
import type { Store } from '../../loader/store/store.ts';
import { sweepStaging } from '../../loader/sweep.ts';
import { readTopicState } from '../../loader/table-state.ts';
import type { TaskInput } from '../../loader/task.ts';
import { type Context, isExpected, type Program } from './execution.ts';
import { stageRows } from './rows.ts';
import { type Row, TOPIC } from './world.ts';

const TOPIC_ID = 'id';
const iso = (ms: number) => new Date(ms).toISOString();

/** How an appender goes about its work; each step can be replaced by a wrong one. */
export interface AppenderOptions {
  partitions?: readonly number[];
  /** Most offsets in one record; default: all there are. */
  step?: number;
  rounds?: number;
  /** Where it roots a chain that isn't there. */
  policy?: 'earliest' | 'latest';
  recover?: typeof recoverAsRun;
  sweep?: (store: Store) => Promise<unknown>;
  /** The store as this actor sees it. */
  view?: (store: Store) => Store;
}

/** What a run tells `loadPartition`: nothing of it comes from a broker. */
export function runOf({ store, world, name, now }: Context): TopicRun {
  const pool = {
    run: async ({ staging, partition, range, task }: TaskInput) => {
      const rows = Array.from(
        { length: range.until - range.from },
        (_, i): Row => [partition, range.from + i],
      );
      const files = await stageRows(store, { rows, hourOf: world.hourOf, staging, task });
      return {
        ok: true,
        next: range.until,
        files,
        read: rows.length,
        filtered: 0,
        last: null,
        leaderEpoch: -1,
      };
    },
  };
  return {
    store,
    made: new MadeDirectories(store),
    client: {} as KafkaClient,
    pool: pool as unknown as TopicRun['pool'], // runs tasks, and nothing else is asked of it
    now,
    look: async (partition) => ({ topicId: TOPIC_ID, logStart: 0, highWatermark: world.endOf(partition) }),
    task: {} as TopicRun['task'],
    run: name,
    planTakenMs: now(),
    lateBeforeMs: 0,
    skewAfterMs: 0,
    schema: undefined,
    markedHours: new Set<string>(),
  };
}

/** Roots a partition's chain, as the first load does. */
export async function root(
  store: Store,
  { partition, head = 0, nowMs = 0 }: { partition: number; head?: number; nowMs?: number },
): Promise<Chain> {
  const policy = head === 0 ? 'earliest' : 'latest';
  const base = { topic: TOPIC, topicId: TOPIC_ID, partition, incarnation: 0, head, policy } as const;
  return await rootChain(store, { ...base, createdAt: iso(nowMs), rewriteSeq: 0 });
}

/** Recovers and roots as a load does; throws what ended a partition. */
export async function recoverAsRun(
  { store, world, now }: Context,
  partitions: readonly number[],
  startPolicy: 'earliest' | 'latest',
): Promise<Chain[]> {
  let failure: unknown;
  const standings = partitions.map(
    (partition): Recovering => ({
      partition,
      step: (act) => act().catch((error: unknown) => void (failure ??= error)),
    }),
  );
  const root: LoadRecovery['root'] = async (partition, policy, rewriteSeq) => {
    const head = policy === 'latest' ? world.endOf(partition) : 0;
    const origin = { incarnation: 0, head, policy, createdAt: iso(now()), rewriteSeq };
    return { topic: TOPIC, topicId: TOPIC_ID, partition, ...origin };
  };
  await recoverForLoad({ store, topic: TOPIC, cache: undefined, root, startPolicy }, standings);
  if (failure !== undefined) throw failure;
  return standings.map(({ chain }) => chain!);
}

/** Loads [head, until) of a partition and notes what this actor was told is its own. */
export async function append(context: Context, chain: Chain, until: number): Promise<void> {
  const { partition, head } = chain;
  if (until <= head) return;
  const range = { from: head, until };
  const { commits } = await loadPartition(runOf(context), chain, { partition, range, tasks: [range] });
  for (const { start, next } of commits) context.world.won.push({ partition, start, next, by: context.name });
}

/** Loads what there is, round after round, and sweeps. A round that fails ends as a run of the product does: with a line. */
export function appender(options: AppenderOptions = {}): Program {
  const { partitions = [0], step = Number.POSITIVE_INFINITY, rounds = 1, policy = 'earliest' } = options;
  const { recover, sweep = sweepAsRun, view = (store) => store } = options;
  return async (context) => {
    const own = { ...context, store: view(context.store) };
    const { store, world } = own;
    for (let round = 0; round < rounds; round++) {
      const chains = await (recover ?? recoverAsRun)(own, partitions, policy);
      for (const chain of chains)
        await append(own, chain, Math.min(world.endOf(chain.partition), chain.head + step));
      await sweep(store);
    }
  };
}

async function sweepAsRun(store: Store): Promise<void> {
  await sweepStaging(store, await readTopicState(store, TOPIC));
}

/** How a judging loader takes its observation; the wrong order is a mutant. */
export interface JudgeOptions {
  /** From how many records on its run seals. */
  sealAfter?: number;
  partitions?: readonly number[];
  isClockLast?: boolean;
  /** The store as the judge sees it, after the load. */
  judgesOver?: (store: Store) => Store;
  step?: number;
  rounds?: number;
}

/** Loads as `topic-load` does, with observation, plan and judgement: the actor of the models of complete hours. */
export function judgingLoader(options: JudgeOptions = {}): Program {
  const { partitions = [0], step = Number.POSITIVE_INFINITY, rounds = 1, judgesOver } = options;
  const { sealAfter = Number.MAX_SAFE_INTEGER } = options;
  return async (context) => {
    const { store } = context;
    for (let round = 0; round < rounds; round++) {
      const id: RunId = { topic: TOPIC, run: newAttempt(), startedAt: iso(context.now()) };
      const chains = await recoverAsRun(context, partitions, 'earliest');
      const ends = await observe(context, id, chains, options);
      for (const [index, chain] of chains.entries())
        await append(context, chain, Math.min(ends[index]!, chain.head + step));
      await judge(context, id, { store: judgesOver?.(store) ?? store, partitions, sealAfter });
    }
  };
}

/** Clock first, then the high watermarks, then the plan: as `loadTopic` does. */
async function observe(
  { store, world, act, now }: Context,
  id: RunId,
  chains: readonly Chain[],
  { isClockLast = false }: JudgeOptions,
): Promise<number[]> {
  const readClock = async () => {
    const storeMs = await writeStarted(
      store,
      id,
      new Map(chains.map(({ partition, head }) => [partition, head])),
    );
    return Math.min(await act('reads the clock', now), storeMs);
  };
  const early = isClockLast ? undefined : await readClock();
  const ends = await act('asks for the high watermarks', () =>
    chains.map(({ partition }) => world.endOf(partition)),
  );
  const timeMs = early ?? (await readClock());
  const observations = chains.map(({ partition, head: headRead }, index) => {
    return { partition, topicId: TOPIC_ID, headRead, timeMs, highWatermark: ends[index]! };
  });
  await writePlan(store, id, {
    v: 1,
    run: id.run,
    topic: TOPIC,
    takenAt: iso(timeMs),
    observations,
    ranges: [],
  });
  return ends;
}

/** Sweeps, judges and forgets as a run does; `sealAfter` records a chain is sealed. */
async function judge(
  { store: own, now }: Context,
  id: RunId,
  { store, partitions, sealAfter = Number.MAX_SAFE_INTEGER }: Judging,
): Promise<void> {
  const markedHours = new Set(await listMarkedHours(store, TOPIC));
  const metadata = async () => ({ topics: [{ partitions: partitions.map((partition) => ({ partition })) }] });
  const warn = (message: string) => {
    if (message.includes('hours were not judged')) failure = new Error(message);
  };
  let failure: Error | undefined;
  const loader = { graceMs: 0, emptyHoursPerRun: 4, sealAfterRecords: sealAfter };
  const options = { store, client: { metadata }, settings: { loader }, warn, run: id.run, now };
  const seen = { markedHours, skewMs: 0, takenMs: now() };
  // Of client and settings only what judging asks for.
  const judgement = await judgeTopic(options as unknown as JudgeTopicOptions, TOPIC, seen);
  if (failure !== undefined) throw failure;
  const counted = { hoursMarked: judgement!.marked.length, judgedHeads: judgement!.judgedHeads };
  const { judgedRewrite } = judgement!;
  await writeOutcome(own, id, {
    v: 1,
    ...id,
    endedAt: iso(now()),
    partitions: [],
    ...counted,
    judgedRewrite,
  });
}

interface Judging {
  store: Store;
  partitions: readonly number[];
  sealAfter?: number;
}

/** Judges alone, as a run does that finds nothing to load. */
export function judgeAlone({ judgesOver }: Pick<JudgeOptions, 'judgesOver'> = {}): Program {
  return async (context) => {
    const id: RunId = { topic: TOPIC, run: newAttempt(), startedAt: iso(context.now()) };
    await judge(context, id, { store: judgesOver?.(context.store) ?? context.store, partitions: [0] });
  };
}

/** Seals the chain of partition 0 however short it is, and removes what is history. */
export function collector({ rounds = 1 } = {}): Program {
  return async ({ store, name, now }) => {
    for (let round = 0; round < rounds; round++) {
      const chain = await recoverChain(store, TOPIC, 0);
      if (chain !== undefined) await sealChain(store, chain, { run: name, nowMs: now() });
      await removeHistory(store, await readTopicState(store, TOPIC));
    }
  };
}

/** Seals every chain and the log of rewrites, and removes what is history, round after round. */
export function sealer({ rounds = 1, view = (store: Store) => store } = {}): Program {
  return async ({ store, name, now }) => {
    for (let round = 0; round < rounds; round++)
      await forgetHistory(view(store), await readTopicState(view(store), TOPIC), {
        limit: 1,
        sealer: { run: name, nowMs: now() },
      });
  };
}

/** Tries a program again when it ended because others were faster or an outcome could not be learnt, as an hourly run does. */
export function hourly(program: Program, tries: number): Program {
  return async (context) => {
    for (let left = tries; left > 0; left--)
      try {
        return await program(context);
      } catch (error) {
        if (!isExpected(error)) throw error;
      }
  };
}

/** The world outside: events that are acknowledged, and hours that pass. */
export function outside(steps: readonly ('hour' | number)[]): Program {
  return async ({ act, world }) => {
    for (const step of steps)
      if (step === 'hour')
        await act('an hour passes', () => {
          world.clockMs += HOUR_MS;
        });
      else await act(`an event of partition ${step} is acknowledged`, () => world.accept(step));
  };
}
