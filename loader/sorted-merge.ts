/**
 * Merges files into one that is sorted by time, partition and offset, in bounded memory. DuckDB's sort spills, but holds a
 * fixed number of rows at a time, which may be more than its limit when they are wide. Where that happens the rows are
 * sorted in slices, each a range of the sort key and a file of its own, which are then strung together.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  OutOfMemory,
  type ParquetEngine,
  type ParquetForm,
  parquetFiles,
  sqlName,
  sqlString,
} from './parquet-engine.ts';

/** How many slices are tried, one after the other. */
const SLICES = [1, 8, 64, 512];

export interface MergeSource {
  paths: readonly string[];
  columns: readonly string[];
  timeColumn: string;
}

/** Writes all rows of the files to a new one. Throws OutOfMemory if not even the narrowest slices fit. */
export async function mergeSorted(
  engine: ParquetEngine,
  source: MergeSource,
  form: ParquetForm,
): Promise<void> {
  for (const slices of SLICES) {
    try {
      return await (slices === 1
        ? sortInto(engine, source, form)
        : sortSlices(engine, source, form, await boundsOf(engine, source, slices)));
    } catch (error) {
      if (!(error instanceof OutOfMemory) || slices === SLICES.at(-1)) throw error;
      await rm(form.path, { force: true });
      await engine.renew();
    }
  }
}

async function sortInto(
  engine: ParquetEngine,
  { paths, columns, timeColumn }: MergeSource,
  form: ParquetForm,
  condition = 'true',
): Promise<void> {
  const order = [timeColumn, '_partition', '_offset'].map(sqlName).join(', ');
  const rows = `SELECT ${columns.map(sqlName).join(', ')} FROM ${parquetFiles(paths)} WHERE ${condition} ORDER BY ${order}`;
  await engine.copy(rows, form);
}

/** SQL of the sort key: the first member of each slice but the first. */
interface Bounds {
  /** What stands for the time; where there are rows without one they come last. */
  time: string;
  firsts: { time: string; partition: string; offset: string }[];
}

async function boundsOf(
  engine: ParquetEngine,
  { paths, timeColumn }: MergeSource,
  slices: number,
): Promise<Bounds> {
  const from = parquetFiles(paths);
  const column = sqlName(timeColumn);
  const [[rows, timed, type] = []] = await engine.rows(
    `SELECT count(*), count(${column}), any_value(typeof(${column})) FROM ${from}`,
  );
  // Only a plain column lets DuckDB pass over row groups by their statistics.
  const time = rows === timed ? column : `coalesce(${column}, CAST('infinity' AS ${type}))`;
  const step = Math.ceil(Number(rows) / slices);
  const firsts = await engine.rows(`
    SELECT CAST(t AS VARCHAR), p, o FROM (
      SELECT t, p, o, row_number() OVER (ORDER BY t, p, o) AS n FROM (
        SELECT ${time} AS t, _partition AS p, _offset AS o FROM ${from}))
    WHERE n > 1 AND n % ${step} = 1 ORDER BY n`);
  return {
    time,
    firsts: firsts.map(([t, p, o]) => ({
      time: `CAST(${sqlString(String(t))} AS ${type})`,
      partition: String(p),
      offset: String(o),
    })),
  };
}

/** The rows from one bound, or the beginning, to below the next, or the end. Without row values: DuckDB takes more memory for them. */
function within({ time, firsts }: Bounds, slice: number): string {
  const side = (bound: Bounds['firsts'][number], than: '<' | '>', orEqual: '' | '=') =>
    `${time} ${than}= ${bound.time} AND (${time} ${than} ${bound.time} OR _partition ${than} ${bound.partition}
      OR (_partition = ${bound.partition} AND _offset ${than}${orEqual} ${bound.offset}))`;
  const [from, until] = [firsts[slice - 1], firsts[slice]];
  return [from && side(from, '>', '='), until && side(until, '<', ''), 'true'].filter(Boolean).join(' AND ');
}

async function sortSlices(
  engine: ParquetEngine,
  source: MergeSource,
  form: ParquetForm,
  bounds: Bounds,
): Promise<void> {
  const paths: string[] = [];
  try {
    for (let slice = 0; slice <= bounds.firsts.length; slice++) {
      const path = join(engine.tempDirectory, `slice-${slice}.parquet`);
      paths.push(path);
      await sortInto(engine, source, { ...form, path, metadata: {} }, within(bounds, slice));
    }
    await engine.copy(`FROM ${parquetFiles(paths)}`, form);
  } finally {
    for (const path of paths) await rm(path, { force: true });
  }
}
