/**
 * `millrace aggregate`: brings the aggregates of a topic up to date; with `--query` also prints its rows.
 */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import type { AggregateOptions, AggregateResult } from '../jobs/aggregate.ts';
import type { Store } from '../loader/store/store.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { collect, hourText } from './options.ts';
import { type Cell, counted, secondsText } from './output.ts';
import { startProgress } from './progress.ts';
import { openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { UsageError } from './usage-error.ts';

interface Options {
  topic: string;
  query?: string[];
  from?: string;
  to?: string;
  all?: boolean;
  engine: string;
}

/** Aggregates on DuckDB in this process, with the memory that the loader's workers have together. */
export async function runAggregate(
  { settings, log, now, signal, progress }: CommandContext,
  store: Store,
  wanted: Pick<AggregateOptions, 'topic' | 'queries' | 'from' | 'to' | 'all'>,
): Promise<AggregateResult> {
  const { aggregate } = await import('../jobs/aggregate.ts');
  const { DuckDbEngine } = await import('../jobs/engine/duckdb.ts');
  const { openSpoolDirectory } = await import('../loader/spool-directory.ts');
  const workers = settings.loader.workers || availableParallelism();
  await using local = await openSpoolDirectory(settings.loader);
  await using engine = await DuckDbEngine.open({
    memoryBytes: settings.loader.duckdbMemoryBytes * workers,
    temporaryDirectory: local.path,
    threads: workers,
  });
  using bar = startProgress('aggregate', 0, progress);
  const onProgress = (done: number) => bar.update(done);
  return await aggregate({
    ...wanted,
    store,
    engine,
    localDirectory: local.path,
    now,
    log,
    signal,
    onProgress,
  });
}

/** The rows of one query in the asked range; without `--all` those of complete hours. */
async function rowsOf(store: Store, query: string, { topic, from, to, all }: Options) {
  const { aggregatedHours, aggregateRows } = await import('./aggregate-rows.ts');
  const { listMarkedHours } = await import('../loader/hour-marker.ts');
  const complete = new Set(all ? [] : await listMarkedHours(store, topic));
  const hours = (await aggregatedHours(store, query, topic)).filter(
    (hour) => (all || complete.has(hour)) && (!from || hour >= from) && (!to || hour <= to),
  );
  return hours.length === 0 ? [] : aggregateRows(store, query, topic, hours);
}

function printRows({ out }: CommandContext, query: string, rows: readonly Record<string, Cell>[]): void {
  const columns = Object.keys(rows[0] ?? {});
  out.line();
  out.line(`${query}: ${rows.length === 0 ? 'no rows' : ''}`.trimEnd());
  if (rows.length > 0)
    out.line(
      tableText(
        columns,
        rows.map((row) => columns.map((c) => row[c])),
      ),
    );
}

/** Throws UsageError for what can't be meant, before anything is opened. */
async function checkOptions({ engine, query, from, to }: Options): Promise<void> {
  if (engine !== 'duckdb') throw new UsageError(`there is no engine ${engine} yet; use --engine duckdb`);
  if (from !== undefined && to !== undefined && from > to)
    throw new UsageError(`--from ${from} is after --to ${to}; exchange them`);
  if (query === undefined) return;
  const { readQueries } = await import('../jobs/query-file.ts');
  const known = (await readQueries()).map(({ name }) => name);
  const unknown = query.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no query "${unknown}"; known are ${known.join(', ')}`);
}

async function aggregate(context: CommandContext, options: Options): Promise<void> {
  const { out, log } = context;
  await checkOptions(options);
  await using store = await openWarehouse(context);
  const { topic, query, from, to, all } = options;
  const result = await runAggregate(context, store, { topic, queries: query, from, to, all });
  const rows = new Map<string, Record<string, Cell>[]>();
  for (const name of query ?? []) rows.set(name, await rowsOf(store, name, options));
  out.object({ ...result, ...(query && { rows: Object.fromEntries(rows) }) });

  const table = result.queries.map((q) => [q.query, q.computed, q.unchanged, q.rows]);
  out.line(`${topic}: ${counted(result.hours, 'hour')} in ${secondsText(result.seconds)}`);
  out.line(tableText(['query', 'computed', 'unchanged', 'new rows'], table));
  if (result.hours === 0 && !all) out.line('no complete hour in the range; --all takes incomplete ones too');
  for (const [name, each] of rows) printRows(context, name, each);
  for (const { query: name, hour } of result.unsettled)
    log.warn({ query: name, hour }, 'another run kept changing this hour; the next aggregate sees to it');
}

export function define(command: Command, act: Act): void {
  command
    .requiredOption('--topic <name>', 'the topic')
    .option('--query <name>', 'only this query, and print its rows; may be repeated', collect)
    .option('--from <hour>', 'first hour, like 2026-11-22T13', hourText)
    .option('--to <hour>', 'last hour', hourText)
    .option('--all', 'hours that are not complete as well')
    .option('--engine <name>', 'what runs the SQL', 'duckdb')
    .action(act<Options>(aggregate));
  addExamples(command, [
    ['aggregate --topic access', 'all built-in queries over the complete hours'],
    [
      'aggregate --topic access --query traffic_by_hour --all --from 2026-11-22T00',
      'one of them, its rows printed',
    ],
  ]);
}
