/**
 * Aggregates on DuckDB in this process. One pass reads the declared columns of all its files once into a temporary table
 * (opening thousands of small files for every query anew costs more than all the queries), runs every query on it, and
 * splits each answer into one file per hour by a single partitioned COPY: the answers are small, unlike the events.
 * Inside, times are TIMESTAMP in UTC: calendar arithmetic with time zones would cost ten times as much; in the files
 * they are TIMESTAMPTZ, like the event times. Memory is bounded by `memoryBytes`; above it DuckDB spills to
 * `temporaryDirectory`.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Hour } from '../../loader/hour.ts';
import type { Query, QueryInput } from '../query-file.ts';
import type { QueryType } from '../query-parameters.ts';
import type { Engine, EngineBatch, EngineTask, HourResult } from './engine.ts';

const MiB = 1024 * 1024;

const TYPES: Record<QueryType, string> = {
  string: 'VARCHAR',
  int32: 'INTEGER',
  int64: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
};

/** `threads`: 1 unless told. */
export interface DuckDbOptions {
  memoryBytes: number;
  temporaryDirectory: string;
  threads?: number;
}

const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;

export class DuckDbEngine implements Engine {
  readonly name: string;
  readonly reads = 'local';
  readonly limits = { hours: 256, files: 1_024, rows: 250_000 };
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #threads: number;

  private constructor(name: string, instance: DuckDBInstance, connection: DuckDBConnection, threads: number) {
    this.name = name;
    this.#instance = instance;
    this.#connection = connection;
    this.#threads = threads;
  }

