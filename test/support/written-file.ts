/**
 * Runs messages through the loader's sorter, spool and writer into one Parquet file, without a broker and a table.
 */
import { expect } from 'vitest';
import { batchesOf, encodeBatch } from '../../broker/protocol/record-batch.ts';
import { EventSorter } from '../../loader/event-sorter.ts';
import { ParquetWriter } from '../../loader/parquet-file.ts';
import { Spool } from '../../loader/spool.ts';
import { RowReader } from '../../loader/spool-row.ts';
import type { EventSchema } from '../../schemas/event-schema.ts';
import { PROBE_BOUNDS } from './event-rows.ts';
import type { TempDir } from './temp-dir.ts';

const BATCH_ROWS = 500;

/** All hours in one file; returns its path. Every message must be accepted. Keys are `key N`, timestamps N milliseconds. */
export async function writtenFile(
  dir: TempDir,
  schema: EventSchema,
  values: readonly Buffer[],
): Promise<string> {
  using rows = Spool.create(dir.join('rows'));
  using refused = Spool.create(dir.join('refused'));
  const range = { from: 0, until: values.length };
  const options = {
    partition: 3,
    range,
    schema,
    bounds: PROBE_BOUNDS,
    tombstones: 'quarantine',
    fallbackHour: 0,
  } as const;
  const sorter = new EventSorter(options, rows, refused);
  for (let from = 0; from < values.length; from += BATCH_ROWS) {
    const records = values.slice(from, from + BATCH_ROWS).map((value, i) => ({
      key: Buffer.from(`key ${from + i}`),
      value,
      timestampMs: from + i,
      headers: [],
    }));
    const batch = encodeBatch(records, { codec: 'lz4', baseOffset: from });
    expect([...batchesOf(batch)]).toHaveLength(1);
    sorter.add(batch);
  }
  expect(sorter.refused.size).toBe(0);
  await using writer = await ParquetWriter.open({ memoryLimitBytes: 200e6, tempDirectory: dir.path });
  const readers = rows.hours().map((hour) => new RowReader(rows.blocks(hour)));
  const next = (): RowReader | undefined => {
    while (readers[0] !== undefined && !readers[0].next()) readers.shift();
    return readers[0];
  };
  const path = dir.join('columns.parquet');
  const target = {
    path,
    partition: 3,
    columns: schema.columns,
    isBinary: false,
    compression: 'snappy',
    rowGroupRows: 2_048,
    metadata: { test: 'columns' },
  } as const;
  expect((await writer.write(next, target)).rows).toBe(values.length);
  return path;
}
