/** The branch `loader` of the settings: the table, how it is written, and how long it is kept. */
import { z } from 'zod';
import { bytes, DAY, GiB, KiB, MiB, ms, orOff, SECOND } from './setting-kinds.ts';

export const loader = z.strictObject({
  warehouse: z
    .string()
    .min(1)
    .default('file:./warehouse')
    .describe(
      'URL of the table root: file:PATH, or webhdfs://USER@HOST:9870[,HOST:9870]/path (swebhdfs: over TLS)',
    ),
  workers: z.int().min(0).max(256).default(0).describe('worker threads; 0: one per core'),
  topicsAtOnce: z
    .int()
    .min(1)
    .max(256)
    .default(8)
    .describe(
      'topics of one load that are planned, loaded and judged side by side; workers are shared by all',
    ),
  taskOffsets: z
    .int()
    .min(1)
    .max(1_000_000_000)
    .default(250_000)
    .describe(
      'a partition with more than its share is cut into tasks for several workers, none of fewer offsets',
    ),
  startPolicy: z
    .enum(['earliest', 'latest'])
    .default('earliest')
    .describe('where the first load of a topic begins'),
  reportGroup: z
    .string()
    .max(249)
    .default('millrace-loader')
    .describe(
      'group in whose name each load commits to the broker how far it came (retention.requires.load); empty: not told',
    ),
  targetFileBytes: bytes(64 * KiB, 8 * GiB)
    .default(128 * MiB)
    .describe('Parquet files are cut near this size (HDFS block size)'),
  compression: z
    .enum(['snappy', 'zstd', 'uncompressed'])
    .default('snappy')
    .describe('codec of the Parquet files'),
  rowGroupRows: z
    .int()
    .min(2_048)
    .max(10_000_000)
    .default(61_440)
    .describe('rows of a Parquet row group; wide rows end it sooner, within loader.duckdbMemoryBytes'),
  duckdbMemoryBytes: bytes(64 * MiB, 64 * GiB)
    .default(192 * MiB)
    .describe('memory limit of the DuckDB instance of one worker'),
  spoolDir: z
    .string()
    .default('')
    .describe('local directory for spools; empty: .millrace-spool beside a file: warehouse'),
  spoolBytes: bytes(MiB, 1024 * GiB)
    .default(GiB)
    .describe('largest spool of one worker; a longer range is cut into parts'),
  fetchBytes: bytes(64 * KiB, 64 * MiB)
    .default(MiB)
    .describe('bytes asked per fetch'),
  graceMs: ms(0, DAY)
    .default(5 * 60 * SECOND)
    .describe('an hour may be complete this long after its end: flush interval + replica lag + clock error'),
  lateHorizonHours: z
    .int()
    .min(0)
    .max(100 * 366 * 24)
    .default(30 * 24)
    .describe('rows of an hour marked longer ago go to _late/'),
  eventTimeMin: z.iso.datetime().default('1990-01-01T00:00:00Z').describe('earlier event times are refused'),
  eventTimeMaxAheadMs: ms(0, 365 * DAY)
    .default(DAY)
    .describe('event times further in the future are refused'),
  emptyHoursPerRun: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(10_000)
    .describe('most empty hours marked by one run'),
  sealAfterRecords: z
    .int()
    .min(2)
    .max(1_000_000)
    .default(4_096)
    .describe('a chain of so many commit records is sealed, and the next generation begun'),
  dataKeepHours: orOff(z.int().min(1))
    .default(-1)
    .describe('expire deletes older hours of the table; -1: never'),
  trashKeepHours: z
    .int()
    .min(0)
    .default(7 * 24)
    .describe('how long a replay or compaction can be taken back, before expire deletes what it removed'),
  historyKeepHours: z
    .int()
    .min(24)
    .default(90 * 24)
    .describe('how long expire leaves the history of runs'),
});
