/**
 * `millrace schema`: the event schemas that topics can be read by, the built-in ones and those of `schemas.dir`, and what
 * else can be asked of schemas, a file each.
 */
import type { Command } from 'commander';
import { isNested, typeName } from '../schemas/column.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { defineCheck } from './schema-check.ts';
import { defineDdl } from './schema-ddl.ts';
import { defineInfer } from './schema-infer.ts';
import { kindsText } from './schema-kinds.ts';
import { defineVersions } from './schema-versions.ts';
import { tableText } from './table.ts';

async function list({ settings, out }: CommandContext): Promise<void> {
  const { findSchema, schemaNames } = await import('../schemas/event-schema.ts');
  const names = await schemaNames(settings.schemas.dir);
  // Each is found as a topic of its own name would find it: no other topic's setting may lead elsewhere.
  const found = await Promise.all(names.map((name) => findSchema(name, { ...settings, topics: {} })));
  const schemas = found.filter((schema) => schema !== undefined);
  out.object({
    schemas: schemas.map(({ name, sha256, eventTime, columns }) => ({ name, sha256, eventTime, columns })),
  });
  for (const schema of schemas) {
    const { name, sha256, eventTime, columns } = schema;
    out.line(`${name}  (event time ${eventTime}, sha256 ${sha256.slice(0, 12)})`);
    const kinds = kindsText(schema);
    if (kinds !== undefined) out.line(kinds);
    const rows = columns.map((c) => [
      c.name,
      isNested(c) || c.type === 'decimal' ? typeName(c, 'duckdb') : c.type,
      c.required ? 'required' : '',
    ]);
    out.line(tableText(['column', 'type', ''], rows));
    out.line();
  }
  out.line(
    'A topic finds its schema by --set topics.NAME.schema=SCHEMA, else by its own name; else it is kept raw.',
  );
}

export function define(command: Command, act: Act): void {
  const listCommand = command
    .command('list')
    .description('The event schemas and their columns.')
    .action(act<object>(list));
  addExamples(listCommand, [
    ['schema list', 'the built-in schemas'],
    ['schema list --set schemas.dir=./my-schemas --json', 'with your own'],
  ]);
  defineCheck(command, act);
  defineDdl(command, act);
  defineInfer(command, act);
  defineVersions(command, act);
  addExamples(command, [
    ['schema infer --topic shop > schemas/shop.json', 'a first draft from its records'],
    ['schema check schemas/shop.json new/shop.json', 'whether it may change so'],
    ['schema ddl spark --topic shop', 'its files as a table of Spark'],
  ]);
}
