/**
 * Makes new files of the table out of old ones, with DuckDB: merged, sorted, or a part of their rows. What was written is
 * counted again from the new file, row by row, because from then on it stands for rows that may be nowhere else.
 */
import { isGrownFrom } from './column-growth.ts';
import type { FilePart } from './commit.ts';
import {
  type EngineOptions,
  ParquetEngine,
  type ParquetForm,
  parquetFiles,
  sqlString,
} from './parquet-engine.ts';
import { RowTally, totalOf, visitRows } from './row-tally.ts';
import { mergeSorted } from './sorted-merge.ts';

/** What a file holds. Times are event times in microseconds since 1970. */
export interface CountedRows {
  rows: number;
  parts: Omit<FilePart, 'incarnation'>[];
  minTime: number;
  maxTime: number;
  /** Sum over the rows, as in a commit record. */
  digest: string;
}

/** Two files of one hour whose columns of one name differ in type, other than by new fields of a struct, can't become one. */
export class ColumnsDiffer extends Error {
  override name = 'ColumnsDiffer';
}

export class RowCopier implements AsyncDisposable {
  readonly #engine: ParquetEngine;

  private constructor(engine: ParquetEngine) {
    this.#engine = engine;
  }

  static async open(options: EngineOptions): Promise<RowCopier> {
    return new RowCopier(await ParquetEngine.open(options));
  }

  /** The columns of files, in the order of the table: that of the file with the most, then what only others have. */
  async columnsOf(paths: readonly string[]): Promise<string[]> {
    const each = await Promise.all(
      paths.map(async (path) => await this.#engine.rows(`DESCRIBE SELECT * FROM ${parquetFiles([path])}`)),
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
    const described = await this.#engine.rows(`DESCRIBE SELECT * FROM ${parquetFiles([path])}`);
    const nulls = types.map((type, i) => `typeof(CAST(NULL AS ${type})) AS t${i}`);
    const [row = []] = types.length === 0 ? [] : await this.#engine.rows(`SELECT ${nulls.join(', ')}`);
    return { file: described.map(([name, type]) => [String(name), String(type)]), types: row.map(String) };
  }

  /** Writes all rows of some files, whose `columns` those are, to a new one, ordered by time, partition and offset. */
  async merge(
    paths: readonly string[],
    { columns, timeColumn }: { columns: readonly string[]; timeColumn: string },
    form: ParquetForm,
  ): Promise<void> {
    await mergeSorted(this.#engine, { paths, columns, timeColumn }, form);
  }

  /** Counts a file's rows from the file itself; memory does not grow with it. */
  async count(path: string, timeColumn: string): Promise<CountedRows> {
    const tally = new RowTally();
    await visitRows(this.#engine.connection, parquetFiles([path]), timeColumn, (partition, offset, timeUs) =>
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
    const rows = await this.#engine.rows(
      `SELECT decode(key), decode(value) FROM parquet_kv_metadata(${sqlString(path)})`,
    );
    return new Map(rows.map(([key, value]) => [String(key), String(value)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine[Symbol.dispose]();
  }
}

/** The column by which rows of a table are ordered in time: the schema's event time, of a raw table the record's. */
export function timeColumnOf(columns: readonly string[], eventTime: string | undefined): string {
  return eventTime !== undefined && columns.includes(eventTime) ? eventTime : '_timestamp';
}
