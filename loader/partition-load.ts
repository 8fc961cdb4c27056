/**
 * One partition's part of a run, from the plan to the applied record: tasks, a second look at the log, publish, apply.
 * If another loader takes the name first, what it published is taken as it is, and the rest of the plan is tried again.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import { PartitionStopped } from './accept.ts';
import { applyCommit } from './apply.ts';
import { assembleCommit, type CommitContext } from './assemble-commit.ts';
import type { Commit } from './commit.ts';
import { type Chain, newAttempt, publishCommit, withCommit } from './commit-chain.ts';
import { HOUR_MS, type HourIndex, parseHour } from './hour.ts';
import type { MadeDirectories } from './made-directories.ts';
import { attemptDirectory } from './paths.ts';
import type { PlannedPartition } from './plan.ts';
import { recoverChain } from './recover.ts';
import { type LogView, logProblem } from './same-log.ts';
import type { Store } from './store/store.ts';
import type { TaskDone, TaskInput } from './task.ts';
import type { TaskPool } from './task-pool.ts';

/** How often one run may be outbid on one partition before it gives up. */
const MAX_OUTBID = 5;

/** What all partitions of a topic share in one run. */
export interface TopicRun extends Omit<CommitContext, 'chain' | 'attempt' | 'nowMs'> {
  store: Store;
  client: KafkaClient;
  pool: TaskPool;
  now: () => number;
  made: MadeDirectories;
  /** Asks the broker again what the partition's log is. */
  look: (partition: number) => Promise<LogView>;
  task: Pick<
    TaskInput,
    'bounds' | 'tombstones' | 'client' | 'loader' | 'webhdfs' | 'registry' | 'spoolDirectory'
  >;
}

/** What became of a partition: its chain, the records this run published for it (more than one after a race), and the time of its tasks. */
export interface LoadedPartition {
  chain: Chain;
  commits: Commit[];
  seconds: number;
}

/** Loads what the plan says of one partition. */
export async function loadPartition(
  run: TopicRun,
  chain: Chain,
  planned: PlannedPartition,
): Promise<LoadedPartition> {
  const commits: Commit[] = [];
  let seconds = 0;
  const tell = (spent: number) => {
    seconds += spent;
  };
  let [at, todo] = [chain, planned];
  for (let outbid = 0; outbid < MAX_OUTBID; outbid++) {
    const commit = await attemptLoad(run, at, todo, tell);
    if (commit === undefined) return { chain: at, commits, seconds };
    if (commit !== 'lost') {
      commits.push(commit);
      return { chain: withCommit(at, commit), commits, seconds };
    }
    at = (await recoverChain(run.store, at.topic, at.partition)) ?? at;
    if (at.head >= planned.range.until) return { chain: at, commits, seconds };
    const rest = { from: at.head, until: planned.range.until };
    todo = { partition: planned.partition, range: rest, tasks: [rest] };
  }
  throw new PartitionStopped(
    `${at.topic}-${at.partition}: another loader took the next record ${MAX_OUTBID} times; stop the other one, or run this again`,
  );
}

/** One attempt: reads, stages, publishes and applies. `lost`: the name went to another loader. Undefined: nothing was covered. */
async function attemptLoad(
  run: TopicRun,
  chain: Chain,
  planned: PlannedPartition,
  tell: (seconds: number) => void,
): Promise<Commit | 'lost' | undefined> {
  const { store, client } = run;
  const { topic, partition, generation } = chain;
  const attempt = newAttempt();
  const staging = attemptDirectory(
    topic,
    { kind: 'commit', partition, generation, start: planned.range.from },
    attempt,
  );
  let mayLand = false;
  try {
    const results = await runTasks(run, chain, planned, staging.slice(topic.length + 1));
    if (results === 'lost') return 'lost';
    tell(results.reduce((sum, result) => sum + result.seconds, 0));
    const commit = assembleCommit(planned, results, { ...run, chain, attempt, nowMs: run.now() });
    if (commit === undefined) return undefined;
    // What was just read counts as loaded here: it may have been lost, and its offsets given to others, since it was read.
    const withCommit = { ...chain, head: commit.next, commits: [...chain.commits, commit] };
    const problem = await logProblem(client, withCommit, await run.look(partition));
    if (problem !== undefined) throw new PartitionStopped(problem.message);
    mayLand = true;
    const published = await publishCommit(store, generation, commit);
    if (published === 'won') {
      await applyCommit(store, commit, generation, true, run.made);
      return commit;
    }
    mayLand = false;
    return 'lost';
  } finally {
    // Until its publish is sent, or once it has lost, an attempt is this process's own to clear away. In between it may
    // still land and must keep its files; after a win they were moved. What can't be removed now is swept when the name
    // is taken: the trouble to tell is the one that ended the attempt.
    if (!mayLand) await store.remove(staging).catch(() => {});
  }
}

async function runTasks(
  run: TopicRun,
  chain: Chain,
  planned: PlannedPartition,
  staging: string,
): Promise<TaskDone[] | 'lost'> {
  const { topic, partition } = chain;
  const shared = {
    ...run.task,
    topic,
    partition,
    schema: run.schema,
    markedHours: new Set<HourIndex>([...run.markedHours].flatMap((hour) => parseHour(hour) ?? [])),
    lateBeforeMs: run.lateBeforeMs,
    fallbackHour: Math.floor(run.planTakenMs / HOUR_MS),
    staging,
  };
  const lag = planned.range.until - planned.range.from;
  const results = await Promise.all(
    planned.tasks.map((range, task) => run.pool.run({ ...shared, range, task }, lag)),
  );
  const done = results.filter((result) => result.ok);
  const failed =
    results.find((result) => !result.ok && !result.abandoned) ?? results.find((result) => !result.ok);
  if (failed === undefined || failed.ok) return done;
  // Staging of an outbid attempt is swept by its winner, under the feet of the tasks that fill it. Where the chain can't be
  // read now, what failed is the trouble to tell.
  const now = await recoverChain(run.store, topic, partition).catch(() => undefined);
  if (!failed.abandoned && now !== undefined && now.head > chain.head) return 'lost';
  throw new PartitionStopped(`${topic}-${partition}: ${failed.message}`, { cause: failed.stack });
}
