/**
 * Writes one Parquet file at a time with DuckDB: an in-memory instance with one thread per loader thread, fed by a table
 * function that pulls rows as DuckDB asks for them. Every row given to it was proven against the schema beforehand, so
 * any difference between rows given and rows written is a bug and fails the task.
 *
 * An instance must not be torn down while a query runs (that aborts the whole process): a caller that wants to stop
 * makes its row source throw, awaits `write`, and then closes.
 */
import {
  BIGINT,
  BLOB,
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBTableFunction,
  LIST,
  STRUCT,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api';
import { RowVectors, VECTOR_ROWS } from './row-vectors.ts';
import type { RowCursor } from './spool-row.ts';

/** A schema's columns as DuckDB types, in file order; `undefined` for a raw table. */
export type ParquetColumns = readonly { name: string; type: string; required: boolean }[] | undefined;

/** Gives rows until there are no more; may throw to stop the writing. */
export type RowSource = () => RowCursor | undefined;

export interface ParquetTarget {
  /** Local path that must not exist. */
  path: string;
  partition: number;
  columns: ParquetColumns;
  compression: 'snappy' | 'zstd' | 'uncompressed';
  rowGroupRows: number;
  /** Pairs for the footer. */
  metadata: Record<string, string>;
}

/** What was written; `bytes` is the file's length. */
export interface WrittenParquet {
  rows: number;
  bytes: number;
}

const FUNCTION_NAME = 'spool';
const sqlString = (text: string) => `'${text.replaceAll("'", "''")}'`;

export class ParquetWriter implements AsyncDisposable {
  readonly #instance: DuckDBInstance;
  readonly #connections = new Map<'VARCHAR' | 'BLOB', DuckDBConnection>();
  readonly #vectors = new RowVectors();
  #source: RowSource = () => undefined;
  #failure: unknown;

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  /** Opens the engine: at most `memoryLimitBytes` of buffers, spilling to `tempDirectory`. */
  static async open(options: { memoryLimitBytes: number; tempDirectory: string }): Promise<ParquetWriter> {
    return new ParquetWriter(
      await DuckDBInstance.create(':memory:', {
        threads: '1',
        memory_limit: `${Math.floor(options.memoryLimitBytes / 1024 / 1024)}MiB`,
        temp_directory: options.tempDirectory,
        preserve_insertion_order: 'true',
        autoload_known_extensions: 'false',
        autoinstall_known_extensions: 'false',
      }),
    );
  }

  /** Writes all rows of the source to a new file and proves that DuckDB took every one. Rejects with the source's own error if it throws. */
  async write(source: RowSource, target: ParquetTarget): Promise<WrittenParquet> {
    const connection = await this.#connection(target.columns === undefined ? 'BLOB' : 'VARCHAR');
    let given = 0;
    this.#failure = undefined;
    this.#source = () => {
      const row = source();
      if (row !== undefined) given++;
      return row;
    };
    try {
      const reader = await connection.runAndReadAll(copyStatement(target));
      const stats = reader.getRowObjectsJson()[0];
      if (stats === undefined) throw new Error(`DuckDB wrote ${target.path} but returned no statistics`);
      return checkWritten(target, given, stats);
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#source = () => undefined;
    }
  }

  /** One connection per type of the value column, each with its own registered table function. */
  async #connection(valueType: 'VARCHAR' | 'BLOB'): Promise<DuckDBConnection> {
    const existing = this.#connections.get(valueType);
    if (existing) return existing;
    const connection = await this.#instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    connection.registerTableFunction(this.#tableFunction(valueType));
    this.#connections.set(valueType, connection);
    return connection;
  }

  #tableFunction(valueType: 'VARCHAR' | 'BLOB'): DuckDBTableFunction {
    return DuckDBTableFunction.create({
      name: `${FUNCTION_NAME}_${valueType.toLowerCase()}`,
      bindFunction: (bind) => {
        bind.addResultColumn('o', BIGINT);
        bind.addResultColumn('t', TIMESTAMPTZ);
        bind.addResultColumn('k', BLOB);
        bind.addResultColumn('h', LIST(STRUCT({ key: VARCHAR, value: BLOB })));
        bind.addResultColumn('x', VARCHAR);
        bind.addResultColumn('j', valueType === 'BLOB' ? BLOB : VARCHAR);
      },
      initFunction: () => {},
      mainFunction: (_info, chunk) => {
        try {
          chunk.rowCount = VECTOR_ROWS;
          this.#vectors.begin(chunk.chunk);
          for (let row: RowCursor | undefined; this.#vectors.rows < VECTOR_ROWS && (row = this.#source()); )
            this.#vectors.add(row);
          this.#vectors.finish();
          chunk.rowCount = this.#vectors.rows;
        } catch (error) {
          this.#failure = error;
          throw error;
        }
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections.values()) connection.closeSync();
    this.#instance.closeSync();
  }
}

function copyStatement({
  path,
  partition,
  columns,
  compression,
  rowGroupRows,
  metadata,
}: ParquetTarget): string {
  const value =
    columns === undefined
      ? 'j AS _value'
      : `unnest(from_json(j, ${sqlString(JSON.stringify(Object.fromEntries(columns.map((c) => [c.name, c.type]))))}))`;
  const pairs = Object.entries(metadata).map(([name, text]) => `${sqlString(name)}: ${sqlString(text)}`);
  return `COPY (
    SELECT CAST(${partition} AS INTEGER) AS _partition, o AS _offset, t AS _timestamp, k AS _key, h AS _headers, x AS _extra, ${value}
    FROM ${FUNCTION_NAME}_${columns === undefined ? 'blob' : 'varchar'}()
  ) TO ${sqlString(path)} (FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${rowGroupRows}, USE_TMP_FILE false,
    KV_METADATA {${pairs.join(', ')}}, RETURN_STATS)`;
}

/** The file's own statistics against what went in: the row count, and no null where the schema requires a value. */
function checkWritten(
  { path, columns }: ParquetTarget,
  given: number,
  stats: Record<string, unknown>,
): WrittenParquet {
  const rows = Number(stats['count']);
  if (rows !== given)
    throw new Error(`${path} holds ${rows} rows, ${given} were accepted: a bug, nothing was committed`);
  const nulls = nullCounts(stats['column_statistics']);
  for (const { name, required } of columns ?? []) {
    const count = nulls.get(`"${name.replaceAll('"', '""')}"`);
    if (required && rows > 0 && count !== 0)
      throw new Error(
        `${path} has ${count ?? 'unknown'} nulls in the required column ${name}: a bug, nothing was committed`,
      );
  }
  return { rows, bytes: Number(stats['file_size_bytes']) };
}

type Pairs = readonly { key: string; value: unknown }[];

function nullCounts(statistics: unknown): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { key, value } of statistics as Pairs)
    counts.set(key, Number((value as Pairs).find((entry) => entry.key === 'null_count')?.value));
  return counts;
}
