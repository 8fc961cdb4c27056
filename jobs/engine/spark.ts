/**
 * Aggregates on Spark SQL, for topics that outgrow one machine: the same queries over the same explicit lists of files,
 * which Spark reads in the warehouse itself. One session serves all portions of a run. Answers are small: Spark writes
 * them to a directory of this run beside the tables, `_spark/TIME-RUN`, from which they are fetched and committed like
 * those of any other engine. What runs that were killed left there goes when it is old.
 */
import { randomUUID } from 'node:crypto';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Hour } from '../../loader/hour.ts';
import type { Store } from '../../loader/store/store.ts';
import type { Query, QueryInput } from '../query-file.ts';
import type { QueryType } from '../query-parameters.ts';
import { sideBySide } from '../side-by-side.ts';
import type { Engine, EngineBatch, EngineTask, HourResult } from './engine.ts';
import { SparkSession, type SparkSessionOptions } from './spark-session.ts';

/** Results fetched side by side. */
const AT_ONCE = 8;
const SCRATCH_ROOT = '_spark';
/** No run takes this long. */
const LEFT_BEHIND_MS = 7 * 24 * 3_600_000;

const TYPES: Record<QueryType, string> = {
  string: 'STRING',
  int32: 'INT',
  int64: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
};

/** `warehouse`: URL of the table root as Spark reaches it. */
export interface SparkOptions extends SparkSessionOptions {
  store: Store;
  warehouse: string;
  now: () => number;
}

const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const identifier = (name: string) => `\`${name.replaceAll('`', '``')}\``;
/** The hour of a row of the answer; the name of a directory, in which HDFS takes no colon. */
const HOUR = "date_format(hour_start, 'yyyy-MM-dd-HH')";
const hourKey = (hour: Hour) => hour.replace('T', '-');

export class SparkEngine implements Engine {
  readonly name: string;
  readonly reads = 'warehouse';
  readonly limits = { hours: 1_024, files: 10_000, rows: Number.POSITIVE_INFINITY };
  readonly #options: SparkOptions;
  readonly #session: SparkSession;
  readonly #duckdb: DuckDBInstance;
  readonly #scratch: string;
  #writes = 0;

  private constructor(options: SparkOptions, session: SparkSession, duckdb: DuckDBInstance) {
    this.#options = options;
    this.#session = session;
    this.#duckdb = duckdb;
    this.name = `spark ${session.version}`;
    const startedAt = new Date(options.now()).toISOString().replaceAll(':', '-');
    this.#scratch = `${SCRATCH_ROOT}/${startedAt}-${randomUUID()}`;
  }

  static async open(options: SparkOptions): Promise<SparkEngine> {
    await sweep(options);
    const session = await SparkSession.open(options);
    return new SparkEngine(options, session, await DuckDBInstance.create(':memory:', { threads: '1' }));
  }

  async run({ inputs, tasks, directory }: EngineBatch, signal?: AbortSignal): Promise<HourResult[]> {
    const files = inputs.flatMap((input) => input.files);
    const present = new Set(files.length === 0 ? [] : await this.#readFiles(files));
    if (files.length > 0 && !present.has('event_time'))
      throw new Error(
        `${files[0]} has no column event_time; aggregates need a topic with an event schema, see topics.<name>.schema`,
      );
    const results: HourResult[] = [];
    for (const task of tasks) {
      signal?.throwIfAborted();
      results.push(...(await this.#runTask(task, present, directory)));
    }
    return await this.#counted(results);
  }

  #urlOf(path: string): string {
    return `${this.#options.warehouse.replace(/\/+$/, '')}/${path}`;
  }

  async #readFiles(files: readonly string[]): Promise<string[]> {
    return await this.#session.read(
      'all_events',
      files.map((path) => this.#urlOf(path)),
    );
  }

  async #runTask(
    { query, hours }: EngineTask,
    present: ReadonlySet<string>,
    directory: string,
  ): Promise<HourResult[]> {
    const columns = await this.#answer(query, present);
    const place = `${this.#scratch}/${++this.#writes}-${query.name}`;
    const keys = hours.map((hour) => text(hourKey(hour)));
    await this.#session.write(
      this.#urlOf(place),
      `SELECT *, ${HOUR} AS _hour FROM answer WHERE ${HOUR} IN (${keys.join(', ')})`,
      ['_hour', ...columns.filter(({ type }) => type !== 'nested').map(({ name }) => name)],
    );
    const filled = await this.#fileOfEachHour(place);
    if (filled.size < hours.length)
      await this.#session.write(this.#urlOf(`${place}-empty`), 'SELECT * FROM answer WHERE false');
    const empty = filled.size < hours.length ? await this.#onlyFile(`${place}-empty`) : '';
    const local = new Map<string, string>();
    await sideBySide(
      [...new Set([...filled.values(), empty].filter((path) => path !== ''))],
      AT_ONCE,
      async (path) => {
        local.set(path, await this.#options.store.fetchLocal(path, directory));
      },
    );
    return hours.map((hour) => {
      const path = filled.get(hourKey(hour)) ?? empty;
      return { query: query.name, hour, path: local.get(path)!, rows: 0 };
    });
  }

