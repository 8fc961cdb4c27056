/**
 * Aggregate queries are SQL files that run unchanged on DuckDB and on Spark SQL: one SELECT over a view `events`, with a
 * header of comments that says what the query is named, what it reads and how far back. The engine makes `events` from
 * the declared inputs, so that a query runs on every topic that has an event time: a column that the topic does not
 * have is there as NULL. Timestamps are UTC. The answer has a column `hour_start`, one row set per hour.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Types a query can declare for an input column; each engine maps them to its own names. */
const INPUT_TYPES = ['string', 'int32', 'int64', 'number', 'boolean', 'timestamp'] as const;
export type InputType = (typeof INPUT_TYPES)[number];

/** A column of `events`. `event_time` must be among them: without it rows have no hour. */
export interface QueryInput {
  name: string;
  type: InputType;
}

/** One query file. `lookbackHours`: how many hours before its own an hour's answer depends on. */
export interface Query {
  name: string;
  grain: string;
  inputs: readonly QueryInput[];
  lookbackHours: number;
  description: string;
  sql: string;
  /** Of the whole file, header included: a query that changed is computed anew. */
  sha256: string;
}

const QUERY_NAME = /^[a-z][a-z0-9_]{0,99}$/;
const COLUMN_NAME = /^[a-z_][a-z0-9_]*$/;
const HEADER_LINE = /^-- (name|grain|inputs|lookbackHours|description): (.+)$/;
const MAX_LOOKBACK_HOURS = 24;
const BUILT_IN = join(import.meta.dirname, 'queries');

/** Reads a query from the text of its file. Errors name the file, what is wrong with its header, and the form wanted. */
export function parseQuery(file: string, text: string): Query {
  const fail = (what: string): never => {
    throw new Error(`query ${file}: ${what}; see the headers of the built-in queries in jobs/queries`);
  };
  const header = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('--')) break;
    const [, key, value] = HEADER_LINE.exec(line) ?? fail(`header line not understood: ${line}`);
    header.set(key!, value!.trim());
  }
  const part = (key: string) => header.get(key) ?? fail(`its header lacks "-- ${key}: …"`);
  const name = part('name');
  if (!QUERY_NAME.test(name)) fail(`the name "${name}" is not made of a-z, 0-9 and _`);
  const lookbackHours = Number(part('lookbackHours'));
  if (!Number.isInteger(lookbackHours) || lookbackHours < 0 || lookbackHours > MAX_LOOKBACK_HOURS)
    fail(`lookbackHours must be a whole number from 0 to ${MAX_LOOKBACK_HOURS}`);
  const inputs = part('inputs')
    .split(',')
    .map((input) => parseInput(input.trim(), fail));
  if (!inputs.some((input) => input.name === 'event_time' && input.type === 'timestamp'))
    fail('its inputs lack "event_time timestamp"');
  return {
    name,
    grain: part('grain'),
    inputs,
    lookbackHours,
    description: part('description'),
    sql: text,
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}

function parseInput(text: string, fail: (what: string) => never): QueryInput {
  const [name = '', typeName = '', ...rest] = text.split(' ');
  const type = INPUT_TYPES.find((known) => known === typeName);
  if (!type || rest.length > 0 || !COLUMN_NAME.test(name))
    return fail(`input "${text}" is not "column type" with a type of ${INPUT_TYPES.join(', ')}`);
  return { name, type };
}

/** The built-in queries, by name; all of them, or those named. An unknown name is an error that lists the known ones. */
export async function readQueries(names?: readonly string[], directory = BUILT_IN): Promise<Query[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  const known = files.map((file) => file.slice(0, -'.sql'.length));
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no query "${unknown}"; known are ${known.join(', ')}`);
  return Promise.all(
    known
      .filter((name) => names === undefined || names.includes(name))
      .map(async (name) => {
        const query = parseQuery(name, await readFile(join(directory, `${name}.sql`), 'utf8'));
        if (query.name !== name)
          throw new Error(`query ${name}: its header calls it "${query.name}"; make them equal`);
        return query;
      }),
  );
}
