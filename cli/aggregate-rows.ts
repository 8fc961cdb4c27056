/**
 * The rows of an aggregate as objects, for printing. One visible file per hour, under a fixed name; hours are printed as
 * `2026-11-22T13` under the name of their column, `hour_start`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { aggregateFile } from '../jobs/aggregate-record.ts';
import { FetchedFiles } from '../jobs/fetched-files.ts';
import { type Hour, hourDirectory } from '../loader/hour.ts';
import { AGGREGATES_ROOT } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { liveFiles, readTopicState } from '../loader/table-state.ts';
import type { Cell } from './output.ts';

/** Files named in one statement; more are read in portions. */
const FILES_AT_ONCE = 1_000;

/** The hours that an aggregate has a file for, ascending. */
export async function aggregatedHours(store: Store, query: string, topic: string): Promise<Hour[]> {
  const root = `${AGGREGATES_ROOT}/${query}/topic=${topic}`;
  const hours: Hour[] = [];
  for (const day of await store.list(root)) {
    const date = /^dt=(.{10})$/.exec(day.name)?.[1];
    if (date === undefined) continue;
    for (const { name } of await store.list(`${root}/${day.name}`)) {
      const hour = `${date}T${/^hour=(\d\d)$/.exec(name)?.[1]}`;
      if (name === hourDirectory(hour).split('/')[1]) hours.push(hour);
    }
  }
  return hours.sort();
}

const plain = (value: unknown): Cell => {
  if (value === null || typeof value === 'number' || typeof value === 'string') return value;
  return typeof value === 'bigint' ? Number(value) : String(value);
};

/** Rows of a query over files, as plain objects. Opens and closes an instance of its own. */
async function queryRows(sqls: Iterable<string>): Promise<Record<string, Cell>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const rows: Record<string, Cell>[] = [];
    for (const sql of sqls)
      for (const row of (await connection.runAndReadAll(sql)).getRowObjects())
        rows.push(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
    return rows;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Does something with files of the warehouse as local ones; what had to be fetched is gone afterwards. */
async function withLocalFiles<T>(
  store: Store,
  paths: readonly string[],
  act: (local: string[]) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-rows-'));
  try {
    await using fetched = await FetchedFiles.open(store, directory);
    await fetched.fetch(paths);
    return await act(paths.map((path) => fetched.at(path)));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A list of files as an argument of `read_parquet`. */
function fileList(files: readonly string[]): string {
  return `[${files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ')}]`;
}

/** The rows of these hours, in the order of the hours and of the columns. */
export async function aggregateRows(
  store: Store,
  query: string,
  topic: string,
  hours: readonly Hour[],
): Promise<Record<string, Cell>[]> {
  const paths = hours.map((hour) => aggregateFile(query, topic, hour));
  return await withLocalFiles(store, paths, (local) => {
    const portions = Array.from({ length: Math.ceil(local.length / FILES_AT_ONCE) }, (_, i) => {
      const files = local.slice(i * FILES_AT_ONCE, (i + 1) * FILES_AT_ONCE);
      return `SELECT * REPLACE (strftime(hour_start, '%Y-%m-%dT%H') AS hour_start)
              FROM read_parquet(${fileList(files)}, hive_partitioning = false) ORDER BY ALL`;
    });
    return queryRows(portions);
  });
}

/** The most asked paths of all time: a total over hours can't be had from the hours' own lists, so the rows are read. */
export async function topPaths(
  store: Store,
  topic: string,
  count: number,
): Promise<{ path: string; events: number }[]> {
  const state = await readTopicState(store, topic);
  const paths = [...liveFiles(state)].map(({ final }) => `${topic}/${final}`);
  if (paths.length === 0) return [];
  const rows = await withLocalFiles(store, paths, (files) =>
    queryRows([
      `SELECT path, count(*) AS events FROM read_parquet(${fileList(files)}, hive_partitioning = false)
       WHERE path IS NOT NULL GROUP BY path ORDER BY events DESC, path LIMIT ${count}`,
    ]),
  );
  return rows.map(({ path, events }) => ({ path: String(path), events: Number(events) }));
}
