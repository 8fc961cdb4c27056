/**
 * The doctor: everything in a warehouse that is not as its records say, as one finding each with what to do about it. It
 * changes nothing unless told to, and then only what is safe: what a load would do by itself, and removing what provably
 * nothing can come of.
 */
import { isApplied, listStaged } from '../loader/apply.ts';
import { isRewriteApplied } from '../loader/apply-rewrite.ts';
import { BrokenRecord } from '../loader/commit.ts';
import { listPartitions, readChain } from '../loader/commit-chain.ts';
import { removeHistory } from '../loader/generation.ts';
import { judgeHours } from '../loader/hour-judge.ts';
import { listMarkedHours } from '../loader/hour-marker.ts';
import { RecoveredTopic } from '../loader/recover.ts';
import { rewriteTopic } from '../loader/rewrite-topic.ts';
import type { Store } from '../loader/store/store.ts';
import { sweepStaging } from '../loader/sweep.ts';
import { readTopicState, type TopicState } from '../loader/table-state.ts';
import { findInHours } from './doctor-hours.ts';
import { findInStaging } from './doctor-staging.ts';
import type { DoctorOptions, Finding } from './finding.ts';

/** What was found, and of that what is still so after `--fix`. */
export interface Diagnosis {
  topic: string;
  findings: Finding[];
  fixed: number;
}

/** Examines one topic. */
export async function doctor(options: DoctorOptions): Promise<Diagnosis> {
  const findings = await examine(options);
  if (!options.fix || !findings.some(({ fixable }) => fixable))
    return { topic: options.topic, findings, fixed: 0 };
  await repair(options, findings);
  const left = await examine(options);
  return { topic: options.topic, findings: left, fixed: findings.length - left.length };
}

async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { store, topic } = options;
  const broken = await findBrokenRecords(store, topic);
  // Without its records nothing can be said of a table's files.
  if (broken.length > 0) return broken;
  const state = await readTopicState(store, topic);
  return [
    ...(await findUnapplied(store, state)),
    ...(await findInHours(options, state)),
    ...(await findInStaging(store, state)),
    ...findHistory(state),
  ];
}

/** Chains and the log that can't be read to their end, each by itself. */
async function findBrokenRecords(store: Store, topic: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  const examined = async (path: string, read: () => Promise<unknown>) => {
    await read().catch((error: unknown) => {
      if (!(error instanceof BrokenRecord)) throw error;
      const [problem, ...remedy] = error.message.split('; ');
      findings.push({
        kind: 'broken record',
        severity: 'error',
        path,
        problem: problem!,
        remedy: remedy.join('; ') || 'restore it from a copy',
        fixable: false,
      });
    });
  };
  for (const partition of await listPartitions(store, topic))
    await examined(`${topic}/_loader/commits`, () => readChain(store, topic, partition));
  if (findings.length === 0) await examined(`${topic}/_loader`, () => readTopicState(store, topic));
  return findings;
}

/** Records that are published but not, or not wholly, in place. */
async function findUnapplied(store: Store, { topic, chains, log }: TopicState): Promise<Finding[]> {
  const staged = await listStaged(store, topic);
  const findings: Finding[] = [];
  const unapplied = (path: string, what: string) =>
    findings.push({
      kind: 'unapplied record',
      severity: 'warning',
      path,
      problem: `${what} is published and not applied yet: a process died, or is at it`,
      remedy: 'run the load, or doctor --fix',
      fixable: true,
    });
  for (const { partition, generation, commits, seal } of chains.values()) {
    const last = commits.at(-1);
    if (last && !(await isApplied(store, last, generation, staged)))
      unapplied(`${topic}-${partition}`, `the commit at offset ${last.start} of partition ${partition}`);
    if (seal)
      unapplied(`${topic}-${partition}`, `the seal at offset ${seal.start} of partition ${partition}`);
  }
  const last = log.rewrites.at(-1);
  if (last && log.generation !== undefined && !(await isRewriteApplied(store, last, log.generation, staged)))
    unapplied(`${topic}/_loader/rewrites`, `rewrite ${last.seq} (${last.kind})`);
  return findings;
}

/** Generations that are history and still there. */
function findHistory({ topic, chains, log }: TopicState): Finding[] {
  const older = log.older + [...chains.values()].reduce((sum, chain) => sum + chain.older, 0);
  if (older === 0) return [];
  return [
    {
      kind: 'old generation',
      severity: 'warning',
      path: `${topic}/_loader`,
      problem: `${older} sealed generations are still there`,
      remedy: 'nothing needs them; the next load removes those it may, or doctor --fix',
      fixable: true,
    },
  ];
}

/** Does what a load does, and no more, and takes the numbers that orphaned rewrites are waiting for. */
async function repair(
  { store, topic, graceMs, run, now }: DoctorOptions,
  findings: readonly Finding[],
): Promise<void> {
  const table = new RecoveredTopic(store, topic);
  await table.recover();
  // A rewrite that was staged and never published may still be: its number must be taken before its staging can go.
  if (findings.some(({ kind }) => kind === 'orphaned rewrite'))
    await rewriteTopic(table, { run, now }, async () => ({ kind: 'fence', removes: [], adds: [] }));
  const state = await table.recover();
  await sweepStaging(store, state);
  await removeHistory(store, state);
  await judgeHours({
    store,
    state: await readTopicState(store, topic),
    partitions: [...state.chains.keys()],
    markedHours: new Set(await listMarkedHours(store, topic)),
    graceMs,
    emptyHoursPerRun: 0,
    run,
    now,
    lookAtAll: true,
  });
}
