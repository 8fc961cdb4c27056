/**
 * Makes new files of the table out of old ones, with DuckDB: merged, sorted, or a part of their rows. What was written is
 * counted again from the new file, row by row, because from then on it stands for rows that may be nowhere else.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { isGrownFrom } from './column-growth.ts';
import type { FilePart } from './commit.ts';
import { RowTally, totalOf, visitRows } from './row-tally.ts';

const MiB = 1024 * 1024;

export interface RowCopierOptions {
  memoryLimitBytes: number;
  /** Where DuckDB spills what does not fit. */
  tempDirectory: string;
  threads: number;
}

export interface CopyTarget {
  /** Local path that must not exist. */
  path: string;
  compression: 'snappy' | 'zstd' | 'uncompressed';
  rowGroupRows: number;
  /** Pairs for the footer. */
  metadata: Record<string, string>;
}

/** What a file holds. Times are event times in microseconds since 1970. */
export interface CountedRows {
  rows: number;
  parts: Omit<FilePart, 'incarnation'>[];
  minTime: number;
  maxTime: number;
  /** Sum over the rows, as in a commit record. */
  digest: string;
}

const sqlString = (text: string) => `'${text.replaceAll("'", "''")}'`;
const sqlName = (name: string) => `"${name.replaceAll('"', '""')}"`;
const fileList = (paths: readonly string[]) =>
  `read_parquet([${paths.map(sqlString).join(', ')}], union_by_name = true, hive_partitioning = false)`;

/** Two files of one hour whose columns of one name differ in type, other than by new fields of a struct, can't become one. */
export class ColumnsDiffer extends Error {
  override name = 'ColumnsDiffer';
}

export class RowCopier implements AsyncDisposable {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open({ memoryLimitBytes, tempDirectory, threads }: RowCopierOptions): Promise<RowCopier> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: `${Math.floor(memoryLimitBytes / MiB)}MiB`,
      temp_directory: tempDirectory,
      autoload_known_extensions: 'false',
      autoinstall_known_extensions: 'false',
    });
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run('SET enable_external_file_cache = false');
    return new RowCopier(instance, connection);
  }

  /** The columns of files, in the order of the table: that of the file with the most, then what only others have. */
  async columnsOf(paths: readonly string[]): Promise<string[]> {
    const each = await Promise.all(
      paths.map(async (path) => await this.#rows(`DESCRIBE SELECT * FROM ${fileList([path])}`)),
    );
    const types = new Map<string, string>();
    for (const columns of each.sort((a, b) => b.length - a.length))
      for (const [name, type] of columns as [string, string][]) {
        const known = types.get(name) ?? type;
        if (!isGrownFrom(known, type) && !isGrownFrom(type, known))
          throw new ColumnsDiffer(`column ${name} is ${known} in one file and ${type} in another`);
        types.set(name, isGrownFrom(known, type) ? type : known);
      }
    return [...types.keys()];
  }

  /** The columns of one file by name, and these types, all as DuckDB writes types. */
  async typesOf(
    path: string,
    types: readonly string[],
  ): Promise<{ file: [string, string][]; types: string[] }> {
    const described = await this.#rows(`DESCRIBE SELECT * FROM ${fileList([path])}`);
    const nulls = types.map((type, i) => `typeof(CAST(NULL AS ${type})) AS t${i}`);
    const [row = []] = types.length === 0 ? [] : await this.#rows(`SELECT ${nulls.join(', ')}`);
    return { file: described.map(([name, type]) => [String(name), String(type)]), types: row.map(String) };
  }

  /** Writes all rows of some files, whose `columns` those are, to a new one, ordered by time, partition and offset. */
  async merge(
    paths: readonly string[],
    { columns, timeColumn }: { columns: readonly string[]; timeColumn: string },
    target: CopyTarget,
  ): Promise<void> {
    const order = [timeColumn, '_partition', '_offset'].map(sqlName).join(', ');
    const pairs = Object.entries(target.metadata).map(
      ([name, text]) => `${sqlString(name)}: ${sqlString(text)}`,
    );
    await this.#connection.run(`COPY (SELECT ${columns.map(sqlName).join(', ')} FROM ${fileList(paths)} ORDER BY ${order})
      TO ${sqlString(target.path)} (FORMAT parquet, COMPRESSION ${target.compression},
        ROW_GROUP_SIZE ${target.rowGroupRows}, USE_TMP_FILE false, KV_METADATA {${pairs.join(', ')}})`);
  }

  /** Counts a file's rows from the file itself; memory does not grow with it. */
  async count(path: string, timeColumn: string): Promise<CountedRows> {
    const tally = new RowTally();
    await visitRows(this.#connection, fileList([path]), timeColumn, (partition, offset, timeUs) =>
      tally.add(partition, offset, timeUs),
    );
    const parts = tally.partitions();
    const { rows, minTime, maxTime, digest } = totalOf(parts);
    return {
      rows,
      parts: parts.map((part) => ({
        partition: part.partition,
        rows: part.rows,
        minOffset: part.minOffset,
        maxOffset: part.maxOffset,
      })),
      minTime,
      maxTime,
      digest,
    };
  }

  /** The pairs in a file's footer. */
  async metadataOf(path: string): Promise<Map<string, string>> {
    const rows = await this.#rows(
      `SELECT decode(key), decode(value) FROM parquet_kv_metadata(${sqlString(path)})`,
    );
    return new Map(rows.map(([key, value]) => [String(key), String(value)]));
  }

  async #rows(sql: string): Promise<unknown[][]> {
    return (await this.#connection.runAndReadAll(sql)).getRows();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

/** The column by which rows of a table are ordered in time: the schema's event time, of a raw table the record's. */
export function timeColumnOf(columns: readonly string[], eventTime: string | undefined): string {
  return eventTime !== undefined && columns.includes(eventTime) ? eventTime : '_timestamp';
}