  /** Opens an instance of its own, in memory. */
  static async open({ memoryBytes, temporaryDirectory, threads = 1 }: DuckDbOptions): Promise<DuckDbEngine> {
    await mkdir(temporaryDirectory, { recursive: true });
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${Math.ceil(memoryBytes / MiB)}MiB`,
      temp_directory: temporaryDirectory,
      threads: String(threads),
    });
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    // Every file is read once.
    await connection.run('SET enable_external_file_cache = false');
    const version = await connection.runAndReadAll('SELECT version()');
    return new DuckDbEngine(
      `duckdb ${String(version.getRows()[0]?.[0]).replace(/^v/, '')}`,
      instance,
      connection,
      threads,
    );
  }

  async run(batch: EngineBatch, signal?: AbortSignal): Promise<HourResult[]> {
    signal?.throwIfAborted();
    const interrupt = () => this.#connection.interrupt();
    signal?.addEventListener('abort', interrupt);
    try {
      const present = await this.#readEvents(batch);
      const results: HourResult[] = [];
      for (const task of batch.tasks) {
        signal?.throwIfAborted();
        results.push(...(await this.#runTask(task, present, batch.directory)));
      }
      return results;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', interrupt);
      await this.#connection.run('DROP TABLE IF EXISTS answer');
      await this.#connection.run('DROP VIEW IF EXISTS events');
      await this.#connection.run('DROP TABLE IF EXISTS all_events');
    }
  }

  /** Reads the columns that any of the tasks declares, in the types of the files; returns those that are there. */
  async #readEvents({ inputs, tasks }: EngineBatch): Promise<ReadonlySet<string>> {
    const files = inputs.flatMap((input) => input.files);
    // Columns are found by name: files written before a column was added lack it.
    const source = `read_parquet([${files.map(text).join(', ')}], union_by_name = true, hive_partitioning = false)`;
    const present = new Set(files.length === 0 ? [] : await this.#columnsOf(source));
    if (files.length > 0 && !present.has('event_time'))
      throw new Error(
        `${files[0]} has no column event_time; aggregates need a topic with an event schema, see topics.<name>.schema`,
      );
    const wanted = new Set(tasks.flatMap(({ query }) => query.inputs.map(({ name }) => name)));
    const columns = [...wanted].filter((name) => present.has(name)).map(identifier);
    const [selected, from] = files.length > 0 ? [columns.join(', '), `FROM ${source}`] : ['1', 'WHERE false'];
    await this.#connection.run(`CREATE TEMP TABLE all_events AS SELECT ${selected} ${from}`);
    return present;
  }

  async #columnsOf(source: string): Promise<string[]> {
    const reader = await this.#connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
    return reader.getRows().map(([name]) => String(name));
  }

  async #runTask(
    { query, hours }: EngineTask,
    present: ReadonlySet<string>,
    directory: string,
  ): Promise<HourResult[]> {
    await this.#answer(query, present);
    const columns = await this.#answerColumns(query.name);
    const place = join(directory, query.name);
    // Each thread would write files of its own.
    await this.#connection.run('SET threads = 1');
    await this.#connection.run(`SET partitioned_write_max_open_files = ${hours.length + 1}`);
    const written = await this.#connection.runAndReadAll(`COPY (
      SELECT ${columns}, ${HOUR} AS _hour FROM answer WHERE ${HOUR} IN (${hours.map(text).join(', ')})
    ) TO ${text(place)} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (_hour), RETURN_STATS)`);
    await this.#connection.run(`SET threads = ${this.#threads}`);
    const results = new Map<Hour, HourResult>();
    for (const row of written.getRowObjects()) {
      const path = String(row['filename']);
      const hour = /[/]_hour=([^/]+)[/]/.exec(path)?.[1] ?? '';
      assert(!results.has(hour), `DuckDB wrote two files for ${query.name} ${hour}`);
      results.set(hour, { query: query.name, hour, path, rows: Number(row['count']) });
    }
    const empty = join(directory, `${query.name}.empty.parquet`);
    if (results.size < hours.length)
      await this.#connection.run(
        `COPY (SELECT ${columns} FROM answer WHERE false) TO ${text(empty)} (FORMAT parquet, COMPRESSION snappy)`,
      );
    return hours.map((hour) => results.get(hour) ?? { query: query.name, hour, path: empty, rows: 0 });
  }

  async #answer(query: Query, present: ReadonlySet<string>): Promise<void> {
    const columns = query.inputs.map((input) => columnOf(input, present.has(input.name)));
    await this.#connection.run(
      `CREATE OR REPLACE TEMP VIEW events AS SELECT ${columns.join(', ')} FROM all_events`,
    );
    const values = query.parameters.map(
      ({ name, type, value }) => `CAST(${text(value)} AS ${TYPES[type]}) AS ${identifier(name)}`,
    );
    await this.#connection.run(
      `CREATE OR REPLACE TEMP VIEW parameters AS SELECT ${values.join(', ') || '1 AS none'}`,
    );
    try {
      const statement = `CREATE OR REPLACE TEMP TABLE answer AS ${query.sql}`;
      if ((await this.#connection.extractStatements(statement)).count !== 1)
        throw new Error('it is more than one statement; leave one SELECT in the file');
      await this.#connection.run(statement);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      // The statement begins on the line on which the file does, so that lines are those of the file.
      const line = /^LINE (\d+):/m.exec(said)?.[1];
      throw new Error(`query ${query.file}${line ? `:${line}` : ''}: ${said.split('\n')[0]}`, {
        cause: error,
      });
    }
  }

  /** The select list of the answer, times turned back into instants. */
  async #answerColumns(query: string): Promise<string> {
    const reader = await this.#connection.runAndReadAll('DESCRIBE answer');
    const columns = reader.getRowObjects().map((row) => ({
      name: String(row['column_name']),
      type: String(row['column_type']),
    }));
    if (!columns.some(({ name, type }) => name === 'hour_start' && type === 'TIMESTAMP'))
      throw new Error(
        `query ${query}: its answer lacks a column hour_start made by date_trunc('hour', event_time)`,
      );
    return columns
      .map(({ name, type }) =>
        type === 'TIMESTAMP' ? `${identifier(name)}::TIMESTAMPTZ AS ${identifier(name)}` : identifier(name),
      )
      .join(', ');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

/** The hour of a row of the answer, as the directory and the records write it. */
const HOUR = "strftime(hour_start, '%Y-%m-%dT%H')";

function columnOf({ name, type }: QueryInput, present: boolean): string {
  const column = identifier(name);
  if (!present) return `CAST(NULL AS ${TYPES[type]}) AS ${column}`;
  return type === 'timestamp'
    ? `make_timestamp(epoch_us(${column})) AS ${column}`
    : `CAST(${column} AS ${TYPES[type]}) AS ${column}`;
}