  /** Makes the view `answer` and returns its columns. */
  async #answer(query: Query, present: ReadonlySet<string>): Promise<{ name: string; type: string }[]> {
    const from = present.size > 0 ? 'FROM all_events' : 'WHERE false';
    const inputs = query.inputs.map((input) => columnOf(input, present.has(input.name)));
    await this.#session.sql(`CREATE OR REPLACE TEMPORARY VIEW events AS SELECT ${inputs.join(', ')} ${from}`);
    const values = query.parameters.map(
      ({ name, type, value }) => `CAST(${text(value)} AS ${TYPES[type]}) AS ${identifier(name)}`,
    );
    await this.#session.sql(
      `CREATE OR REPLACE TEMPORARY VIEW parameters AS SELECT ${values.join(', ') || '1 AS none'}`,
    );
    await this.#session
      .sql(`CREATE OR REPLACE TEMPORARY VIEW answer AS ${query.sql}`)
      .catch((error: Error) => {
        // The statement begins on the line on which the file does, so that lines are those of the file.
        const line = /\(?line (\d+), pos/.exec(error.message)?.[1];
        throw new Error(`query ${query.file}${line ? `:${line}` : ''}: ${error.message.split('\n')[0]}`, {
          cause: error,
        });
      });
    const columns = await this.#session.columns('SELECT * FROM answer');
    if (!columns.some(({ name, type }) => name === 'hour_start' && type === 'timestamp'))
      throw new Error(
        `query ${query.name}: its answer lacks a column hour_start made by date_trunc('hour', event_time)`,
      );
    return columns;
  }

  /** By the key of the hour, the file that Spark wrote of it. */
  async #fileOfEachHour(place: string): Promise<Map<string, string>> {
    const keys = (await this.#options.store.list(place))
      .map(({ name }) => /^_hour=(.+)$/.exec(name)?.[1])
      .filter((key) => key !== undefined);
    const files = new Map<string, string>();
    await sideBySide(keys, AT_ONCE, async (key) => {
      files.set(key, await this.#onlyFile(`${place}/_hour=${key}`));
    });
    return files;
  }

  async #onlyFile(directory: string): Promise<string> {
    const names = (await this.#options.store.list(directory)).map(({ name }) => name);
    const files = names.filter((name) => name.endsWith('.parquet') && !/^[._]/.test(name));
    if (files.length !== 1)
      throw new Error(
        `${directory} holds ${files.length} files of Spark where one was to be; run aggregate again`,
      );
    return `${directory}/${files[0]}`;
  }

  /** The same results, their rows as the files say. */
  async #counted(results: readonly HourResult[]): Promise<HourResult[]> {
    if (results.length === 0) return [];
    const paths = [...new Set(results.map(({ path }) => path))];
    const list = paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ');
    const connection = await this.#duckdb.connect();
    try {
      const reader = await connection.runAndReadAll(
        `SELECT file_name, num_rows FROM parquet_file_metadata([${list}])`,
      );
      const rows = new Map(reader.getRows().map(([file, count]) => [String(file), Number(count)]));
      return results.map((result) => ({ ...result, rows: rows.get(result.path)! }));
    } finally {
      connection.closeSync();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
    this.#duckdb.closeSync();
    await this.#options.store.remove(this.#scratch);
  }
}

/** Removes what runs that were killed left behind. */
async function sweep({ store, now }: SparkOptions): Promise<void> {
  for (const { name } of await store.list(SCRATCH_ROOT)) {
    const [, day, hour] = /^(\d{4}-\d{2}-\d{2})T(\d{2})-/.exec(name) ?? [];
    const startedAt = Date.parse(`${day}T${hour}:00:00Z`);
    if (now() - startedAt > LEFT_BEHIND_MS) await store.remove(`${SCRATCH_ROOT}/${name}`);
  }
}

function columnOf({ name, type }: QueryInput, present: boolean): string {
  const column = identifier(name);
  return `CAST(${present ? column : 'NULL'} AS ${TYPES[type]}) AS ${column}`;
}
