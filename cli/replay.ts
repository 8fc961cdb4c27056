/**
 * `millrace replay`: reads offsets again that were loaded already, and puts the new rows in the place of the old ones.
 */
import type { Command } from 'commander';
import type { KafkaClient } from '../broker/client/client.ts';
import type { ReplayOptions, ReplayPreview, ReplayResult } from '../jobs/replay.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { timeMs, wholeNumber } from './options.ts';
import { counted, groupDigits, secondsText } from './output.ts';
import { startProgress } from './progress.ts';
import { connect, openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { UsageError } from './usage-error.ts';

interface Options {
  topic: string;
  partition?: number;
  fromOffset?: number;
  fromTime?: number;
  fromRun?: string;
  toOffset?: number;
  toTime?: number;
  acceptFewer?: boolean;
  dryRun?: boolean;
}

const SEE = 'see "millrace replay --help"';
/** A replay of a month touches thousands of files; people want to see of which kind they are. */
const SHOWN_FILES = 40;

type Selection = ReplayOptions['selection'];

/** The range that the options name. Throws a UsageError unless they name one. */
function selectionOf({ partition, fromOffset, fromTime, fromRun, toOffset, toTime }: Options): Selection {
  const starts = [
    fromOffset === undefined ? undefined : { offset: fromOffset },
    fromTime === undefined ? undefined : { timeMs: fromTime },
    fromRun === undefined ? undefined : { run: fromRun },
  ].filter((start) => start !== undefined);
  const [from] = starts;
  if (from === undefined || starts.length > 1)
    throw new UsageError(`replay needs one of --from-offset, --from-time and --from-run; ${SEE}`);
  if (toOffset !== undefined && toTime !== undefined)
    throw new UsageError(`replay takes one of --to-offset and --to-time; ${SEE}`);
  if (fromOffset !== undefined && toOffset !== undefined && toOffset <= fromOffset)
    throw new UsageError(`--to-offset ${toOffset} is not above --from-offset ${fromOffset}; ${SEE}`);
  const to =
    toOffset !== undefined ? { offset: toOffset } : toTime === undefined ? undefined : { timeMs: toTime };
  return { partition, from, to };
}

/** Offsets say nothing without a partition, unless there is only one. */
async function withPartition(client: KafkaClient, topic: string, selection: Selection): Promise<Selection> {
  const { partition, from, to } = selection;
  if (partition !== undefined || !('offset' in from || (to !== undefined && 'offset' in to)))
    return selection;
  const { topics } = await client.metadata([topic], { autoCreate: false });
  const partitions = topics[0]?.partitions.map((one) => one.partition) ?? [];
  if (partitions.length === 1) return { ...selection, partition: partitions[0]! };
  throw new UsageError(
    `${topic} has ${partitions.length} partitions: --from-offset and --to-offset need --partition; ${SEE}`,
  );
}

function printPreview({ out }: CommandContext, preview: ReplayPreview): void {
  out.object({ dryRun: true, ...preview });
  const rows = preview.partitions.map((p) => [
    p.partition,
    p.from,
    p.until,
    p.filesRemoved,
    p.rowsRemoved,
    p.filesCut,
    p.hours,
  ]);
  out.line(
    tableText(['partition', 'from', 'until', 'files replaced', 'their rows', 'files cut', 'hours'], rows),
  );
  const { hours, files, filesRemoved, filesCut, filesAdded } = preview;
  for (const { path, isCut } of files.slice(0, SHOWN_FILES))
    out.line(`${isCut ? 'cut    ' : 'replace'} ${path}`);
  const more = files.length - SHOWN_FILES;
  if (more > 0) out.line(`and ${counted(more, 'more file')}; --json names them all`);
  const acts = [
    ...(filesRemoved > 0 ? [`replace ${counted(filesRemoved, 'file')}`] : []),
    ...(filesCut > 0 ? [`cut ${counted(filesCut, 'file')} with rows outside the range too`] : []),
  ];
  const span = hours.length > 0 ? `, ${hours[0]} to ${hours.at(-1)}` : '';
  out.line(
    acts.length === 0
      ? 'no file of the table has rows of the range; nothing was changed'
      : `would ${acts.join(' and ')}; about ${counted(filesAdded, 'new file')} would take their place; ` +
          `${counted(hours.length, 'hour')} touched${span}; nothing was changed`,
  );
}

function printResult({ out }: CommandContext, result: ReplayResult): void {
  out.object(result);
  out.line(
    tableText(
      ['partition', 'from', 'until'],
      result.partitions.map((p) => [p.partition, p.from, p.until]),
    ),
  );
  const { read, filtered, quarantined, late, filesRemoved, filesAdded, hours, marked } = result;
  out.line(
    `${counted(read, 'record')} read again in ${secondsText(result.seconds)}: ${groupDigits(quarantined)} refused, ${groupDigits(late)} late, ${groupDigits(filtered)} passed over; ` +
      `${counted(filesRemoved, 'file')} replaced by ${groupDigits(filesAdded)}; ` +
      `${counted(hours.length, 'hour')} touched, ${groupDigits(marked.length)} marked complete`,
  );
  out.line(`"millrace undo ${result.runId} --topic ${result.topic}" takes it back while the trash is kept`);
}

async function replayCommand(context: CommandContext, options: Options): Promise<number> {
  const selection = selectionOf(options);
  const { settings, log, now, signal, progress } = context;
  const { topic } = options;
  const { previewReplay, replay } = await import('../jobs/replay.ts');
  await using client = await connect(context);
  await using store = await openWarehouse(context, options.dryRun ? 'read' : 'write');
  const chosen = { store, client, topic, selection: await withPartition(client, topic, selection) };
  if (options.dryRun) {
    printPreview(context, await previewReplay(chosen));
    return EXIT.done;
  }
  let bar: ReturnType<typeof startProgress> | undefined;
  using _bar = { [Symbol.dispose]: () => bar?.[Symbol.dispose]() };
  const onProgress = (read: number, planned: number) => {
    bar ??= startProgress('replay', planned, progress);
    bar.update(read, planned);
  };
  const result = await replay({
    ...chosen,
    settings,
    acceptFewer: options.acceptFewer ?? false,
    now,
    signal,
    warn: (message) => log.warn(message),
    onProgress,
  });
  printResult(context, result);
  return EXIT.done;
}

export function define(command: Command, act: Act): void {
  command
    .requiredOption('--topic <name>', 'the topic')
    .option(
      '--partition <n>',
      'only this partition; offsets need it, unless there is one only',
      wholeNumber(0),
    )
    .option('--from-offset <n>', 'from this stored offset', wholeNumber(0))
    .option('--from-time <time>', 'from the first record of this timestamp or later', timeMs)
    .option('--from-run <id>', 'from where the commits of this load began')
    .option(
      '--to-offset <n>',
      'up to this offset, exclusive; else up to the end of what was loaded',
      wholeNumber(1),
    )
    .option('--to-time <time>', 'up to the first record of this timestamp or later, exclusive', timeMs)
    .option('--accept-fewer', 'goes on where a compacted log has fewer records than the table has rows')
    .option('--dry-run', 'says which files and hours would change, and changes nothing')
    .action(act<Options>(replayCommand));
  addExamples(command, [
    [
      'replay --topic access --from-time 2026-11-21 --to-time 2026-11-22 --dry-run',
      'what a replay of one day would change',
    ],
    ['replay --topic access --from-time 2026-11-21 --to-time 2026-11-22', 'replays it'],
    [
      'replay --topic access --partition 3 --from-offset 120000 --to-offset 130000',
      'a range of offsets of one partition',
    ],
    ['replay --topic access --from-run 3b241101-e2bb-4255-8caf-4136c566a962', 'everything since a load'],
  ]);
}
