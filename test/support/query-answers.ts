/**
 * Answers of queries to events made by hand: the events as a file per hour, the DuckDB engine over them, and the rows
 * that came out.
 */
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { DuckDbEngine } from '../../jobs/engine/duckdb.ts';
import { type QuerySources, readQueries } from '../../jobs/query-file.ts';
import {
  ACTIVITY,
  type ColumnName,
  openDuckDb,
  readRows,
  type WebEvent,
  writeEvents,
} from './event-files.ts';
import { TempDir } from './temp-dir.ts';

interface Asked extends QuerySources {
  columns?: readonly ColumnName[];
}

export class QueryAnswers implements AsyncDisposable {
  readonly dir: TempDir;
  readonly duckdb: DuckDBConnection;
  readonly engine: DuckDbEngine;
  #runs = 0;

  private constructor(dir: TempDir, duckdb: DuckDBConnection, engine: DuckDbEngine) {
    this.dir = dir;
    this.duckdb = duckdb;
    this.engine = engine;
  }

  static async open(name: string): Promise<QueryAnswers> {
    const dir = new TempDir(name);
    const spill = { memoryBytes: 128 * 1024 * 1024, temporaryDirectory: dir.join('spill') };
    return new QueryAnswers(dir, await openDuckDb(), await DuckDbEngine.open(spill));
  }

  /** Runs one query over events put into files by hour; the rows of the wanted hours together. */
  async answer(
    name: string,
    hours: string[],
    events: readonly WebEvent[],
    { columns = ACTIVITY, ...sources }: Asked = {},
  ): Promise<Record<string, unknown>[]> {
    const place = this.dir.join(String(++this.#runs));
    const [query] = await readQueries([name], sources);
    const inputs = [];
    for (const hour of [...new Set([...hours, ...events.map((event) => event.at.slice(0, 13))])].sort()) {
      const file = join(place, `${hour}.in`);
      const ofHour = events.filter((event) => event.at.startsWith(hour));
      await writeEvents(this.duckdb, file, ofHour, columns);
      inputs.push({ hour, files: [file] });
    }
    const results = await this.engine.run({ inputs, tasks: [{ query: query!, hours }], directory: place });
    const answered = results.map((result) => result.hour).sort();
    const rows = await readRows(
      this.duckdb,
      results.map((result) => result.path),
    );
    const told = results.reduce((sum, result) => sum + result.rows, 0);
    if (String(answered) !== String(hours) || rows.length !== told)
      throw new Error(`asked for ${hours}, got ${answered}; ${told} rows told, ${rows.length} there`);
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.duckdb.closeSync();
    await this.engine[Symbol.asyncDispose]();
    this.dir[Symbol.dispose]();
  }
}
