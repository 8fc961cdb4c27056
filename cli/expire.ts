/**
 * `millrace expire`: removes what the retention settings let go.
 */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Expiry } from '../jobs/expire.ts';
import type { Store } from '../loader/store/store.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { collect } from './options.ts';
import { openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { topicsInWarehouse } from './topic-offsets.ts';

interface Options {
  topic?: string[];
  dryRun?: boolean;
}

/** Expires one topic by the settings. */
export async function runExpire(
  { settings, now }: CommandContext,
  store: Store,
  topic: string,
  dryRun = false,
): Promise<Expiry> {
  const { expire } = await import('../jobs/expire.ts');
  return await expire({ store, topic, loader: settings.loader, run: randomUUID(), now, dryRun });
}

async function expireCommand(
  context: CommandContext,
  { topic: wanted, dryRun = false }: Options,
): Promise<void> {
  const { out, signal } = context;
  await using store = await openWarehouse(context, dryRun ? 'read' : 'write');
  const known = await topicsInWarehouse(store);
  const unknown = wanted?.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(
      `topic "${unknown}" has no table in ${store.url}; known are ${known.join(', ') || 'none'}`,
    );
  const topics: Expiry[] = [];
  for (const topic of wanted ?? known) {
    signal.throwIfAborted();
    topics.push(await runExpire(context, store, topic, dryRun));
  }
  out.object({ dryRun, topics });
  const rows = topics.map((one) => [
    one.topic,
    one.hours.length,
    one.rows,
    one.files,
    one.trash.length,
    one.runs,
    one.chainsSealed,
  ]);
  if (dryRun) out.line('nothing was changed; without --dry-run this would go:');
  out.line(
    tableText(['topic', 'hours', 'rows', 'files', 'trash of rewrites', 'runs', 'chains sealed'], rows),
  );
}

export function define(command: Command, act: Act): void {
  command
    .option('--topic <name>', 'only this topic; may be repeated', collect)
    .option('--dry-run', 'only says what would go')
    .action(act<Options>(expireCommand));
  addExamples(command, [
    ['expire --dry-run', 'what loader.dataKeepHours, trashKeepHours and historyKeepHours let go'],
    ['expire --topic activity --set loader.dataKeepHours=8760', 'keeps a year of one topic'],
  ]);
}
