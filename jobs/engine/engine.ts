/**
 * The seam between aggregates and what computes them. An engine is given queries, hours and the explicit list of files of
 * each hour (what is committed, never a glob) and leaves one Parquet file per query and hour in a local directory. It
 * knows nothing of records or markers. An engine that `reads: 'local'` is given local paths, fetched before; one that reads
 * the warehouse itself is given paths relative to its root.
 */
import type { Hour } from '../../loader/hour.ts';
import type { Query } from '../query-file.ts';

/** The committed files of one hour. An hour without files is an empty list. */
export interface HourFiles {
  hour: Hour;
  files: readonly string[];
}

/** A query and the hours wanted of it, in order. Hours it only looks back on are not among them. */
export interface EngineTask {
  query: Query;
  hours: readonly Hour[];
}

/** What one pass computes. `inputs` holds every hour of the tasks and those they look back on, each once, in order. */
export interface EngineBatch {
  inputs: readonly HourFiles[];
  tasks: readonly EngineTask[];
  /** An empty local directory for the result files; who calls removes it. */
  directory: string;
}

/** One result file, Snappy Parquet. Hours without rows have one of no rows, and may share it. */
export interface HourResult {
  query: string;
  hour: Hour;
  path: string;
  rows: number;
}

/** What one pass may take at most; a single hour may exceed those of rows and files. */
export interface PortionLimits {
  hours: number;
  files: number;
  rows: number;
}

export interface Engine extends AsyncDisposable {
  readonly reads: 'local' | 'warehouse';
  readonly limits: PortionLimits;
  /** Name and version, for the records: `duckdb 1.5.6`. */
  readonly name: string;
  /** Exactly one result for each hour of each task, in no certain order. Aborting stops the query and rejects. */
  run(batch: EngineBatch, signal?: AbortSignal): Promise<HourResult[]>;
}
