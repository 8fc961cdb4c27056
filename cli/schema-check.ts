/**
 * `millrace schema check`: whether a new version of a schema may take the place of the old one, change by change, with
 * what to do instead where it may not.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { EventSchema } from '../schemas/event-schema.ts';
import { allows, type Change, changesBetween, isAllowed, LEVELS, type Level } from '../schemas/evolution.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { openWarehouse } from './resources.ts';
import { kindsText } from './schema-kinds.ts';
import { UsageError } from './usage-error.ts';

interface Options {
  level: Level;
  against?: string;
  topic?: string;
}

/** A schema by its file (anything that ends in .json) or by its name. */
async function schemaOf(what: string, { settings }: CommandContext): Promise<EventSchema> {
  const { findSchema, parseSchema, SchemaError } = await import('../schemas/event-schema.ts');
  if (what.endsWith('.json')) {
    const text = await readFile(what, 'utf8').catch((error: Error) => {
      throw new SchemaError(`schema ${what}: cannot be read (${error.message})`);
    });
    return parseSchema(basename(what, '.json'), text, what);
  }
  const found = await findSchema(what, { ...settings, topics: {} });
  if (found === undefined)
    throw new UsageError(
      `there is no schema ${what}; \`millrace schema list\` has their names, a file ends in .json`,
    );
  return found;
}

/** One change in words: `ok` or `REFUSED`, and for those that depend on the level who may go first. */
function changeLines(change: Change, level: Level): string[] {
  const { column, change: what, why, instead, files, backward, forward } = change;
  const isOk = files && allows(change, level);
  const lines = [`${isOk ? 'ok     ' : 'REFUSED'}  ${column}: ${what}`, `         ${why}`];
  if (instead !== '') lines.push(`         ${isOk ? 'mind' : 'instead'}: ${instead}`);
  if (files && backward !== forward)
    lines.push(`         allowed by --level ${backward ? 'backward' : 'forward'} only`);
  return lines;
}

async function check(
  context: CommandContext,
  { level, against, topic }: Options,
  first: string | undefined,
  second: string | undefined,
): Promise<number | undefined> {
  if (topic !== undefined) {
    if (second !== undefined || against !== undefined)
      throw new UsageError('schema check --topic takes one schema at most: what to compare with the files');
    return checkTable(context, topic, first);
  }
  if (first === undefined || (against === undefined) === (second === undefined))
    throw new UsageError('schema check takes two schemas: OLD NEW, or NAME --against FILE; or --topic T');
  const old = await schemaOf(first, context);
  const now = await schemaOf(second ?? against!, context);
  const changes = changesBetween(old, now);
  const verdicts = Object.fromEntries(LEVELS.map((one) => [one, isAllowed(changes, one)]));
  const isOk = isAllowed(changes, level);
  context.out.object({
    old: { name: old.name, sha256: old.sha256 },
    new: { name: now.name, sha256: now.sha256 },
    level,
    ok: isOk,
    ...verdicts,
    changes: changes.map((change) => ({ ...change, ok: change.files && allows(change, level) })),
  });
  const words = LEVELS.map((one) => `${one} ${verdicts[one] ? 'yes' : 'no'}`);
  print(context, {
    changes,
    level,
    now,
    verdict: `${isOk ? 'may be used' : 'may not be used'} (${level}); ${words.join(', ')}`,
  });
  return isOk ? undefined : EXIT.failed;
}

/** The files that the topic has already, against a schema; by default its own. */
async function checkTable(
  context: CommandContext,
  topic: string,
  what: string | undefined,
): Promise<number | undefined> {
  const { settings, out } = context;
  const { findSchema } = await import('../schemas/event-schema.ts');
  const { checkFiles } = await import('../jobs/check-files.ts');
  const { RowCopier } = await import('../loader/row-copier.ts');
  const { openSpoolDirectory } = await import('../loader/spool-directory.ts');
  const { readTopicState } = await import('../loader/table-state.ts');
  const now = what === undefined ? await findSchema(topic, settings) : await schemaOf(what, context);
  if (now === undefined)
    throw new UsageError(`topic ${topic} has no schema; name the one to compare with its files`);
  await using store = await openWarehouse(context, 'read');
  await using local = await openSpoolDirectory(settings.loader);
  await using copier = await RowCopier.open({
    memoryLimitBytes: settings.loader.duckdbMemoryBytes,
    tempDirectory: local.path,
  });
  const state = await readTopicState(store, topic);
  const { file, changes } = await checkFiles({ store, copier, localDirectory: local.path }, state, now);
  const isOk = changes.every(({ files }) => files);
  out.object({
    topic,
    schema: { name: now.name, sha256: now.sha256 },
    file: file ?? null,
    ok: isOk,
    changes,
  });
  const seen = file === undefined ? 'the table has no files yet' : `against ${file}`;
  // Files have no rules for events, so only what concerns them decides.
  const concerning = changes.map((change) => ({ ...change, backward: true, forward: true }));
  print(context, {
    changes: concerning,
    level: 'full',
    now,
    verdict: `${isOk ? 'goes' : 'does not go'} with the files; ${seen}`,
  });
  return isOk ? undefined : EXIT.failed;
}

interface Findings {
  changes: readonly Change[];
  level: Level;
  now: EventSchema;
  verdict: string;
}

function print({ out }: CommandContext, { changes, level, now, verdict }: Findings): void {
  for (const change of changes) for (const line of changeLines(change, level)) out.line(line);
  if (changes.length === 0) out.line('the same columns: nothing changed that readers or loaders see');
  const kinds = kindsText(now);
  if (kinds !== undefined) out.line(`${now.name}: ${kinds}`);
  out.line(verdict);
}

export function defineCheck(command: Command, act: Act): void {
  command
    .command('check')
    .description('Whether a new version of a schema may take the place of the old one.')
    .argument('[old]', 'the schema in use: a file that ends in .json, or a name')
    .argument('[new]', 'the new version, likewise')
    .option('--against <file>', 'the new version, if it was not given as the second argument')
    .option('--topic <name>', 'compares the files of this topic with its schema, or with the one named')
    .addOption(
      new Option(
        '--level <level>',
        'backward: new loaders read old events; forward: old loaders read new events; full: both',
      )
        .choices(LEVELS)
        .default('backward'),
    )
    .addHelpText(
      'after',
      '\nFiles of both versions must stay one table at every level. Exit 1: it may not be used.',
    )
    .action(act<Options, [string | undefined, string | undefined]>(check));
  addExamples(command.commands.find((one) => one.name() === 'check')!, [
    ['schema check old/shop.json schemas/shop.json', 'two files'],
    ['schema check --topic shop new/shop.json', 'against the files that the topic has already'],
    ['schema check activity --against ./activity.json --level full', 'a file against the schema in use'],
  ]);
}
