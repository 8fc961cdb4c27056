/**
 * `millrace undo`: takes a replay or a compaction back, while the trash still holds what it removed.
 */
import type { Command } from 'commander';
import type { KafkaClient } from '../broker/client/client.ts';
import type { UndoResult } from '../jobs/undo.ts';
import type { Store } from '../loader/store/store.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { counted, groupDigits } from './output.ts';
import { connect, openWarehouse } from './resources.ts';
import { topicsInWarehouse } from './topic-offsets.ts';
import { UsageError } from './usage-error.ts';

/** The topic and number of the rewrite that the argument names: a run, or with --topic a number. */
async function findTarget(
  store: Store,
  target: string,
  topic: string | undefined,
): Promise<{ topic: string; rewrite: number }> {
  const isNumber = /^\d{1,15}$/.test(target);
  if (isNumber && topic === undefined)
    throw new UsageError(
      `rewrites are counted per topic: undo ${target} needs --topic; see "millrace undo --help"`,
    );
  const { findRewrite } = await import('../jobs/undo.ts');
  const { readRewriteLog } = await import('../loader/rewrite-log.ts');
  for (const name of topic === undefined ? await topicsInWarehouse(store) : [topic]) {
    const found = findRewrite(await readRewriteLog(store, name), isNumber ? Number(target) : target);
    if (found !== undefined) return { topic: name, rewrite: found.seq };
  }
  const where = topic === undefined ? `no topic in ${store.url}` : `${topic} in ${store.url} does not`;
  throw new Error(
    topic === undefined
      ? `${where} has a rewrite by run ${target}; check the id and --warehouse`
      : `${where} have ${isNumber ? `rewrite ${target}` : `a rewrite by run ${target}`}; check it and --warehouse`,
  );
}

/** Undo needs no broker: without one, the hours get their markers from the next load. */
async function connectIfServed(context: CommandContext): Promise<KafkaClient | undefined> {
  return await connect(context).catch(() => undefined);
}

function printResult({ out }: CommandContext, result: UndoResult): void {
  out.object(result);
  const { undoes, kind, rewrite, rows, filesRemoved, filesRestored, hours, marked } = result;
  out.line(
    `rewrite ${undoes} of ${result.topic} (${kind}) was taken back by rewrite ${rewrite}: ${counted(filesRestored, 'file')} with ${counted(rows, 'row')} came back in the place of ${groupDigits(filesRemoved)}; ` +
      `${counted(hours.length, 'hour')} touched, ${groupDigits(marked.length)} marked complete`,
  );
}

async function undoCommand(
  context: CommandContext,
  { topic }: { topic?: string },
  target: string,
): Promise<number> {
  const { settings, log, now } = context;
  await using store = await openWarehouse(context);
  const found = await findTarget(store, target, topic);
  const client = await connectIfServed(context);
  await using _client = client ?? null;
  const { undo } = await import('../jobs/undo.ts');
  const warn = (message: string) => log.warn(message);
  printResult(context, await undo({ settings, store, client, ...found, now, warn }));
  return EXIT.done;
}

export function define(command: Command, act: Act): void {
  command
    .argument('<run>', 'the run of the replay or compaction, or with --topic its number')
    .option('--topic <name>', 'its topic; else every topic of the warehouse is searched for the run')
    .action(act<{ topic?: string }, [string]>(undoCommand));
  addExamples(command, [
    ['undo 3b241101-e2bb-4255-8caf-4136c566a962', 'the rows are again what they were before that replay'],
    ['undo 7 --topic access', 'the same by the number of the rewrite'],
  ]);
}
