/**
 * `millrace load`: one parallel load of topics into the table, each event exactly once.
 */
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { LoadOptions, LoadResult } from '../loader/loader.ts';
import type { Shard } from '../loader/shard.ts';
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
  exclude?: RegExp;
  shard?: Shard;
  until?: number;
  maxEvents?: number;
  maxMinutes?: number;
  acceptGap?: boolean;
  acceptRecreated?: boolean;
  strict?: boolean;
}

const sourceOf = (pattern: RegExp) => pattern.source.slice('^(?:'.length, -')$'.length);

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(`^(?:${text})$`);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

function parseShard(text: string): Shard {
  const [, index, of] = /^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? [];
  if (Number(index) < Number(of)) return { index: Number(index), of: Number(of) };
  throw new InvalidArgumentError('write I/N with I from 0 to N-1, like 0/4.');
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
  work: Pick<LoadOptions, 'topics' | 'untilMs' | 'maxEvents' | 'maxMinutes' | 'shard' | 'accepted'>,
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
async function chosenTopics(
  context: CommandContext,
  { topic = [], topics, exclude }: Options,
): Promise<string[]> {
  if (!topics) return [...new Set(topic)];
  await using client = await connect(context);
  const known = await client.metadata(null);
  const { AUDIT_TOPIC } = await import('../jobs/produced-counts.ts');
  const fitting = known.topics.filter(
    ({ name, internal }) =>
      !internal && name !== AUDIT_TOPIC && topics.test(name) && exclude?.test(name) !== true,
  );
  const all = [...new Set([...topic, ...fitting.map(({ name }) => name)])].sort();
  if (all.length > 0) return all;
  throw new Error(
    `no topic fits ${sourceOf(topics)}${exclude ? ` and not ${sourceOf(exclude)}` : ''}; "millrace topics list" shows those there are`,
  );
}

type Partition = LoadResult['topics'][number]['partitions'][number] & { topic: string };

/** Rows of the summary: more partitions than that are not listed one by one. */
const MOST_LISTED = 40;
const SLOWEST_LISTED = 10;

/** The partitions that a person wants to see: all, or of many the slowest of those that got rows, and what needs a look. */
function listed(all: readonly Partition[]): readonly Partition[] {
  if (all.length <= MOST_LISTED) return all;
  const slowest = all.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_LISTED);
  const troubled = all.filter(({ error, caughtUp }) => error !== null || !caughtUp);
  return [...new Set([...slowest.filter(({ seconds }) => seconds > 0), ...troubled])].slice(0, MOST_LISTED);
}

/** A topic in the JSON, by the contract of `load --json`; with what failed it, if something did. */
const topicObject = ({ topic, partitions, error }: LoadResult['topics'][number]) => ({
  topic,
  partitions: partitions.map(({ seconds: _seconds, ...partition }) => partition),
  ...(error !== null && { error }),
});

function printResult({ out, progress }: CommandContext, result: LoadResult): void {
  out.object({ ...result, topics: result.topics.map(topicObject) });
  const all = result.topics.flatMap(({ topic, partitions }) => partitions.map((p) => ({ topic, ...p })));
  const shown = listed(all);
  const rows = shown.map((p) => [
    p.topic,
    p.partition,
    p.startOffset,
    p.nextOffset,
    p.rows,
    p.quarantined,
    p.late,
    p.files,
    bytesText(p.bytes),
    p.seconds.toFixed(2),
    p.error !== null ? 'failed' : p.caughtUp ? 'caught up' : 'behind',
  ]);
  const head = ['topic', 'partition', 'from', 'next', 'rows', 'refused', 'late', 'files', 'size', 's', ''];
  out.line(tableText(head, rows));
  if (shown.length < all.length)
    out.line(
      `the slowest, and those that are behind or failed, of ${counted(all.length, 'partition')} of ${counted(result.topics.length, 'topic')}; --json has all`,
    );
  const marked = result.topics.reduce((sum, topic) => sum + topic.marked.length, 0);
  out.line(
    `${counted(result.rows, 'row')} in ${secondsText(result.seconds)}, ${groupDigits(result.quarantined)} refused; ` +
      `${counted(result.files, 'file')}, ${bytesText(result.bytes)}; ` +
      `${counted(result.hours.length, 'hour')} touched, ${groupDigits(marked)} marked complete`,
  );
  for (const { error } of [...result.topics, ...all])
    if (error !== null) progress.write(`error: ${error.split('\n')[0]}\n`);
}

async function loadCommand(context: CommandContext, options: Options): Promise<number> {
  if (!options.topic && !options.topics)
    throw new UsageError('load needs --topic NAME or --topics REGEX; see "millrace load --help"');
  if (options.exclude && !options.topics)
    throw new UsageError('--exclude takes topics out of --topics REGEX; see "millrace load --help"');
  const topics = await chosenTopics(context, options);
  await using store = await openWarehouse(context);
  const {
    until: untilMs,
    maxEvents,
    maxMinutes,
    shard,
    acceptGap = false,
    acceptRecreated = false,
  } = options;
  const result = await runLoad(context, store, {
    topics,
    accepted: { gap: acceptGap, recreated: acceptRecreated, by: userInfo().username },
    ...(untilMs !== undefined && { untilMs }),
    ...(maxEvents !== undefined && { maxEvents }),
    ...(maxMinutes !== undefined && { maxMinutes }),
    ...(shard !== undefined && { shard }),
  });
  printResult(context, result);
  const partitions = result.topics.flatMap((topic) => topic.partitions);
  if ([...result.topics, ...partitions].some(({ error }) => error !== null)) return EXIT.failed;
  const whole = result.quarantined === 0 && partitions.every(({ caughtUp }) => caughtUp);
  return options.strict && !whole ? EXIT.incomplete : EXIT.done;
}

export function define(command: Command, act: Act): void {
  command
    .option('--topic <name>', 'a topic; may be repeated', collect)
    .option('--topics <regex>', 'all topics whose whole name fits', parsePattern)
    .option('--exclude <regex>', 'but for those whose whole name fits this one', parsePattern)
    .option(
      '--shard <i/n>',
      'only the partitions of shard I of N, from 0; other machines load the others',
      parseShard,
    )
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
    ["load --topics '.*' --exclude 'test-.*|tmp'", 'all topics but some'],
    ["load --topics '.*' --shard 0/4", 'a quarter of all partitions; three other machines load 1/4 to 3/4'],
  ]);
}
