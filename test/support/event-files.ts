/**
 * Parquet files of web events written by DuckDB from plain rows, the way the loader's files look to a query: a column
 * `event_time` in UTC and some of those of web_request. For tests of what reads the table.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** One event. `at`: ISO 8601 UTC, with or without a fraction. Members left out are null. */
export interface WebEvent {
  at: string;
  host?: string;
  path?: string | null;
  query?: string | null;
  status?: number;
  bytes?: number | null;
  referrer?: string | null;
  user_agent?: string | null;
  search_terms?: string | null;
  event_type?: string;
  visitor_id?: string;
  session_id?: string;
}

export const COLUMNS = {
  event_time: 'TIMESTAMPTZ',
  host: 'VARCHAR',
  path: 'VARCHAR',
  query: 'VARCHAR',
  status: 'INTEGER',
  bytes: 'BIGINT',
  referrer: 'VARCHAR',
  user_agent: 'VARCHAR',
  search_terms: 'VARCHAR',
  event_type: 'VARCHAR',
  visitor_id: 'VARCHAR',
  session_id: 'VARCHAR',
} as const;
export type ColumnName = keyof typeof COLUMNS;

/** The columns of topic `activity` that the built-in queries read. */
export const ACTIVITY = Object.keys(COLUMNS) as ColumnName[];
/** The columns of web_request that the built-in queries read. */
export const WEB_REQUEST = ACTIVITY.slice(0, ACTIVITY.indexOf('search_terms'));

/** Opens a DuckDB of one thread that speaks UTC. */
export async function openDuckDb(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return connection;
}

/** Writes the events as one Parquet file with these columns; parents are made. */
export async function writeEvents(
  connection: DuckDBConnection,
  path: string,
  events: readonly WebEvent[],
  columns: readonly ColumnName[] = WEB_REQUEST,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const literal = (value: string | number | null | undefined, type: string) =>
    value === null || value === undefined
      ? `NULL::${type}`
      : `'${String(value).replaceAll("'", "''")}'::${type}`;
  const rows = events.map((event) => {
    const row: Partial<Record<ColumnName, string | number | null>> = { ...event, event_time: event.at };
    return `(${columns.map((name) => literal(row[name], COLUMNS[name])).join(', ')})`;
  });
  const source =
    rows.length > 0
      ? `SELECT * FROM (VALUES ${rows.join(', ')}) AS t(${columns.join(', ')})`
      : `SELECT ${columns.map((name) => `NULL::${COLUMNS[name]} AS ${name}`).join(', ')} WHERE false`;
  await connection.run(`COPY (${source}) TO '${path}' (FORMAT parquet)`);
}

/** The rows of some Parquet files as plain objects; whole numbers as numbers, times as `2016-02-20T05:00`. */
export async function readRows(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<Record<string, unknown>[]> {
  const list = paths.map((path) => `'${path}'`).join(', ');
  const reader = await connection.runAndReadAll(
    `SELECT * REPLACE (strftime(hour_start, '%Y-%m-%dT%H:%M') AS hour_start)
     FROM read_parquet([${list}], hive_partitioning = false) ORDER BY ALL`,
  );
  return reader
    .getRowObjects()
    .map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
      ),
    );
}
