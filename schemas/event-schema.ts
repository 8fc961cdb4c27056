/**
 * The schema of one stream of events: its columns in file order, which of them must be there, and which one tells the
 * event's time. It is read from a JSON Schema file (2020-12, with `x-event-time`) and is plain data from then on, so that
 * it can cross to a worker thread. Guard, judge and the Parquet columns are all derived from it.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Column } from './column.ts';
import { columnsOf, type Fail, isObject } from './column-file.ts';

/** A schema as plain data. `sha256` is taken over the file's JSON without its whitespace: layout doesn't change it. */
export interface EventSchema {
  name: string;
  sha256: string;
  /** Name of the column (required, a timestamp) that decides the hour of a row. */
  eventTime: string;
  columns: readonly Column[];
}

/** Where schemas are found. */
type SchemaSettings = Pick<Settings, 'topics'> & { schemas: Pick<Settings['schemas'], 'dir'> };

/** A schema file that cannot be used: the message names file, place and remedy. */
export class SchemaError extends Error {
  override name = 'SchemaError';
}

const SCHEMA_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,248}$/;
const ROOT_KEYS = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'type',
  'x-event-time',
  'required',
  'properties',
  'additionalProperties',
]);
const BUILT_IN_DIR = import.meta.dirname;

/**
 * Parses the text of a schema file. `place` names the file in errors. Throws SchemaError for what is wrong and for what
 * JSON Schema allows but tables can't hold (further keywords): silently ignoring one would accept rows that the schema's
 * author refused.
 */
export function parseSchema(name: string, text: string, place = `${name}.json`): EventSchema {
  const fail = (what: string): never => {
    throw new SchemaError(`schema ${place}: ${what}`);
  };
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    return fail(`is not JSON (${(error as Error).message}); mend the file`);
  }
  if (!isObject(root) || root['type'] !== 'object') return fail('must be an object with "type": "object"');
  for (const key of Object.keys(root)) {
    if (!ROOT_KEYS.has(key)) fail(`the keyword "${key}" is not supported; remove it`);
  }
  if (root['additionalProperties'] !== undefined && root['additionalProperties'] !== true) {
    fail(
      '"additionalProperties" must be true or absent: members the schema does not know are kept in _extra',
    );
  }
  const columns = columnsOf(root, fail);
  const eventTime = eventTimeOf(root['x-event-time'], columns, fail);
  const sha256 = createHash('sha256').update(JSON.stringify(root)).digest('hex');
  return { name, sha256, eventTime, columns };
}

function eventTimeOf(value: unknown, columns: Column[], fail: Fail): string {
  const name = value ?? 'event_time';
  if (typeof name !== 'string') return fail('"x-event-time" must be the name of a column');
  const column = columns.find((one) => one.name === name);
  if (column?.type !== 'timestamp' || !column.required) {
    fail(`the event time "${name}" must be a required column of type string/date-time`);
  }
  return name;
}

/**
 * Finds the schema of a topic: the one that the setting `topics.<topic>.schema` names, else one named like the topic,
 * else undefined: a raw table. Schemas of `schemas.dir` win over the built-in ones. A schema that is named in the
 * settings and isn't there, or a file that can't be used, throws SchemaError: never a silent raw table.
 */
export async function findSchema(topic: string, settings: SchemaSettings): Promise<EventSchema | undefined> {
  const named = settings.topics[topic]?.schema;
  const found = await readSchema(named ?? topic, settings.schemas.dir);
  if (found !== undefined || named === undefined) return found;
  const known = await schemaNames(settings.schemas.dir);
  throw new SchemaError(
    `topics.${topic}.schema names the schema "${named}", which is not there; there are ${known.join(', ')}:` +
      ' correct the setting or add the file to the directory of schemas.dir',
  );
}

/** The names of all schemas, sorted: built-in ones and those of `dir` (empty: none). */
export async function schemaNames(dir: string): Promise<string[]> {
  const names = new Set<string>();
  for (const directory of directoriesOf(dir)) {
    const files = await readdir(directory).catch((error: Error) => {
      throw new SchemaError(
        `schemas.dir ${directory} cannot be listed (${error.message}); correct the setting`,
      );
    });
    for (const file of files) if (file.endsWith('.json')) names.add(file.slice(0, -'.json'.length));
  }
  return [...names].sort();
}

async function readSchema(name: string, dir: string): Promise<EventSchema | undefined> {
  if (!SCHEMA_NAME.test(name)) return undefined;
  for (const directory of directoriesOf(dir)) {
    const path = join(directory, `${name}.json`);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new SchemaError(`schema ${path}: cannot be read (${(error as Error).message})`, { cause: error });
    }
    return parseSchema(name, text, path);
  }
  return undefined;
}

function directoriesOf(dir: string): string[] {
  return dir === '' ? [BUILT_IN_DIR] : [dir, BUILT_IN_DIR];
}
