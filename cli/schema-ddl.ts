/**
 * `millrace schema ddl`: prints the statements by which Hive, Spark or DuckDB know a topic's files as a table, and those
 * that register its hours. Nothing is executed.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, type Command } from 'commander';
import type { Settings } from '../config/settings.ts';
import type { Hour } from '../loader/hour.ts';
import type { Dialect } from '../schemas/column-types.ts';
import { addHour, ddlOf, shortDecimals } from '../schemas/ddl.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { hourText } from './options.ts';
import { UsageError } from './usage-error.ts';

interface Options {
  topic?: string;
  table?: string;
  location?: string;
  hiveTimestamps?: boolean;
  from?: Hour;
  to?: Hour;
}

const DIALECTS = ['hive', 'spark', 'duckdb'] as const satisfies Dialect[];
const HOUR_MS = 3_600_000;
/** More statements than this are no longer for pasting: a repair finds as many by itself. */
const MAX_HOURS = 10_000;

async function ddl(
  context: CommandContext,
  options: Options,
  dialect: Dialect,
  name: string | undefined,
): Promise<void> {
  const { settings, out, log } = context;
  const { findSchema } = await import('../schemas/event-schema.ts');
  const topic = options.topic ?? name;
  if (topic === undefined)
    throw new UsageError('schema ddl needs the name of a schema, or --topic T: then it is the topic’s own');
  const schema =
    name === undefined
      ? await findSchema(topic, settings)
      : await findSchema(name, { ...settings, topics: {} });
  if (name !== undefined && schema === undefined)
    throw new UsageError(`there is no schema ${name}; \`millrace schema list\` has their names`);
  const table = options.table ?? topic.replace(/\W/g, '_').toLowerCase();
  const location = options.location ?? `${locationOf(settings.loader.warehouse, dialect)}/${topic}`;
  const { create, register } = ddlOf(dialect, {
    table,
    location: location.replace(/\/+$/, ''),
    columns: schema?.columns,
    hiveTimestamps: options.hiveTimestamps ?? false,
  });
  const hours = dialect === 'duckdb' ? [] : hoursOf(options).map((hour) => addHour(dialect, table, hour));
  const statements = [create, ...(hours.length > 0 ? hours : register)];
  out.object({ dialect, table, schema: schema?.name ?? 'raw', sha256: schema?.sha256 ?? null, statements });
  for (const statement of statements) out.line(`${statement};`);
  const short = dialect === 'hive' ? shortDecimals(schema?.columns ?? []) : [];
  if (short.length > 0)
    log.warn(
      `${table}: the SerDe of Hive 2.3 fails on decimals of less than 19 digits (${short.join(', ')}); have it read others, or give them more digits before they are first loaded`,
    );
}

/** The hours from `--from` to before `--to`. */
function hoursOf({ from, to }: Options): Hour[] {
  if (from === undefined && to === undefined) return [];
  if (from === undefined || to === undefined || to <= from)
    throw new UsageError('--from and --to go together: the first hour, and the hour after the last');
  const [start, end] = [from, to].map((hour) => Date.parse(`${hour}:00:00Z`)) as [number, number];
  if ((end - start) / HOUR_MS > MAX_HOURS)
    throw new UsageError(`more than ${MAX_HOURS} hours; leave --from and --to out and repair the table`);
  return Array.from({ length: (end - start) / HOUR_MS }, (_, i) =>
    new Date(start + i * HOUR_MS).toISOString().slice(0, 13),
  );
}

/** The warehouse as the reader reaches it. WebHDFS is what Hadoop knows by the same scheme; a user is not part of it. */
function locationOf(warehouse: Settings['loader']['warehouse'], dialect: Dialect): string {
  if (warehouse.startsWith('file:')) {
    const path = warehouse.startsWith('file://')
      ? fileURLToPath(warehouse)
      : resolve(warehouse.slice('file:'.length));
    return dialect === 'duckdb' ? path : `file://${path}`;
  }
  const url = warehouse.replace(/\/+$/, '');
  const [, scheme, hosts, path] = /^(\w+):\/\/(?:[^@/]*@)?([^/]+)(.*)$/.exec(url) ?? [];
  if (dialect === 'duckdb')
    throw new UsageError(
      'DuckDB does not read HDFS: copy the files (hdfs dfs -get) and say where they are by --location /DIR/TOPIC',
    );
  if (hosts?.includes(','))
    throw new UsageError(
      'the warehouse has several NameNodes: name the service by --location hdfs://NAMESERVICE/PATH/TOPIC',
    );
  return `${scheme}://${hosts}${path}`;
}

export function defineDdl(command: Command, act: Act): void {
  const made = command
    .command('ddl')
    .description("The statements that make a topic's files a table of Hive, Spark or DuckDB.")
    .addArgument(new Argument('<reader>', 'hive, spark or duckdb').choices(DIALECTS))
    .argument('[schema]', 'name of the schema; default: that of --topic, which may have none (a raw table)')
    .option('--topic <name>', 'the topic, and the directory; default: named like the schema')
    .option('--table <name>', 'name of the table; default: the topic, what is no letter, digit or _ as _')
    .option('--location <url>', "the topic's directory as the reader reaches it; default: by --warehouse")
    .option('--hive-timestamps', 'times as TIMESTAMP, which Hive reads from 4.0 on; else BIGINT')
    .option('--from <hour>', 'registers single hours instead of all: the first', hourText)
    .option('--to <hour>', 'and the one after the last', hourText)
    .action(act<Options, [Dialect, string | undefined]>(ddl));
  addExamples(made, [
    ['schema ddl hive web_request --topic access --location hdfs://nn1:8020/warehouse/access', 'for Hive'],
    ['schema ddl spark --topic activity --from 2026-11-22T00 --to 2026-11-23T00', 'with the hours of a day'],
    ['schema ddl duckdb --topic activity | duckdb activity.db', 'a view of the files'],
  ]);
}
