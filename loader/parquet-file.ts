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
  BOOLEAN,
  DOUBLE,
  DuckDBTableFunction,
  type DuckDBType,
  INTEGER,
  LIST,
  STRUCT,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api';
import { type Column, isNested, typeName } from '../schemas/column.ts';
import type { ColumnType } from '../schemas/column-types.ts';
import { type EngineOptions, ParquetEngine, type ParquetForm, sqlName, sqlString } from './parquet-engine.ts';
import { FIXED_COLUMNS, RowVectors, VECTOR_ROWS } from './row-vectors.ts';
import type { RowReader } from './spool-row.ts';

/** Gives rows until there are no more; may throw to stop the writing. */
export type RowSource = () => RowReader | undefined;

export interface ParquetTarget extends ParquetForm {
  partition: number;
  /** The columns after the record's own, in file order. */
  columns: readonly Column[];
  /** Whether a string column holds any bytes, not only UTF-8 text: a raw table's. */
  isBinary: boolean;
}

/** As the spool hands the values over; the types carried as text become what they are in the copy. */
const CARRIED_AS: Partial<Record<ColumnType, DuckDBType>> = {
  timestamp: TIMESTAMPTZ,
  int32: INTEGER,
  int64: BIGINT,
  number: DOUBLE,
  boolean: BOOLEAN,
};

/** What was written; `bytes` is the file's length. */
export interface WrittenParquet {
  rows: number;
  bytes: number;
}

/** The table function of one list of columns: its rows come from whatever source is set. */
interface SpoolFunction {
  name: string;
  source: RowSource;
  failure: unknown;
}

export class ParquetWriter implements AsyncDisposable {
  readonly #engine: ParquetEngine;
  readonly #functions = new Map<string, SpoolFunction>();

  private constructor(engine: ParquetEngine) {
    this.#engine = engine;
  }

  static async open(options: EngineOptions): Promise<ParquetWriter> {
    return new ParquetWriter(await ParquetEngine.open(options));
  }

  /** Writes all rows of the source to a new file and proves that DuckDB took every one. Rejects with the source's own error if it throws. */
  async write(source: RowSource, target: ParquetTarget): Promise<WrittenParquet> {
    const spool = this.#functionFor(target);
    let given = 0;
    spool.failure = undefined;
    spool.source = () => {
      const row = source();
      if (row !== undefined) given++;
      return row;
    };
    try {
      const [stats] = await this.#engine.copy(rowsOf(spool.name, target), target, 'RETURN_STATS');
      if (stats === undefined) throw new Error(`DuckDB wrote ${target.path} but returned no statistics`);
      return checkWritten(target, given, stats);
    } catch (error) {
      throw spool.failure ?? error;
    } finally {
      spool.source = () => undefined;
    }
  }

  /** The table function for these columns, registered at their first use: one per schema, not one per file. */
  #functionFor({ columns, isBinary }: ParquetTarget): SpoolFunction {
    const key = JSON.stringify([isBinary, columns]);
    const existing = this.#functions.get(key);
    if (existing) return existing;
    const spool: SpoolFunction = {
      name: `spool_${this.#functions.size}`,
      source: () => undefined,
      failure: undefined,
    };
    this.#functions.set(key, spool);
    this.#engine.connection.registerTableFunction(tableFunction(spool, columns, isBinary));
    return spool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine[Symbol.dispose]();
  }
}

function tableFunction(
  spool: SpoolFunction,
  columns: readonly Column[],
  isBinary: boolean,
): DuckDBTableFunction {
  const vectors = new RowVectors(columns.map(({ type }) => type));
  const fixed = {
    offset: BIGINT,
    timestamp: TIMESTAMPTZ,
    key: BLOB,
    headers: LIST(STRUCT({ key: VARCHAR, value: BLOB })),
    extra: VARCHAR,
  };
  return DuckDBTableFunction.create({
    name: spool.name,
    bindFunction: (bind) => {
      for (const name of FIXED_COLUMNS) bind.addResultColumn(name, fixed[name]);
      for (const [i, { type }] of columns.entries())
        bind.addResultColumn(`c${i}`, CARRIED_AS[type] ?? (isBinary ? BLOB : VARCHAR));
      bind.addResultColumn('heap', BLOB);
    },
    initFunction: () => {},
    mainFunction: (_info, chunk) => {
      try {
        chunk.rowCount = VECTOR_ROWS;
        vectors.begin(chunk.chunk);
        for (let row: RowReader | undefined; !vectors.isFull && (row = spool.source()); ) vectors.add(row);
        vectors.finish();
        chunk.rowCount = vectors.rows;
      } catch (error) {
        spool.failure = error;
        throw error;
      }
    },
  });
}

/** The query of a file's rows. */
function rowsOf(functionName: string, { partition, columns }: ParquetTarget): string {
  const values = columns.map((column, i) => `${storedValue(`c${i}`, column)} AS ${sqlName(column.name)}`);
  return `SELECT CAST(${partition} AS INTEGER) AS _partition, "offset" AS _offset, "timestamp" AS _timestamp, "key" AS _key,
    headers AS _headers, extra AS _extra, ${values.join(', ')} FROM ${functionName}()`;
}

/** A column of the spool as the file is to have it. The texts are canonical, so a cast or the strict reader can't go wrong. */
function storedValue(carried: string, column: Column): string {
  if (column.type === 'decimal') return `CAST(${carried} AS ${typeName(column, 'duckdb')})`;
  if (!isNested(column)) return carried;
  return `from_json_strict(${carried}, ${sqlString(JSON.stringify(typeName(column, 'duckdb')))})`;
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
  for (const { name, required, type } of columns) {
    // Of a nested column there are statistics of its leaves only.
    if (isNested({ type })) continue;
    const count = nulls.get(sqlName(name));
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
