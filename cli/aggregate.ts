/**
 * `millrace aggregate`: brings the aggregates of a topic up to date; with `--query` also prints its rows.
 */
import type { Command } from 'commander';
import type { Settings } from '../config/settings.ts';
import type { AggregateOptions, AggregateResult } from '../jobs/aggregate.ts';
import type { QuerySources } from '../jobs/query-file.ts';
import type { Store } from '../loader/store/store.ts';
import { ENGINES, type EngineName, openEngine } from './aggregate-engine.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { collect, collectPairs, hourText } from './options.ts';
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
  param?: [string, string][];
  engine: string;
}

/** Brings the aggregates of a topic up to date, with the queries and parameters of the settings and those given. */
export async function runAggregate(
  context: CommandContext,
  store: Store,
  {
    engine: engineName = 'duckdb',
    ...wanted
  }: Pick<AggregateOptions, 'topic' | 'queries' | 'sources' | 'from' | 'to' | 'all'> & {
    engine?: EngineName;
  },
): Promise<AggregateResult> {
  const { settings, log, now, signal, progress } = context;
  const { aggregate } = await import('../jobs/aggregate.ts');
  const { openSpoolDirectory } = await import('../loader/spool-directory.ts');
  await using local = await openSpoolDirectory(settings.loader);
  await using engine = await openEngine(engineName, context, store, local.path);
  using bar = startProgress('aggregate', 0, progress);
  const onProgress = (done: number) => bar.update(done);
  return await aggregate({
    sources: sourcesOf(settings),
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

/** The user's own queries and the values of parameters. */
function sourcesOf({ aggregates }: Settings, given: QuerySources['given'] = []): QuerySources {
  return { directory: aggregates.dir, settings: aggregates.parameters, given };
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
async function checkOptions(
  { engine, query, from, to }: Options,
  sources: QuerySources,
): Promise<EngineName> {
  const name = ENGINES.find((known) => known === engine);
  if (name === undefined)
    throw new UsageError(`there is no engine ${engine}; known are ${ENGINES.join(', ')}`);
  if (from !== undefined && to !== undefined && from > to)
    throw new UsageError(`--from ${from} is after --to ${to}; exchange them`);
  const { QueryChoiceError, readQueries } = await import('../jobs/query-file.ts');
  await readQueries(query, sources).catch((error: unknown) => {
    throw error instanceof QueryChoiceError ? new UsageError(error.message) : error;
  });
  return name;
}

async function aggregate(context: CommandContext, options: Options): Promise<void> {
  const { out, log, settings } = context;
  const sources = sourcesOf(settings, options.param);
  const engine = await checkOptions(options, sources);
  await using store = await openWarehouse(context);
  const { topic, query, from, to, all } = options;
  const result = await runAggregate(context, store, {
    topic,
    queries: query,
    sources,
    from,
    to,
    all,
    engine,
  });
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
    .option(
      '--param <name=value>',
      'a parameter of a query, NAME or QUERY.NAME; may be repeated; lasting ones: setting aggregates.parameters',
      collectPairs,
    )
    .option('--engine <name>', `what runs the SQL: ${ENGINES.join(' or ')}`, 'duckdb')
    .action(act<Options>(aggregate));
  addExamples(command, [
    ['aggregate --topic access', 'all built-in queries over the complete hours'],
    [
      'aggregate --topic access --query traffic_by_hour --all --from 2026-11-22T00',
      'one of them, its rows printed',
    ],
    [
      'aggregate --topic activity --query funnel_by_hour --param steps_of=path --param step1=/ --param step2=/cart --param step3=/paid',
      'a query with parameters',
    ],
    ['aggregate --topic access --engine spark', 'the same on the Spark of SPARK_HOME'],
  ]);
}
