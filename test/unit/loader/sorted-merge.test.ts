/**
 * Files are merged in slices where DuckDB can't sort them whole: the same rows, in one order, those without a time last.
 */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OutOfMemory, ParquetEngine, parquetFiles } from '../../../loader/parquet-engine.ts';
import { mergeSorted } from '../../../loader/sorted-merge.ts';
import { TempDir } from '../../support/temp-dir.ts';

const FORM = { compression: 'snappy', rowGroupRows: 2_048, metadata: { made: 'by a test' } } as const;
const ROWS = 12_000;
const COLUMNS = ['_partition', '_offset', 'event_time', 'wide', 'nested'];
const ORDER = 'event_time, _partition, _offset';
/** Wide rows in no order, many of one time. */
const rowsOf = (file: number, time: string) => `
  SELECT (n % 2)::INTEGER AS _partition, (n * 7919 % ${ROWS} + ${file * ROWS})::BIGINT AS _offset, ${time} AS event_time,
    array_to_string([md5((n * 100 + i)::VARCHAR) FOR i IN range(100)], '') AS wide, {'n': n, 'list': [n, NULL]} AS nested
  FROM range(${ROWS}) AS rows(n)`;
const FEW_TIMES = `TIMESTAMPTZ '2026-03-01 00:00:00.000001Z' + (n % 3) * INTERVAL 1 MICROSECOND`;

test.each([
  ['of few times', FEW_TIMES],
  ['of one time', `TIMESTAMPTZ '2026-03-01'`],
  ['of which some have no time', `CASE WHEN n % 5 > 0 THEN ${FEW_TIMES} END`],
  ['none of which has a time', 'NULL::TIMESTAMPTZ'],
])('wide rows %s', async (_, time) => {
  using dir = new TempDir('sorted-merge');
  using spill = new TempDir('sorted-merge-spill');
  using engine = await ParquetEngine.open({ memoryLimitBytes: 1024 * 2 ** 20, tempDirectory: dir.path });
  const paths = [0, 1].map((file) => dir.join(`${file}.parquet`));
  const small = { ...FORM, rowGroupRows: 256 };
  for (const [file, path] of paths.entries()) await engine.copy(rowsOf(file, time), { ...small, path });
  const options = { memoryLimitBytes: 48 * 2 ** 20, tempDirectory: spill.path };
  const form = { ...FORM, path: dir.join('merged.parquet') };
  const whole = `SELECT * FROM ${parquetFiles(paths)} ORDER BY ${ORDER}`;
  using narrow = await ParquetEngine.open(options);
  await expect(narrow.copy(whole, { ...form, path: dir.join('whole.parquet') })).rejects.toThrow(OutOfMemory);
  await narrow.renew();
  await mergeSorted(narrow, { paths, columns: COLUMNS, timeColumn: 'event_time' }, form);
  const digest = (rows: string) =>
    engine.rows(`SELECT md5(string_agg(md5(t::VARCHAR), '')) FROM (${rows}) AS t`);
  expect(await digest(`SELECT * FROM read_parquet('${form.path}') ORDER BY file_row_number`)).toEqual(
    await digest(`SELECT ${COLUMNS.join(', ')} FROM ${parquetFiles(paths)} ORDER BY ${ORDER}`),
  );
  expect(
    await engine.rows(
      `SELECT decode(value) FROM parquet_kv_metadata('${form.path}') WHERE decode(key) = 'made'`,
    ),
  ).toEqual([['by a test']]);
  expect(readdirSync(spill.path)).toEqual([]);
});
