/**
 * `millrace load`: one parallel load of topics into the table, each event exactly once.
 */
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { LoadOptions, LoadResult } from '../loader/loader.ts';
import type { Store } from '../loader/store/store.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { collect, timeMs, wholeNumber } from './options.ts';
import { bytesText, counted, groupDigits, secondsText } from './output.ts';
import { startProgress } from './progress.ts';
import { connect, openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { UsageError } from './usage-error.ts';

interface Options {
  topic?: string[];
  topics?: RegExp;
  until?: number;
  maxEvents?: number;
  maxMinutes?: number;
  acceptGap?: boolean;
  acceptRecreated?: boolean;
  strict?: boolean;
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(`^(?:${text})$`);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

function minutes(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= 100_000) return value;
  throw new InvalidArgumentError('write minutes above 0, up to 100000.');
}

/** One load with progress. */
export async function runLoad(
  { settings, log, now, signal, progress }: CommandContext,
  store: Store,
  work: Pick<LoadOptions, 'topics' | 'untilMs' | 'maxEvents' | 'maxMinutes' | 'accepted'>,
): Promise<LoadResult> {
  const { load } = await import('../loader/loader.ts');
  let bar: ReturnType<typeof startProgress> | undefined;
  using _bar = { [Symbol.dispose]: () => bar?.[Symbol.dispose]() };
  const onProgress = (read: number, planned: number) => {
    // The bar's length is known only once the first topic is planned.
    if (planned > 0) bar ??= startProgress('load', planned, progress);
    bar?.update(read, planned);
  };
  return load({ ...work, settings, store, now, signal, warn: (message) => log.warn(message), onProgress });
}

/** The topics to load: those named, and those of the brokers that the pattern fits as a whole, but for our own counts. */
async function chosenTopics(context: CommandContext, { topic = [], topics }: Options): Promise<string[]> {
  if (!topics) return [...new Set(topic)];
  await using client = await connect(context);
  const known = await client.metadata(null);
  const { AUDIT_TOPIC } = await import('../jobs/produced-counts.ts');
  const fitting = known.topics.filter(
    ({ name, internal }) => !internal && name !== AUDIT_TOPIC && topics.test(name),
  );
  const all = [...new Set([...topic, ...fitting.map(({ name }) => name)])].sort();
  if (all.length > 0) return all;
  throw new Error(
    `no topic fits ${topics.source.slice('^(?:'.length, -')$'.length)}; "millrace topics list" shows those there are`,
  );
}

function printResult({ out, progress }: CommandContext, result: LoadResult): void {
  out.object({ ...result, topics: result.topics.map(({ topic, partitions }) => ({ topic, partitions })) });
  const all = result.topics.flatMap(({ topic, partitions }) => partitions.map((p) => ({ topic, ...p })));
  const rows = all.map((p) => [
    p.topic,
    p.partition,
    p.startOffset,
    p.nextOffset,
    p.rows,
    p.quarantined,
    p.late,
    p.files,
    bytesText(p.bytes),
    p.error !== null ? 'failed' : p.caughtUp ? 'caught up' : 'behind',
  ]);
  const head = ['topic', 'partition', 'from', 'next', 'rows', 'refused', 'late', 'files', 'size', ''];
  out.line(tableText(head, rows));
  const marked = result.topics.reduce((sum, topic) => sum + topic.marked.length, 0);
  out.line(
    `${counted(result.rows, 'row')} in ${secondsText(result.seconds)}, ${groupDigits(result.quarantined)} refused; ` +
      `${counted(result.files, 'file')}, ${bytesText(result.bytes)}; ` +
      `${counted(result.hours.length, 'hour')} touched, ${groupDigits(marked)} marked complete`,
  );
  for (const { error } of all) if (error !== null) progress.write(`error: ${error.split('\n')[0]}\n`);
}

async function loadCommand(context: CommandContext, options: Options): Promise<number> {
  if (!options.topic && !options.topics)
    throw new UsageError('load needs --topic NAME or --topics REGEX; see "millrace load --help"');
  const topics = await chosenTopics(context, options);
  await using store = await openWarehouse(context);
  const { until: untilMs, maxEvents, maxMinutes, acceptGap = false, acceptRecreated = false } = options;
  const result = await runLoad(context, store, {
    topics,
    accepted: { gap: acceptGap, recreated: acceptRecreated, by: userInfo().username },
    ...(untilMs !== undefined && { untilMs }),
    ...(maxEvents !== undefined && { maxEvents }),
    ...(maxMinutes !== undefined && { maxMinutes }),
  });
  printResult(context, result);
  const partitions = result.topics.flatMap((topic) => topic.partitions);
  if (partitions.some(({ error }) => error !== null)) return EXIT.failed;
  const whole = result.quarantined === 0 && partitions.every(({ caughtUp }) => caughtUp);
  return options.strict && !whole ? EXIT.incomplete : EXIT.done;
}

export function define(command: Command, act: Act): void {
  command
    .option('--topic <name>', 'a topic; may be repeated', collect)
    .option('--topics <regex>', 'all topics whose whole name fits', parsePattern)
    .option('--until <time>', 'leaves records of this timestamp and later for the next load', timeMs)
    .option('--max-events <n>', 'reads at most so many offsets of a topic', wholeNumber(1))
    .option('--max-minutes <n>', 'stops reading after so long; what was read is committed', minutes)
    .option('--accept-gap', 'signs for offsets that the log has lost before they were loaded, and goes on')
    .option('--accept-recreated', 'goes on with a log that is not the one loaded so far')
    .option('--strict', 'exit status 3 if events were refused or a partition is still behind')
    .action(act<Options>(loadCommand));
  addExamples(command, [
    ['load --topic activity', 'into ./warehouse, from where the last load ended'],
    ["load --topics 'web\\..*' --warehouse file:/srv/warehouse --json", 'several topics, result as JSON'],
  ]);
}
