/**
 * `millrace compact`: merges the small files of complete hours.
 */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { CompactResult } from '../jobs/compact.ts';
import type { Store } from '../loader/store/store.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { hourText, wholeNumber } from './options.ts';
import { bytesText, counted, groupDigits } from './output.ts';
import { startProgress } from './progress.ts';
import { openWarehouse } from './resources.ts';

interface Options {
  topic: string;
  hour?: string;
  targetBytes?: number;
}

/** Compacts a topic with progress. */
export async function runCompact(
  { settings, now, signal, progress, log }: CommandContext,
  store: Store,
  { topic, hour, targetBytes }: Options,
): Promise<CompactResult> {
  const { loader } = settings;
  const { compact } = await import('../jobs/compact.ts');
  const { RowCopier } = await import('../loader/row-copier.ts');
  const { openSpoolDirectory } = await import('../loader/spool-directory.ts');
  const { findSchema } = await import('../schemas/event-schema.ts');
  await using local = await openSpoolDirectory(loader);
  await using copier = await RowCopier.open({
    memoryLimitBytes: loader.duckdbMemoryBytes,
    tempDirectory: local.path,
  });
  using bar = startProgress('compact', 0, progress);
  return await compact({
    store,
    topic,
    copier,
    localDirectory: local.path,
    hour,
    targetBytes: targetBytes ?? loader.targetFileBytes,
    compression: loader.compression,
    rowGroupRows: loader.rowGroupRows,
    eventTime: (await findSchema(topic, settings))?.eventTime,
    graceMs: loader.graceMs,
    run: randomUUID(),
    now,
    signal,
    onProgress: (done, total) => bar.update(done, total),
    warn: (message) => log.warn(message),
  });
}

async function compactCommand(context: CommandContext, options: Options): Promise<void> {
  const { out } = context;
  const { topic } = options;
  await using store = await openWarehouse(context);
  const result = await runCompact(context, store, options);
  out.object(result);
  out.line(
    result.hours.length === 0
      ? `${topic}: nothing to merge in complete hours`
      : `${topic}: ${counted(result.filesBefore, 'file')} of ${counted(result.hours.length, 'hour')} became ${groupDigits(result.filesAfter)}; ` +
          `${counted(result.rows, 'row')}, ${bytesText(result.bytesBefore)} became ${bytesText(result.bytesAfter)}`,
  );
}

const [KIB, TIB] = [1024, 1024 ** 4];

export function define(command: Command, act: Act): void {
  command
    .requiredOption('--topic <name>', 'the topic')
    .option('--hour <hour>', 'only this hour, like 2026-11-22T13', hourText)
    .option(
      '--target-bytes <n>',
      'size that files are merged to; default: loader.targetFileBytes',
      wholeNumber(64 * KIB, TIB),
    )
    .action(act<Options>(compactCommand));
  addExamples(command, [
    ['compact --topic activity', 'all complete hours that have small files'],
    [
      'compact --topic activity --hour 2026-11-22T13 --target-bytes 268435456',
      'one hour, into files of 256 MiB',
    ],
  ]);
}
