/**
 * What rows of existing files are, counted from the files themselves, partition by partition: how many, between which
 * offsets and times, and their digest. Rows stream by, so memory does not grow with a file. (The digest as an SQL
 * expression is as fast for the rows, but its nested macros take DuckDB two seconds to plan.)
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { DataFile } from './commit.ts';
import { RowDigest, sumOfDigests } from './row-digest.ts';

/** Of the rows of one partition. Offsets are inclusive, times event times in microseconds since 1970. */
export interface PartitionTally {
  partition: number;
  rows: number;
  minOffset: number;
  maxOffset: number;
  minTime: number;
  maxTime: number;
  digest: string;
}

export type TotalTally = Pick<
  DataFile,
  'rows' | 'minOffset' | 'maxOffset' | 'minTime' | 'maxTime' | 'digest'
>;

export class RowTally {
  readonly #partitions = new Map<number, { tally: PartitionTally; digest: RowDigest }>();

  /** Takes one row, in any order. */
  add(partition: number, offset: number, timeUs: number): void {
    let found = this.#partitions.get(partition);
    if (found === undefined) {
      const [minOffset, maxOffset, minTime, maxTime] = [offset, offset, timeUs, timeUs];
      const tally = { partition, rows: 0, minOffset, maxOffset, minTime, maxTime, digest: '' };
      this.#partitions.set(partition, (found = { tally, digest: new RowDigest(partition) }));
    }
    found.digest.add(offset);
    const { tally } = found;
    tally.rows++;
    tally.minOffset = Math.min(tally.minOffset, offset);
    tally.maxOffset = Math.max(tally.maxOffset, offset);
    tally.minTime = Math.min(tally.minTime, timeUs);
    tally.maxTime = Math.max(tally.maxTime, timeUs);
  }

  /** By partition, ascending. */
  partitions(): PartitionTally[] {
    return [...this.#partitions.values()]
      .map(({ tally, digest }) => ({ ...tally, digest: digest.toString() }))
      .sort((a, b) => a.partition - b.partition);
  }
}

/** Of all partitions together. */
export function totalOf(tallies: readonly PartitionTally[]): TotalTally {
  const least = (key: 'minOffset' | 'minTime') => Math.min(...tallies.map((tally) => tally[key]));
  const most = (key: 'maxOffset' | 'maxTime') => Math.max(...tallies.map((tally) => tally[key]));
  return {
    rows: tallies.reduce((sum, { rows }) => sum + rows, 0),
    minOffset: least('minOffset'),
    maxOffset: most('maxOffset'),
    minTime: least('minTime'),
    maxTime: most('maxTime'),
    digest: sumOfDigests(tallies.map(({ digest }) => digest)),
  };
}

/** Visits the rows of a table expression. Times go as 0 where there is none. */
export async function visitRows(
  connection: DuckDBConnection,
  source: string,
  timeColumn: string,
  visit: (partition: number, offset: number, timeUs: number) => void,
): Promise<void> {
  // As doubles: offsets and microseconds are exact in them, and big integers would cost ten times as much.
  const result = await connection.stream(
    `SELECT _partition, _offset::DOUBLE, epoch_us("${timeColumn.replaceAll('"', '""')}")::DOUBLE FROM ${source}`,
  );
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    const [partitions, offsets, times] = [0, 1, 2].map((i) => chunk.getColumnVector(i));
    for (let row = 0; row < chunk.rowCount; row++)
      visit(
        partitions!.getItem(row) as number,
        offsets!.getItem(row) as number,
        (times!.getItem(row) as number | null) ?? 0,
      );
  }
}
