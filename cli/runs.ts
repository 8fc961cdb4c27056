/**
 * `millrace runs`: what ran, and how it ended: loads, replays and undos of topics, and the runs of the schedule.
 */
import type { Command } from 'commander';
import { newestTicks, type TickRecord } from '../jobs/tick-record.ts';
import { newestRuns, type PastRun } from '../loader/run-history.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { wholeNumber } from './options.ts';
import { secondsText } from './output.ts';
import { openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { topicsInWarehouse } from './topic-offsets.ts';

interface Options {
  topic?: string;
  n: number;
}

type RunState = 'done' | 'failed' | 'no end';

/** A run as `runs --json` prints it. `no end`: it died, or is still under way. */
function summary({ topic, run, startedAt, outcome }: PastRun) {
  const partitions = outcome?.partitions ?? [];
  const total = (key: 'rows' | 'quarantined' | 'late' | 'files' | 'bytes') =>
    partitions.reduce((sum, partition) => sum + partition[key], 0);
  const errors = partitions.flatMap(({ partition, error }) => (error === null ? [] : { partition, error }));
  const state: RunState = outcome === undefined ? 'no end' : errors.length > 0 ? 'failed' : 'done';
  return {
    topic,
    run,
    kind: outcome?.kind ?? (outcome ? 'load' : null),
    state,
    startedAt,
    endedAt: outcome?.endedAt ?? null,
    rows: total('rows'),
    quarantined: total('quarantined'),
    late: total('late'),
    files: total('files'),
    bytes: total('bytes'),
    hoursMarked: outcome?.hoursMarked ?? 0,
    errors,
  };
}

const spanText = (startedAt: string, endedAt: string | null) =>
  endedAt === null ? null : secondsText((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000);

function printRuns({ out }: CommandContext, runs: readonly ReturnType<typeof summary>[]): void {
  const head = ['started', 'topic', 'kind', 'state', 'rows', 'refused', 'files', 'hours', 'took', 'run'];
  const rows = runs.map((one) => [
    one.startedAt,
    one.topic,
    one.kind,
    one.state,
    one.rows,
    one.quarantined,
    one.files,
    one.hoursMarked,
    spanText(one.startedAt, one.endedAt),
    one.run,
  ]);
  out.line(runs.length === 0 ? 'no runs yet' : tableText(head, rows));
  for (const { topic, startedAt, errors } of runs)
    for (const { partition, error } of errors)
      out.line(`${startedAt} ${topic}-${partition}: ${error.split('\n')[0]}`);
}

function printTicks({ out }: CommandContext, ticks: readonly TickRecord[]): void {
  if (ticks.length === 0) return;
  out.line('\nruns of the schedule');
  const total = (tick: TickRecord, key: 'rows' | 'hoursMarked') =>
    tick.topics.reduce((sum, topic) => sum + topic[key], 0);
  const rows = ticks.map((tick) => [
    tick.startedAt,
    tick.runner,
    tick.state,
    tick.topics.length + tick.quiet,
    total(tick, 'rows'),
    total(tick, 'hoursMarked'),
    tick.failing.length,
    spanText(tick.startedAt, tick.endedAt),
  ]);
  out.line(tableText(['started', 'runner', 'state', 'topics', 'rows', 'hours', 'failing', 'took'], rows));
  for (const { job, topic, error, since } of ticks[0]?.failing ?? [])
    out.line(`${job} of ${topic ?? 'all topics'} fails since ${since}: ${error}`);
}

async function runs(context: CommandContext, { topic, n }: Options): Promise<void> {
  await using store = await openWarehouse(context, 'read');
  const topics = topic === undefined ? await topicsInWarehouse(store) : [topic];
  const found = (await newestRuns(store, topics, n)).map(summary);
  if (topic !== undefined && found.length === 0)
    throw new Error(
      `topic "${topic}" has no runs in ${store.url}; "millrace runs" shows those of all topics`,
    );
  const ticks = topic === undefined ? await newestTicks(store, n) : [];
  context.out.object({ runs: found, ticks });
  printRuns(context, found);
  printTicks(context, ticks);
}

export function define(command: Command, act: Act): void {
  command
    .option('--topic <name>', 'only runs of this topic')
    .option('-n <count>', 'so many, the newest', wholeNumber(1, 100_000), 20)
    .action(act<Options>(runs));
  addExamples(command, [
    ['runs', 'the newest 20 runs of all topics, and of the schedule'],
    ['runs --topic activity -n 100 --json', 'of one topic, as JSON'],
  ]);
}
