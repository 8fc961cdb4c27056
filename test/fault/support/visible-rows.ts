/**
 * The rows that a reader sees who globs every Parquet file below a topic, on purpose also where none must be
 * (`**`, not the documented `dt=*`): DuckDB over the files, without the loader's code.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { listing } from '../../support/foreign-eyes.ts';

export interface VisibleRow {
  incarnation: number;
  partition: number;
  offset: number;
  n: number;
  /** `2026-03-01T01`, by the directory; undefined if it lies in none. */
  hour: string | undefined;
  file: string;
}

const HOUR_OF = /(?:^|\/)dt=([^/]+)\/hour=(\d\d)\//;
const INCARNATION_OF = /-i(\d{3,})-/;

/** Keeps a DuckDB open to look often. */
export class TableReader implements Disposable {
  readonly #root: string;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(root: string, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#root = root;
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(root: string): Promise<TableReader> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const connection = await instance.connect();
    await connection.run('SET enable_external_file_cache = false');
    return new TableReader(root, instance, connection);
  }

  /** Names, sizes and ages of all Parquet files: as long as it is the same, so are the rows. */
  signature(): string {
    return this.#files()
      .map((file) => {
        const found = statSync(join(this.#root, file), { throwIfNoEntry: false });
        return `${file} ${found?.ino} ${found?.size} ${found?.mtimeMs}`;
      })
      .join('\n');
  }

  #files(): string[] {
    return listing(this.#root, '').filter((path) => path.endsWith('.parquet'));
  }

  async rows(): Promise<VisibleRow[]> {
    if (this.#files().length === 0) return [];
    const glob = join(this.#root, '**/*.parquet').replaceAll("'", "''");
    const result = await this.#connection.runAndReadAll(
      `SELECT _partition, _offset::DOUBLE, bytes::DOUBLE, filename FROM read_parquet('${glob}', filename = true, hive_partitioning = false, union_by_name = true)`,
    );
    return result.getRows().map(([partition, offset, n, filename]) => {
      const file = String(filename).slice(this.#root.length + 1);
      const [, day, hour] = HOUR_OF.exec(file) ?? [];
      return {
        incarnation: Number(INCARNATION_OF.exec(file)?.[1] ?? 0),
        partition: Number(partition),
        offset: Number(offset),
        n: Number(n),
        hour: day && `${day}T${hour}`,
        file,
      };
    });
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}
