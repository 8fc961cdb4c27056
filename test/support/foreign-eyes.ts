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
  return await queryFiles(tablePattern(warehouse, topic), sql);
}

const tablePattern = (warehouse: string, topic: string) => join(warehouse, topic, 'dt=*/hour=*/*.parquet');
const aggregatePattern = (warehouse: string, query: string, topic: string) =>
  join(warehouse, '_aggregates', query, `topic=${topic}`, 'dt=*/hour=*/*.parquet');

/** The same over the rows of an aggregate. */
export async function queryAggregate(
  warehouse: string,
  query: string,
  topic: string,
  sql: string,
): Promise<Row[]> {
  return await queryFiles(aggregatePattern(warehouse, query, topic), sql);
}

const readFiles = (pattern: string) =>
  `read_parquet('${pattern.replaceAll("'", "''")}', hive_partitioning = true, hive_types_autocast = false, union_by_name = true)`;

async function queryFiles(pattern: string, sql: string): Promise<Row[]> {
  using eyes = await openEyes();
  return await eyes.query(sql, readFiles(pattern));
}

/** A DuckDB of its own; `table` stands for what is queried. */
async function openEyes() {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return {
    query: async (sql: string, table: string) =>
      (await connection.runAndReadAll(sql.replaceAll('TABLE', table))).getRowObjectsJson() as Row[],
    run: async (sql: string) => void (await connection.run(sql)),
    [Symbol.dispose]() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** What lies in the files at one moment, read once: for many questions to a table of many files. */
export class Snapshots implements Disposable {
  readonly #eyes: Awaited<ReturnType<typeof openEyes>>;
  readonly #tables = new Map<string, Promise<string>>();

  private constructor(eyes: Awaited<ReturnType<typeof openEyes>>) {
    this.#eyes = eyes;
  }

  static async open(): Promise<Snapshots> {
    return new Snapshots(await openEyes());
  }

  /** As `queryTable`. */
  async table(warehouse: string, topic: string, sql: string): Promise<Row[]> {
    return await this.#query(tablePattern(warehouse, topic), sql);
  }

  /** As `queryAggregate`. */
  async aggregate(warehouse: string, query: string, topic: string, sql: string): Promise<Row[]> {
    return await this.#query(aggregatePattern(warehouse, query, topic), sql);
  }

  async #query(pattern: string, sql: string): Promise<Row[]> {
    let name = this.#tables.get(pattern);
    if (name === undefined) {
      name = this.#read(`snapshot_${this.#tables.size}`, pattern);
      this.#tables.set(pattern, name);
    }
    return await this.#eyes.query(sql, await name);
  }

  async #read(name: string, pattern: string): Promise<string> {
    await this.#eyes.run(`CREATE TABLE ${name} AS FROM ${readFiles(pattern)}`);
    return name;
  }

  [Symbol.dispose](): void {
    this.#eyes[Symbol.dispose]();
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
