/**
 * `millrace doctor`: every inconsistency of the warehouse, and what to do about it. Exit status 1 if rows are concerned.
 */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Diagnosis } from '../jobs/doctor.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { collect } from './options.ts';
import { counted } from './output.ts';
import { openWarehouse } from './resources.ts';
import { topicsInWarehouse } from './topic-offsets.ts';

interface Options {
  topic?: string[];
  fix?: boolean;
}

async function doctorCommand(context: CommandContext, { topic, fix = false }: Options): Promise<number> {
  const { settings, now, signal, out } = context;
  const { doctor } = await import('../jobs/doctor.ts');
  await using store = await openWarehouse(context, fix ? 'write' : 'read');
  const known = await topicsInWarehouse(store);
  const unknown = topic?.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(
      `topic "${unknown}" has no table in ${store.url}; known are ${known.join(', ') || 'none'}`,
    );
  const { graceMs } = settings.loader;
  const topics: Diagnosis[] = [];
  for (const name of topic ?? known)
    topics.push(await doctor({ store, topic: name, fix, graceMs, run: randomUUID(), now, signal }));
  const findings = topics.flatMap((one) => one.findings);
  const ok = findings.every(({ severity }) => severity !== 'error');
  out.object({ warehouse: store.url, topics, ok });
  for (const { severity, kind, path, problem, remedy } of findings)
    out.line(`${severity}: ${path}: ${kind}: ${problem}; ${remedy}`);
  const fixed = topics.reduce((sum, one) => sum + one.fixed, 0);
  if (fixed > 0) out.line(`${counted(fixed, 'finding')} put right`);
  if (topics.length === 0) out.line(`${store.url}: there is no table; is it the right place?`);
  else if (findings.length === 0)
    out.line(`${store.url}: nothing is wrong in ${counted(topics.length, 'topic')}`);
  return ok ? EXIT.done : EXIT.failed;
}

export function define(command: Command, act: Act): void {
  command
    .option('--topic <name>', 'only this topic; may be repeated', collect)
    .option('--fix', 'puts right what is safe to put right: what a load would do, and sweeping what is dead')
    .action(act<Options>(doctorCommand));
  addExamples(command, [
    ['doctor', 'looks at every topic of the warehouse and changes nothing'],
    ['doctor --topic activity --fix', 'finishes what was left half done'],
  ]);
}
