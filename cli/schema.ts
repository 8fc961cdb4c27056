/**
 * `millrace schema list`: the event schemas that topics can be read by, the built-in ones and those of `schemas.dir`.
 */
import type { Command } from 'commander';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
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
  for (const { name, sha256, eventTime, columns } of schemas) {
    out.line(`${name}  (event time ${eventTime}, sha256 ${sha256.slice(0, 12)})`);
    const rows = columns.map((c) => [c.name, c.type, c.required ? 'required' : '']);
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
}
