/**
 * `millrace generate`: seeded, realistic activity into a topic. The same options make the same events again.
 */
import { type Command, Option } from 'commander';
import type { KafkaClient } from '../broker/client/client.ts';
import type { GenerateCounts, GenerateOptions } from '../jobs/activity-in/generate.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { share, timeMs, wholeNumber } from './options.ts';
import { bytesText, counted, secondsText } from './output.ts';
import { startProgress } from './progress.ts';
import { connect, withProducer } from './resources.ts';

const HOUR_MS = 3_600_000;
const DAYS_100_YEARS = 36_525;

interface Options {
  topic: string;
  events: number;
  seed: number;
  start?: number;
  hours: number;
  visitors: number;
  late: number;
  maxLateMinutes: number;
  repeated: number;
  skew: number;
  timestamps: 'now' | 'event';
}

/** What to generate; the rest comes from the context. */
export type GenerateWork = Omit<GenerateOptions, 'now' | 'onProgress' | 'signal'>;

/** Generates and sends all of it; the counts and how long it took. */
export async function runGenerate(
  context: CommandContext,
  client: KafkaClient,
  work: GenerateWork,
): Promise<GenerateCounts & { seconds: number }> {
  const { now, signal, progress } = context;
  const { generate } = await import('../jobs/activity-in/generate.ts');
  using bar = startProgress('generate', work.events, progress);
  const started = now();
  const onProgress = ({ events }: GenerateCounts) => bar.update(events);
  const sending = { topic: work.topic, by: 'generate' } as const;
  const counts = await withProducer(context, client, sending, (sink) =>
    generate({ ...work, now, signal, onProgress }, sink),
  );
  return { ...counts, seconds: (now() - started) / 1000 };
}

/** The beginning of the last `hours` whole hours that had all ended at a moment. */
export function startOfLastHours(beforeMs: number, hours: number): number {
  return (Math.floor(beforeMs / HOUR_MS) - hours) * HOUR_MS;
}

async function generateCommand(context: CommandContext, options: Options): Promise<void> {
  const { out, now } = context;
  const { topic, events, seed, hours, visitors, late, maxLateMinutes, repeated, skew, timestamps } = options;
  const startMs = options.start ?? startOfLastHours(now(), hours);
  await using client = await connect(context, 'finish');
  const counts = await runGenerate(context, client, {
    topic,
    events,
    seed,
    startMs,
    hours,
    visitors,
    lateShare: late,
    maxLateMs: maxLateMinutes * 60_000,
    repeatedShare: repeated,
    skew,
    timestamps,
  });
  out.object({ topic, seed, start: new Date(startMs).toISOString(), hours, visitors, ...counts });
  out.line(
    `${topic}: ${counted(counts.events, 'event')} (${bytesText(counts.bytes)}) over ${counted(hours, 'hour')} from ` +
      `${new Date(startMs).toISOString().slice(0, 16)}Z sent in ${secondsText(counts.seconds)}`,
  );
}

export function define(command: Command, act: Act): void {
  command
    .option('--topic <name>', 'the topic', 'activity')
    .option('--events <n>', 'how many', wholeNumber(1), 100_000)
    .option('--seed <s>', 'the same seed, the same events', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--start <time>', 'first event; default: so that the last hour has just ended', timeMs)
    .option('--hours <h>', 'over so many hours', wholeNumber(1, DAYS_100_YEARS * 24), 24)
    .option('--visitors <v>', 'from so many visitors', wholeNumber(1, 2 ** 24), 5_000)
    .option('--late <share>', 'share of events that arrive late', share, 0)
    .option('--max-late-minutes <m>', 'how late at most', wholeNumber(1, 100_000), 15)
    .option('--repeated <share>', 'share of events that repeat the one before exactly', share, 0)
    .option('--skew <share>', 'share of events that one visitor makes alone', share, 0)
    .addOption(
      new Option('--timestamps <which>', "record timestamps: the clock's or the event's")
        .choices(['now', 'event'])
        .default('now'),
    )
    .action(act<Options>(generateCommand));
  addExamples(command, [
    ['generate --events 1000000', 'a million events over the last 24 hours into topic activity'],
    [
      'generate --topic test --seed 7 --late 0.02 --skew 0.3',
      'with late events and a hot key; load it with --set topics.test.schema=activity',
    ],
  ]);
}
