/**
 * A table of events without a broker: NDJSON written by DuckDB as two Parquet files per hour, and the account of its hours
 * that aggregates ask for, every hour between the first and the last complete. For tests of what is computed from a table.
 */
import { writeFile } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { HourState, TopicHours } from '../../jobs/aggregate-plan.ts';
import { aggregateFile } from '../../jobs/aggregate-record.ts';
import { hourName, parseHour } from '../../loader/hour.ts';
import type { DirectoryStore } from '../../loader/store/directory-store.ts';
import { COLUMNS, readRows } from './event-files.ts';

export class HourTable {
  readonly store: DirectoryStore;
  readonly topic: string;
  readonly hours: TopicHours;
  readonly #duckdb: DuckDBConnection;

  private constructor(store: DirectoryStore, topic: string, hours: TopicHours, duckdb: DuckDBConnection) {
    this.store = store;
    this.topic = topic;
    this.hours = hours;
    this.#duckdb = duckdb;
  }

  /** Writes events, JSON texts of the schemas web_request or activity, to a topic. `ndjson`: a local file to be made. */
  static async write(
    duckdb: DuckDBConnection,
    store: DirectoryStore,
    topic: string,
    ndjson: string,
    events: Iterable<string>,
  ): Promise<HourTable> {
    await writeFile(ndjson, lines(events));
    const columns = Object.entries(COLUMNS).map(([name, type]) => `${name}: '${type}'`);
    const written = await duckdb.runAndReadAll(`COPY (
      SELECT *, strftime(event_time, '%Y-%m-%d') AS dt, strftime(event_time, '%H') AS hour, hash(host) % 2 AS part
      FROM read_json('${ndjson}', format = 'newline_delimited', columns = {${columns.join(', ')}})
    ) TO '${store.readablePath(topic)}' (FORMAT parquet, PARTITION_BY (dt, hour, part), RETURN_STATS)`);
    const hours = new Map<string, HourState>();
    for (const row of written.getRowObjects()) {
      const path = String(row['filename']);
      const hour = path.replace(/^.*[/]dt=(.{10})[/]hour=(\d\d)[/].*$/, '$1T$2');
      const file = {
        path: path.slice(path.indexOf(`/${topic}/`) + 1),
        rows: Number(row['count']),
        bytes: Number(row['file_size_bytes']),
      };
      hours.set(hour, { marker: 1, rewriteSeq: 0, files: [...(hours.get(hour)?.files ?? []), file] });
    }
    const sorted = [...hours.keys()].sort();
    for (let at = parseHour(sorted[0]!)!; at < parseHour(sorted.at(-1)!)!; at++)
      if (!hours.has(hourName(at))) hours.set(hourName(at), { marker: 1, rewriteSeq: 0, files: [] });
    return new HourTable(store, topic, hours, duckdb);
  }

  /** The rows of a query over these hours, all that it was answered at. */
  async rowsOf(
    query: string,
    hours: Iterable<string> = this.hours.keys(),
  ): Promise<Record<string, unknown>[]> {
    const files = [];
    for (const hour of hours) {
      const path = aggregateFile(query, this.topic, hour);
      if (await this.store.stat(path)) files.push(this.store.readablePath(path));
    }
    return files.length === 0 ? [] : await readRows(this.#duckdb, files);
  }
}

function* lines(events: Iterable<string>): Generator<string> {
  for (const event of events) yield `${event}\n`;
}
