/**
 * Makes one commit record of what the tasks of a partition found. Pure: the tasks' results go in, the record comes out,
 * or undefined if they covered nothing.
 */
import type { EventSchema } from '../schemas/event-schema.ts';
import type { Commit, Counts, DataFile } from './commit.ts';
import type { Chain } from './commit-chain.ts';
import type { Hour } from './hour.ts';
import { finalName } from './paths.ts';
import type { PlannedPartition } from './plan.ts';
import type { StagedFile } from './stage-files.ts';
import type { TaskDone } from './task.ts';

export interface CommitContext {
  chain: Chain;
  run: string;
  attempt: string;
  planTakenMs: number;
  lateBeforeMs: number;
  skewAfterMs: number;
  nowMs: number;
  schema: EventSchema | undefined;
  markedHours: ReadonlySet<Hour>;
}

const iso = (ms: number) => new Date(ms).toISOString();

/**
 * The results that count: sub-ranges in order, up to and including the first that a time budget cut short. What a later
 * one read is not part of the record, its files are swept with the attempt.
 */
function covered(tasks: PlannedPartition['tasks'], results: readonly TaskDone[]): TaskDone[] {
  const short = results.findIndex(({ next }, i) => next < tasks[i]!.until);
  return results.slice(0, short < 0 ? results.length : short + 1);
}

export function assembleCommit(
  planned: PlannedPartition,
  results: readonly TaskDone[],
  context: CommitContext,
): Commit | undefined {
  const { chain, schema } = context;
  const used = covered(planned.tasks, results);
  const start = planned.range.from;
  const next = used.at(-1)?.next ?? start;
  if (next <= start) return undefined;
  const files = used
    .flatMap((result) => result.files)
    .map((file, part) => named(file, chain, start, next, part));
  const lastRead = used.findLast(({ last }) => last !== null);
  return {
    v: 1,
    kind: 'data',
    topic: chain.topic,
    topicId: chain.base.topicId,
    incarnation: chain.base.incarnation,
    partition: chain.partition,
    start,
    next,
    prevSha256: chain.headSha256,
    run: context.run,
    attempt: context.attempt,
    planTakenAt: iso(context.planTakenMs),
    committedAt: iso(context.nowMs),
    leaderEpoch: lastRead?.leaderEpoch ?? -1,
    last: lastRead?.last ?? null,
    lateBefore: iso(context.lateBeforeMs),
    skewAfter: iso(context.skewAfterMs),
    schema: { name: schema?.name ?? 'raw', sha256: schema?.sha256 ?? RAW_SHA256 },
    files,
    counts: countsOf(used, files, context.markedHours),
  };
}

/** A raw table has no schema file; its "sha256" says so. */
const RAW_SHA256 = '0'.repeat(64);

function named(
  file: StagedFile,
  { partition, base }: Chain,
  from: number,
  next: number,
  part: number,
): DataFile {
  const final = finalName(file.role, file.hour, {
    partition,
    incarnation: base.incarnation,
    from,
    next,
    rewrite: 0,
    part,
  });
  return { ...file, final };
}

function countsOf(
  used: readonly TaskDone[],
  files: readonly DataFile[],
  markedHours: ReadonlySet<Hour>,
): Counts {
  const rows = (role: DataFile['role']) =>
    files.reduce((sum, file) => (file.role === role ? sum + file.rows : sum), 0);
  const perHour: Record<Hour, number> = {};
  let lateInHour = 0;
  for (const { role, hour, rows: n } of files) {
    if (role !== 'data') continue;
    perHour[hour] = (perHour[hour] ?? 0) + n;
    if (markedHours.has(hour)) lateInHour += n;
  }
  return {
    read: used.reduce((sum, { read }) => sum + read, 0),
    data: rows('data'),
    lateInHour,
    lateDir: rows('late'),
    quarantined: rows('quarantine'),
    filtered: used.reduce((sum, { filtered }) => sum + filtered, 0),
    perHour,
  };
}
