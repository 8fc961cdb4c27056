/**
 * Looks at a warehouse as an outsider does: DuckDB over the documented glob and plain directory listings, none of the
 * loader's own code. What it finds is what readers get.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

export type Row = Record<string, unknown>;

/** Runs one query; `TABLE` in it stands for the rows of a topic. Answers as plain JSON values (64-bit integers as text). */
export async function queryTable(warehouse: string, topic: string, sql: string): Promise<Row[]> {
  return await queryFiles(join(warehouse, topic, 'dt=*/hour=*/*.parquet'), sql);
}

/** The same over the rows of an aggregate. */
export async function queryAggregate(
  warehouse: string,
  query: string,
  topic: string,
  sql: string,
): Promise<Row[]> {
  const directory = join(warehouse, '_aggregates', query, `topic=${topic}`);
  return await queryFiles(join(directory, 'dt=*/hour=*/*.parquet'), sql);
}

async function queryFiles(pattern: string, sql: string): Promise<Row[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const glob = pattern.replaceAll("'", "''");
    const table = `read_parquet('${glob}', hive_partitioning = true, hive_types_autocast = false, union_by_name = true)`;
    return (await connection.runAndReadAll(sql.replaceAll('TABLE', table))).getRowObjectsJson() as Row[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** What exactly once means: per partition, as many rows as different offsets, and none missing from 0 on. */
export interface OffsetCheck {
  partition: number;
  rows: number;
  distinct: number;
  min: number;
  max: number;
}

/** The offsets of the visible rows by partition; an empty table has none. */
export async function visibleOffsets(warehouse: string, topic: string): Promise<OffsetCheck[]> {
  if (visibleFiles(warehouse, topic).length === 0) return [];
  const rows = await queryTable(
    warehouse,
    topic,
    'SELECT _partition AS p, count(*) AS n, count(DISTINCT _offset) AS d, min(_offset) AS lo, max(_offset) AS hi FROM TABLE GROUP BY p ORDER BY p',
  );
  return rows.map(({ p, n, d, lo, hi }) => ({
    partition: Number(p),
    rows: Number(n),
    distinct: Number(d),
    min: Number(lo),
    max: Number(hi),
  }));
}

/** What the footers say of each visible file's offsets, and how many rows it has, in the order of the offsets. */
export async function footerOffsets(
  warehouse: string,
  topic: string,
): Promise<{ min: number; max: number; rows: number }[]> {
  const glob = join(warehouse, topic, 'dt=*/hour=*/*.parquet').replaceAll("'", "''");
  const pair = (key: string) => `any_value(decode(value)) FILTER (WHERE decode(key) = 'millrace.${key}')`;
  const rows = await queryTable(
    warehouse,
    topic,
    `SELECT lo, hi, num_rows AS n FROM (SELECT file_name, ${pair('minOffset')} AS lo, ${pair('maxOffset')} AS hi
       FROM parquet_kv_metadata('${glob}') GROUP BY file_name) JOIN parquet_file_metadata('${glob}') USING (file_name)
     ORDER BY CAST(lo AS BIGINT)`,
  );
  return rows.map(({ lo, hi, n }) => ({ min: Number(lo), max: Number(hi), rows: Number(n) }));
}

/** Paths of all Parquet files in hour directories, relative to the topic, sorted. */
export function visibleFiles(warehouse: string, topic: string): string[] {
  return listing(warehouse, topic).filter((path) => /^dt=[^/]*\/hour=[^/]*\/[^_.][^/]*\.parquet$/.test(path));
}

/** Every file below a topic, relative to it, sorted. A directory that goes away under the listing has none. */
export function listing(warehouse: string, topic: string): string[] {
  const root = join(warehouse, topic);
  return filesBelow(root)
    .map((path) => path.slice(root.length + 1))
    .sort();
}

function filesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The lines of all quarantine files of a topic. */
export function quarantineLines(warehouse: string, topic: string): Row[] {
  return listing(warehouse, topic)
    .filter((path) => path.startsWith('_quarantine/'))
    .flatMap((path) =>
      readFileSync(join(warehouse, topic, path), 'utf8')
        .trimEnd()
        .split('\n'),
    )
    .map((line) => JSON.parse(line) as Row);
}
