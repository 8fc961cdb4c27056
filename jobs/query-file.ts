/**
 * Aggregate queries are SQL files that run unchanged on DuckDB and on Spark SQL: one SELECT over a view `events`, with a
 * header of comments that says what the query is named, what it reads and how far back. The engine makes `events` from
 * the declared inputs, so that a query runs on every topic that has an event time: a column that the topic does not
 * have is there as NULL. Timestamps are UTC. The answer has a column `hour_start`, one row set per hour. A directory of
 * the user's (`aggregates.dir`) holds further queries beside the built-in ones, in the same form.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  parseParameters,
  QUERY_TYPES,
  type QueryParameter,
  type QueryType,
  withValue,
} from './query-parameters.ts';

/** A column of `events`. `event_time` must be among them: without it rows have no hour. */
export interface QueryInput {
  name: string;
  type: QueryType;
}

/** One query file. `lookbackHours`: how many hours before its own an hour's answer depends on. */
export interface Query {
  name: string;
  /** Path of its file, for messages. */
  file: string;
  grain: string;
  /** `day`: it has an answer only at the last hour of each UTC day. */
  every: 'hour' | 'day';
  inputs: readonly QueryInput[];
  parameters: readonly QueryParameter[];
  lookbackHours: number;
  description: string;
  sql: string;
  /** Of the whole file, header included, and of the values of its parameters: a query that changed is computed anew. */
  sha256: string;
}

/** Where queries come from besides the built-in ones, and the values of their parameters. */
export interface QuerySources {
  /** Directory of the user's own; empty: none. */
  directory?: string | undefined;
  /** Lasting values by `QUERY.NAME`, from the settings. */
  settings?: Readonly<Record<string, string>> | undefined;
  /** Values for this run, by `NAME` or `QUERY.NAME`; they win. */
  given?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** The command names a query, or a parameter, that there is not. */
export class QueryChoiceError extends Error {
  override name = 'QueryChoiceError';
}

const QUERY_NAME = /^[a-z][a-z0-9_]{0,99}$/;
const COLUMN_NAME = /^[a-z_][a-z0-9_]*$/;
const HEADER_LINE = /^-- (name|grain|every|inputs|parameters|lookbackHours|description): (.+)$/;
const MAX_LOOKBACK_HOURS = 31 * 24;
const BUILT_IN = join(import.meta.dirname, 'queries');

type Fail = (what: string) => never;

/** The header: what each key says, and how to complain of it by file and line. */
class Header {
  readonly #file: string;
  readonly #parts = new Map<string, { value: string; line: number }>();

  constructor(file: string, text: string) {
    this.#file = file;
    for (const [i, line] of text.split('\n').entries()) {
      if (!line.startsWith('--')) break;
      const [, key = '', value = ''] = HEADER_LINE.exec(line.trimEnd()) ?? [];
      if (key === '') this.#failAt(i + 1, `header line not understood: ${line}`);
      if (this.#parts.has(key)) this.#failAt(i + 1, `its header says ${key} twice`);
      this.#parts.set(key, { value: value.trim(), line: i + 1 });
    }
  }

  #failAt(line: number, what: string): never {
    throw new Error(
      `query ${this.#file}:${line}: ${what}; see docs/operations.md, "Aggregates", and the headers in jobs/queries`,
    );
  }

  /** A complaint about the line of this key. */
  fail(key: string): Fail {
    return (what) => this.#failAt(this.#parts.get(key)?.line ?? 1, what);
  }

  find(key: string): string | undefined {
    return this.#parts.get(key)?.value;
  }

