/**
 * `millrace audit`: counts per hour, what producers say (where they count) against the broker's log against the records
 * against the files. Exit status 1 on a hole.
 */
import type { Command } from 'commander';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { hourText } from './options.ts';
import { startProgress } from './progress.ts';
import { connect, openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { UsageError } from './usage-error.ts';

interface Options {
  topic: string;
  from?: string;
  to?: string;
}

async function auditCommand(context: CommandContext, { topic, from, to }: Options): Promise<number> {
  if (from !== undefined && to !== undefined && from > to)
    throw new UsageError(`--from ${from} is after --to ${to}; exchange them`);
  const { settings, now, signal, progress, out, log } = context;
  const { audit } = await import('../jobs/audit.ts');
  const { RowCopier } = await import('../loader/row-copier.ts');
  const { openSpoolDirectory } = await import('../loader/spool-directory.ts');
  await using client = await connect(context);
  await using store = await openWarehouse(context, 'read');
  await using local = await openSpoolDirectory(settings.loader);
  await using copier = await RowCopier.open({
    memoryLimitBytes: settings.loader.duckdbMemoryBytes,
    tempDirectory: local.path,
  });
  using bar = startProgress('audit', 0, progress);
  const onProgress = (done: number, total: number) => bar.update(done, total);
  const localDirectory = local.path;
  const result = await audit({
    store,
    client,
    topic,
    settings,
    copier,
    localDirectory,
    from,
    to,
    now,
    signal,
    onProgress,
    warn: (message) => log.warn(message),
  });
  out.object(result);
  const isProducedKnown = result.hours.some(({ produced }) => produced !== undefined);
  const tiers = [...(isProducedKnown ? ['produced'] : []), 'broker', 'loader', 'files'];
  const head = ['hour', ...tiers, 'late', 'refused', 'complete', 'verdict'];
  const rows = result.hours.map((one) => [
    one.hour,
    ...(isProducedKnown ? [one.produced ?? null] : []),
    one.broker,
    one.loader,
    one.files,
    one.late,
    one.quarantined,
    one.complete ? 'yes' : 'no',
    one.verdict,
  ]);
  out.line(result.hours.length === 0 ? `${topic}: no hours yet` : tableText(head, rows));
  for (const problem of result.hours.flatMap(({ problems }) => problems)) out.line(problem);
  return result.ok ? EXIT.done : EXIT.failed;
}

export function define(command: Command, act: Act): void {
  command
    .requiredOption('--topic <name>', 'the topic')
    .option('--from <hour>', 'first hour, like 2026-11-22T13', hourText)
    .option('--to <hour>', 'last hour', hourText)
    .action(act<Options>(auditCommand));
  addExamples(command, [
    ['audit --topic activity', 'every hour; exit status 1 if rows are missing or doubled'],
    ['audit --topic activity --from 2026-11-22T00 --json', 'from an hour on, as JSON'],
  ]);
}
