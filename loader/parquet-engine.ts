/**
 * The DuckDB that writes files of the table: in memory, with a limit, and one thread, so that rows stay in the order in
 * which they come. A row group ends by rows or by bytes, whichever comes first: DuckDB holds it in memory until then, and
 * rows may be a hundred kilobytes wide.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

const MiB = 1024 * 1024;
/**
 * How large a row group may become before it is encoded. DuckDB allocates by powers of two, and whoever reads a row group
 * of one wide column holds four buffers of that size: a page and what it unpacks to, of this row group and of the last.
 */
function rowGroupBytesOf(memoryLimitBytes: number): number {
  const buffer = 2 ** (Math.ceil(Math.log2(memoryLimitBytes / 4)) - 1);
  return (buffer * 7) / 8; // the chunk that fills a row group goes a little beyond
}

export const sqlString = (text: string) => `'${text.replaceAll("'", "''")}'`;
export const sqlName = (name: string) => `"${name.replaceAll('"', '""')}"`;
/** Parquet files as one relation, columns by name. */
export const parquetFiles = (paths: readonly string[]) =>
  `read_parquet([${paths.map(sqlString).join(', ')}], union_by_name = true, hive_partitioning = false)`;

export interface EngineOptions {
  memoryLimitBytes: number;
  /** Where DuckDB spills what does not fit. */
  tempDirectory: string;
}

/** How a file is to be written. */
export interface ParquetForm {
  /** Local path that must not exist. */
  path: string;
  compression: 'snappy' | 'zstd' | 'uncompressed';
  rowGroupRows: number;
  /** Pairs for the footer. */
  metadata: Record<string, string>;
}

/** DuckDB's memory was too small for a file. */
export class OutOfMemory extends Error {
  override name = 'OutOfMemory';
}

interface Opened {
  instance: DuckDBInstance;
  connection: DuckDBConnection;
}

async function openDuckDb({ memoryLimitBytes, tempDirectory }: EngineOptions): Promise<Opened> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: `${Math.floor(memoryLimitBytes / MiB)}MiB`,
    temp_directory: tempDirectory,
    // DuckDB ends row groups by bytes only so; the order is kept by the one thread.
    preserve_insertion_order: 'false',
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run('SET enable_external_file_cache = false');
  return { instance, connection };
}

export class ParquetEngine implements Disposable {
  readonly #options: EngineOptions;
  #instance: DuckDBInstance;
  #connection: DuckDBConnection;

  private constructor(options: EngineOptions, { instance, connection }: Opened) {
    this.#options = options;
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(options: EngineOptions): Promise<ParquetEngine> {
    return new ParquetEngine(options, await openDuckDb(options));
  }

  get connection(): DuckDBConnection {
    return this.#connection;
  }

  get tempDirectory(): string {
    return this.#options.tempDirectory;
  }

  /** Begins anew after OutOfMemory: what failed keeps its memory until its objects are collected. */
  async renew(): Promise<void> {
    this[Symbol.dispose]();
    ({ instance: this.#instance, connection: this.#connection } = await openDuckDb(this.#options));
  }

  /** Writes the rows of a query to a new file; what COPY answers. `more`: further options of it. Throws OutOfMemory where rows don't fit. */
  async copy(query: string, form: ParquetForm, ...more: string[]): Promise<Record<string, unknown>[]> {
    const statement = this.#copyStatement(query, form, more);
    try {
      return (await this.#connection.runAndReadAll(statement)).getRowObjectsJson();
    } catch (error) {
      const [said = ''] = (error as Error).message.split('\n');
      if (!/Out of Memory/.test(said)) throw error;
      throw new OutOfMemory(`${form.path}: ${said}; raise loader.duckdbMemoryBytes`, { cause: error });
    }
  }

  #copyStatement(query: string, form: ParquetForm, more: readonly string[]): string {
    const pairs = Object.entries(form.metadata).map(
      ([name, value]) => `${sqlString(name)}: ${sqlString(value)}`,
    );
    const options = [
      'FORMAT parquet',
      `COMPRESSION ${form.compression}`,
      `ROW_GROUP_SIZE ${form.rowGroupRows}`,
      `ROW_GROUP_SIZE_BYTES ${rowGroupBytesOf(this.#options.memoryLimitBytes)}`,
      'USE_TMP_FILE false',
      ...(pairs.length > 0 ? [`KV_METADATA {${pairs.join(', ')}}`] : []),
      ...more,
    ];
    return `COPY (${query}) TO ${sqlString(form.path)} (${options.join(', ')})`;
  }

  async rows(sql: string): Promise<unknown[][]> {
    return (await this.#connection.runAndReadAll(sql)).getRows();
  }

  /** Not while a query runs: that aborts the whole process. */
  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}