  part(key: string): string {
    return this.find(key) ?? this.#failAt(1, `its header lacks "-- ${key}: …"`);
  }
}

/** Reads a query from the text of its file. Errors name the file, the line, what is wrong there, and the form wanted. */
export function parseQuery(file: string, text: string): Query {
  const header = new Header(file, text);
  const name = header.part('name');
  if (!QUERY_NAME.test(name)) header.fail('name')(`the name "${name}" is not made of a-z, 0-9 and _`);
  const lookbackHours = Number(header.part('lookbackHours'));
  if (!Number.isInteger(lookbackHours) || lookbackHours < 0 || lookbackHours > MAX_LOOKBACK_HOURS)
    header.fail('lookbackHours')(`lookbackHours must be a whole number from 0 to ${MAX_LOOKBACK_HOURS}`);
  const inputs = header
    .part('inputs')
    .split(',')
    .map((input) => parseInput(input.trim(), header.fail('inputs')));
  if (!inputs.some((input) => input.name === 'event_time' && input.type === 'timestamp'))
    header.fail('inputs')('its inputs lack "event_time timestamp"');
  const every = header.find('every') ?? 'hour';
  if (every !== 'hour' && every !== 'day')
    return header.fail('every')(`every must be hour or day, not ${every}`);
  return withIdentity({
    name,
    file,
    grain: header.part('grain'),
    every,
    inputs,
    parameters: parseParameters(header.find('parameters') ?? '', header.fail('parameters')),
    lookbackHours,
    description: header.part('description'),
    sql: text.replace(/;\s*$/, '\n'),
    sha256: createHash('sha256').update(text).digest('hex'),
  });
}

/** Takes the values of the parameters into the identity of a query whose `sha256` is of its text alone. */
function withIdentity(query: Query): Query {
  if (query.parameters.length === 0) return query;
  const values = JSON.stringify(query.parameters.map(({ name, value }) => [name, value]));
  return { ...query, sha256: createHash('sha256').update(`${query.sha256} ${values}`).digest('hex') };
}

function parseInput(text: string, fail: Fail): QueryInput {
  const [name = '', typeName = '', ...rest] = text.split(' ');
  const type = QUERY_TYPES.find((known) => known === typeName);
  if (!type || rest.length > 0 || !COLUMN_NAME.test(name))
    return fail(`input "${text}" is not "column type" with a type of ${QUERY_TYPES.join(', ')}`);
  return { name, type };
}

/** All queries of a directory; a file must be named as its header says. */
async function readDirectory(directory: string): Promise<{ query: Query; text: string }[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  return await Promise.all(
    files.map(async (file) => {
      const path = join(directory, file);
      const text = await readFile(path, 'utf8');
      const query = parseQuery(path, text);
      if (`${query.name}.sql` !== basename(path))
        throw new Error(`query ${path}: its header calls it "${query.name}"; make them equal`);
      return { query, text };
    }),
  );
}

async function readOwn(directory: string): Promise<{ query: Query; text: string }[]> {
  try {
    return await readDirectory(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`${directory}, the setting aggregates.dir, is not there; make it or correct the setting`);
  }
}

/** Puts the values in force into a query's parameters; `used` learns which were. */
function withParameters(
  { query, text }: { query: Query; text: string },
  values: Values,
  used: Set<string>,
): Query {
  const parameters = query.parameters.map((parameter) => {
    let result = parameter;
    for (const { name, value, origin } of values) {
      if (name !== `${query.name}.${parameter.name}` && (name.includes('.') || name !== parameter.name))
        continue;
      used.add(name);
      result = withValue(parameter, value, (what) => {
        throw new QueryChoiceError(`query ${query.name}: ${what}, from ${origin}`);
      });
    }
    return result;
  });
  const sha256 = createHash('sha256').update(text).digest('hex');
  return withIdentity({ ...query, parameters, sha256 });
}

type Values = readonly { name: string; value: string; origin: string }[];

function valuesOf({ settings = {}, given = [] }: QuerySources): Values {
  const lasting = Object.entries(settings).map(([name, value]) => ({
    name,
    value,
    origin: `setting aggregates.parameters.${name}`,
  }));
  for (const { name, origin } of lasting)
    if (!name.includes('.'))
      throw new Error(`${origin} names no query; write aggregates.parameters.QUERY.${name}`);
  return [...lasting, ...given.map(([name, value]) => ({ name, value, origin: `--param ${name}` }))];
}

/**
 * The built-in queries and the user's, by name; all of them, or those named. An unknown name is an error that lists the
 * known ones; so is a parameter that no query has.
 */
export async function readQueries(names?: readonly string[], sources: QuerySources = {}): Promise<Query[]> {
  const found = await readDirectory(BUILT_IN);
  for (const own of sources.directory ? await readOwn(sources.directory) : []) {
    if (found.some(({ query }) => query.name === own.query.name))
      throw new Error(
        `query ${own.query.file}: there is a built-in query "${own.query.name}"; take another name`,
      );
    found.push(own);
  }
  found.sort((a, b) => (a.query.name < b.query.name ? -1 : 1));
  const known = found.map(({ query }) => query.name);
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new QueryChoiceError(`there is no query "${unknown}"; known are ${known.join(', ')}`);
  const used = new Set<string>();
  const values = valuesOf(sources);
  const queries = found.map((each) => withParameters(each, values, used));
  const chosen = queries.filter(({ name }) => names === undefined || names.includes(name));
  const stray = values.find(({ name }) => !used.has(name));
  if (stray !== undefined) {
    const all = chosen.flatMap((query) => query.parameters.map(({ name }) => `${query.name}.${name}`));
    throw new QueryChoiceError(
      `${stray.origin}: no query has that parameter; known are ${all.join(', ') || 'none'}`,
    );
  }
  return chosen;
}
