/**
 * `millrace demo`: the whole pipeline once, in one process: a broker on a free port, activity in, a parallel load, the
 * aggregates, and a page of results. It uses its own directory and leaves everything there to be looked at.
 */
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { AggregateResult } from '../jobs/aggregate.ts';
import type { LoadResult } from '../loader/loader.ts';
import type { Store } from '../loader/store/store.ts';
import { runAggregate } from './aggregate.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { prepareDemoDirectory } from './demo-directory.ts';
import { type DemoResult, demoText, type Stage } from './demo-report.ts';
import { runGenerate, startOfLastHours } from './generate.ts';
import { openInput, runIngest } from './ingest.ts';
import { runLoad } from './load.ts';
import { wholeNumber } from './options.ts';
import { counted, secondsText } from './output.ts';
import { connect, openWarehouse } from './resources.ts';

const PARTITIONS = 4;
const HOURS = 24;
const SEED = 2026;
const VISITORS = 20_000;
/** Events end this long before now, on top of the grace, so that the load finds every hour complete. */
const MARGIN_MS = 60_000;
const TOP_PAGES = 10;

interface Options {
  input?: string;
  events: number;
  keep: string;
}

/** The user's context with the demo's own places: nothing of it touches the user's broker, logs or table. */
function demoContext(context: CommandContext, directory: string, topic: string): CommandContext {
  const { settings } = context;
  const { broker, loader } = settings;
  return {
    ...context,
    settings: {
      ...settings,
      broker: {
        ...broker,
        host: '127.0.0.1',
        port: 0,
        advertisedHost: '',
        dataDir: join(directory, 'logs'),
        log: { ...broker.log, retentionMs: -1, retentionBytes: -1, totalBytes: -1 },
      },
      loader: { ...loader, warehouse: `file:${join(directory, 'warehouse')}` },
      topics: { ...settings.topics, ...(topic === 'access' && { access: { schema: 'web_request' } }) },
    },
  };
}

/** Tells how a stage went, on stderr: the result alone goes to stdout. */
function tellStage({ progress }: CommandContext, stage: Stage): Stage {
  const { name, events, seconds } = stage;
  progress.write(`${name}: ${counted(events, 'event')} in ${secondsText(seconds)}\n`);
  return stage;
}

/** Activity in: made up, or a real log. */
async function fillTopic(
  context: CommandContext,
  topic: string,
  events: number,
  input?: Readable,
): Promise<Stage> {
  const { settings, now } = context;
  await using client = await connect(context, 'finish');
  await client.createTopic(topic, { partitions: PARTITIONS, replication: 1 });
  if (input !== undefined) {
    const { sent, rejected, seconds } = await runIngest(context, client, input, {
      topic,
      format: 'combined',
    });
    if (rejected > 0)
      context.progress.write(`${counted(rejected, 'line')} rejected: no access log lines, or too long\n`);
    return tellStage(context, { name: 'ingest', events: sent, seconds });
  }
  const startMs = startOfLastHours(now() - settings.loader.graceMs - MARGIN_MS, HOURS);
  const work = { topic, events, seed: SEED, startMs, hours: HOURS, visitors: VISITORS };
  return tellStage(context, { name: 'generate', ...(await runGenerate(context, client, work)) });
}

async function resultOf(
  store: Store,
  topic: string,
  directory: string,
  stages: Stage[],
  loaded: LoadResult,
): Promise<DemoResult> {
  const { aggregatedHours, aggregateRows, topPaths } = await import('./aggregate-rows.ts');
  const { listMarkedHours } = await import('../loader/hour-marker.ts');
  const rowsOf = async (query: string) =>
    aggregateRows(store, query, topic, await aggregatedHours(store, query, topic));
  const traffic = await rowsOf('traffic_by_hour');
  const sessions = await rowsOf('sessions_by_hour');
  const sum = (rows: typeof sessions, name: string) =>
    rows.reduce((all, row) => all + Number(row[name] ?? 0), 0);
  const complete = new Set(await listMarkedHours(store, topic));
  const hours = traffic.map((row) => ({ hour: String(row['hour_start']), events: Number(row['events']) }));
  return {
    topic,
    stages,
    hours,
    topPaths: await topPaths(store, topic, TOP_PAGES),
    sessions: { byHost: sum(sessions, 'sessions_by_host'), byVisitor: sum(sessions, 'sessions_by_visitor') },
    rows: loaded.rows,
    quarantined: loaded.quarantined,
    files: loaded.files,
    bytes: loaded.bytes,
    completeHours: hours.filter(({ hour }) => complete.has(hour)).length,
    warehouse: join(directory, 'warehouse'),
    directory,
  };
}

function aggregateStage(result: AggregateResult, events: number): Stage {
  return { name: `aggregate (${result.queries.length} queries)`, events, seconds: result.seconds };
}

async function demo(context: CommandContext, options: Options): Promise<number> {
  const { Broker } = await import('../broker/broker.ts');
  const topic = options.input === undefined ? 'activity' : 'access';
  // Opened first: what an earlier demo left must not be deleted for a path that is wrong.
  const input = options.input === undefined ? undefined : await openInput(options.input);
  const directory = await prepareDemoDirectory(options.keep, options.input);
  const own = demoContext(context, directory, topic);
  await using broker = await Broker.start(own.settings.broker, { log: own.log });
  own.settings.client = { ...own.settings.client, brokers: `${broker.host}:${broker.port}` };
  own.progress.write(`broker on ${broker.host}:${broker.port}, everything in ${directory}\n`);
  const filled = await fillTopic(own, topic, options.events, input);
  await using store = await openWarehouse(own);
  const loaded = await runLoad(own, store, { topics: [topic] });
  const load = tellStage(own, { name: 'load', events: loaded.rows, seconds: loaded.seconds });
  const failed = loaded.topics.flatMap((t) => t.partitions).find(({ error }) => error !== null);
  if (failed) throw new Error(`partition ${failed.partition}: ${failed.error}`);
  const aggregated = await runAggregate(own, store, { topic, all: true });
  const aggregate = tellStage(own, aggregateStage(aggregated, loaded.rows));
  const result = await resultOf(store, topic, directory, [filled, load, aggregate], loaded);
  own.out.object(result);
  own.out.line(`\n${demoText(result)}`);
  return EXIT.done;
}

export function define(command: Command, act: Act): void {
  command
    .option('--input <log>', 'an access log, plain or gzip, in place of generated activity')
    .option('--events <n>', 'how many events to generate', wholeNumber(1, 100_000_000), 1_000_000)
    .option('--keep <dir>', 'where logs, table and aggregates are left', './millrace-demo')
    .action(act<Options>(demo));
  addExamples(command, [
    ['demo', 'a million generated events, results in ./millrace-demo'],
    ['demo --input access.log.gz --keep ./my-site', 'the same with a real log'],
  ]);
}
