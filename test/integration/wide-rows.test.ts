/**
 * Rows of any width fit into the memory that a load and a compaction are given: a row group, a chunk and a sort end by
 * bytes, not by rows alone. Otherwise one topic of large events would stop being loaded, for good.
 */
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { queryTable } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { peakOf } from '../support/peak-memory.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const MiB = 2 ** 20;
const LIMIT_MIB = 128;
/** Of each load; together some times the limit. */
const [LOADS, ROWS] = [3, 20_000];
/** Nothing compresses them. Every hundredth is as large as a record may be, or nearly. */
const widthOf = (row: number) => (row % 100 === 99 ? 400_000 : 2_000 + (row % 7) * 600);
/** Beyond what a load or compaction of a few rows takes: DuckDB's limit is of its buffers, and there are others. */
const MORE_MIB = 2.5 * LIMIT_MIB;
const SET = [`loader.duckdbMemoryBytes=${LIMIT_MIB * MiB}`, 'loader.workers=1', 'loader.graceMs=0'].flatMap(
  (each) => ['--set', each],
);

test('rows up to the largest are loaded and compacted in the memory that is set', {
  timeout: 900_000,
}, async () => {
  using dir = new TempDir('wide-rows');
  await using broker = await startBroker(dir.join('data'));
  const address = addressOf(broker);
  const timestampMs = Date.now() - 26 * 3_600_000;
  const warehouse = dir.join('warehouse');
  const sent = createHash('sha256');
  /** Peaks of the largest load, and of the compaction. */
  const peaks = async (topic: string, rows: number) => {
    await createTopic(address, topic, 1);
    const at = ['--topic', topic, '--warehouse', `file:${warehouse}`, '--json', ...SET];
    const loads: number[] = [];
    for (let load = 0; load < LOADS; load++) {
      const values = function* () {
        for (let row = 0; row < rows; row++) {
          const value = randomBytes(widthOf(row));
          if (topic === 'many') sent.update(createHash('sha256').update(value).digest('hex'));
          yield { value, timestampMs: timestampMs + (row % 3), partition: 0 };
        }
      };
      await sendRecords(address, topic, values());
      loads.push((await peakOf(['load', '--broker', address, ...at])).peakMib);
    }
    const order = `SELECT coalesce(bool_or(_offset < before), false) AS disordered FROM
      (SELECT _offset, lag(_offset) OVER (PARTITION BY filename ORDER BY file_row_number) AS before FROM TABLE)`;
    expect(await queryTable(warehouse, topic, order)).toEqual([{ disordered: false }]);
    const { peakMib } = await peakOf(['compact', ...at, '--target-bytes', String(2 ** 30)]);
    return [Math.max(...loads), peakMib] as const;
  };
  const [fewLoaded, fewCompacted] = await peaks('few', 1);
  const [loaded, compacted] = await peaks('many', ROWS);
  expect(loaded).toBeLessThan(fewLoaded + MORE_MIB);
  expect(compacted).toBeLessThan(fewCompacted + MORE_MIB);
  const digests = `SELECT sha256(string_agg(sha256(_value), '' ORDER BY _offset)) AS all_values, count(DISTINCT filename)::INT AS files,
    bool_or(key < before) AS disordered FROM
      (SELECT *, filename, (_timestamp, _offset) AS key, lag((_timestamp, _offset)) OVER (ORDER BY file_row_number) AS before FROM TABLE)`;
  expect(await queryTable(warehouse, 'many', digests)).toEqual([
    { all_values: sent.digest('hex'), files: 1, disordered: false },
  ]);
});
