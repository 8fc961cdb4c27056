import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readBatchHeader } from '../../../../broker/protocol/record-batch.ts';
import { batchOf, valuesIn } from '../../../support/batches.ts';
import { append, contents, filesOf, logOf, openLogs } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const values = (from: number, count: number) => Array.from({ length: count }, (_, i) => `v${from + i}`);
const numbered = (from: number, count: number) => values(from, count).map((v, i) => [from + i, v]);

describe('a log', () => {
  test('gives offsets in order and stamps them and the leader epoch into the batch', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    expect(await append(log, values(0, 3))).toBe(0);
    expect(await append(log, values(3, 2))).toBe(3);
    expect(contents(log)).toEqual(numbered(0, 5));
    const read = log.read(3, 1);
    expect(readBatchHeader(read?.bytes ?? Buffer.alloc(0), 0)).toMatchObject({
      baseOffset: 3,
      leaderEpoch: 0,
    });
  });

  test('rolls by size, and reads go on over the border', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { configs: { 'segment.bytes': '1000' } });
    const log = logOf(directory);
    for (let i = 0; i < 40; i++) await append(log, values(i * 5, 5));
    expect(log.segments.length).toBeGreaterThan(3);
    for (const { sizeBytes } of log.segments) expect(sizeBytes).toBeLessThanOrEqual(1000);
    expect(contents(log)).toEqual(numbered(0, 200));
    expect(filesOf(dir.path, '.log').length).toBe(log.segments.length);
  });

  test('batches queued in one tick are written together and roll where they must', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { configs: { 'segment.bytes': '1000' } });
    const log = logOf(directory);
    await Promise.all(Array.from({ length: 40 }, (_, i) => append(log, values(i * 5, 5))));
    expect(log.segments.length).toBeGreaterThan(3);
    expect(contents(log)).toEqual(numbered(0, 200));
  });

  test('rolls when the first record of a segment is older than segment.ms', async () => {
    using dir = new TempDir();
    let nowMs = 1_000_000;
    await using directory = await openLogs(dir.path, { configs: { 'segment.ms': '500' }, now: () => nowMs });
    const log = logOf(directory);
    await append(log, ['a']);
    nowMs += 499;
    await append(log, ['b']);
    expect(log.segments.length).toBe(1);
    nowMs += 1;
    await append(log, ['c']);
    expect(log.segments.map(({ baseOffset }) => baseOffset)).toEqual([0, 2]);
  });

  test('refuses a batch larger than a segment', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { configs: { 'segment.bytes': '200' } });
    await expect(append(logOf(directory), ['x'.repeat(300)])).rejects.toThrow(/RECORD_LIST_TOO_LARGE/);
    expect(await append(logOf(directory), ['small'])).toBe(0);
  });

  test('every offset finds its whole batch through the sparse index', async () => {
    using dir = new TempDir();
    const overrides = { log: { indexIntervalBytes: 256 } };
    await using directory = await openLogs(dir.path, { overrides, configs: { 'segment.bytes': '4000' } });
    const log = logOf(directory);
    for (let i = 0; i < 100; i++) await append(log, values(i * 3, 3));
    for (const offset of [...Array(300).keys()].reverse()) {
      const read = log.read(offset, 1);
      const first = Math.floor(offset / 3) * 3;
      expect(valuesIn(read?.bytes ?? Buffer.alloc(0))).toEqual(numbered(first, 3));
      read?.release();
    }
  });

  test('a read keeps to its bytes, but the first batch is whole unless told otherwise', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    for (let i = 0; i < 4; i++) await append(log, values(i, 1));
    const size = batchOf(['v0']).length;
    expect(log.read(0, 2 * size)?.bytes.length).toBe(2 * size);
    expect(log.read(0, 2 * size + 1)?.bytes.length).toBe(2 * size);
    expect(log.read(0, 1)?.bytes.length).toBe(size);
    expect(log.read(0, 1, false)).toBeUndefined();
    expect(log.read(4, 1)).toBeUndefined();
    expect(() => log.read(5, 1)).toThrow(/OFFSET_OUT_OF_RANGE/);
  });

  test('a batch larger than the pooled buffers is read whole', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    await append(log, ['small']);
    await append(log, ['x'.repeat(3_000_000)]);
    expect(valuesIn(log.read(1, 1000)?.bytes ?? Buffer.alloc(0))[0]?.[1].length).toBe(3_000_000);
  });

  test('finds the first record at or after a time, however disordered, and the greatest timestamp', async () => {
    using dir = new TempDir();
    const overrides = { log: { indexIntervalBytes: 256 } };
    await using directory = await openLogs(dir.path, { overrides, configs: { 'segment.bytes': '2000' } });
    const log = logOf(directory);
    expect(log.offsetOfMaxTimestamp()).toBeUndefined();
    const times: number[] = [];
    for (let i = 0; i < 120; i++) {
      const timestampMs = 10_000 + ((i * 7919) % 1000) * 10;
      await append(log, ['a', 'b'], { timestampMs });
      times.push(timestampMs, timestampMs + 1);
    }
    for (const wanted of [0, 10_000, 12_345, 15_555, Math.max(...times)]) {
      const offset = times.findIndex((time) => time >= wanted);
      expect(log.offsetSince(wanted)).toMatchObject({ offset, timestampMs: times[offset] });
    }
    expect(log.offsetSince(Math.max(...times) + 1)).toBeUndefined();
    expect(log.offsetOfMaxTimestamp()).toMatchObject({ offset: times.indexOf(Math.max(...times)) });
  });

  test('a timestamp beyond 2^53 neither breaks the log nor its indexes', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { overrides: { log: { indexIntervalBytes: 256 } } });
    const log = logOf(directory);
    const bytes = batchOf(['wild']);
    bytes.writeBigInt64BE(2n ** 63n - 1n, 35);
    log.append(bytes, readBatchHeader(bytes, 0));
    for (let i = 0; i < 20; i++) await append(log, ['x']);
    log.roll();
    expect(log.offsetSince(0)?.offset).toBe(0);
    expect(log.offsetOfMaxTimestamp()?.offset).toBe(0);
  });

  test('old segments are deleted by retention.ms from their last append on, the newest too', async () => {
    using dir = new TempDir();
    let nowMs = Date.now();
    const configs = { 'segment.bytes': '300', 'retention.ms': '5000' };
    await using directory = await openLogs(dir.path, { configs, now: () => nowMs });
    const log = logOf(directory);
    for (let i = 0; i < 12; i++) await append(log, values(i, 1), { timestampMs: 1 });
    await directory.housekeeping.checkRetention();
    expect(log.logStartOffset).toBe(0);
    nowMs += 5001;
    await append(log, ['new']);
    await directory.housekeeping.checkRetention();
    expect(log.logStartOffset).toBeGreaterThan(8);
    nowMs += 5001;
    await directory.housekeeping.checkRetention();
    expect([log.logStartOffset, log.logEndOffset]).toEqual([13, 13]);
    expect(() => log.read(0, 1)).toThrow(/OFFSET_OUT_OF_RANGE/);
    expect(await append(log, ['after'])).toBe(13);
  });

  test('a disk budget deletes oldest segments first', async () => {
    using dir = new TempDir();
    const configs = { 'segment.bytes': '100000' };
    await using directory = await openLogs(dir.path, {
      configs,
      overrides: { log: { totalBytes: 1024 * 1024 } },
    });
    const log = logOf(directory);
    for (let i = 0; i < 30; i++) await append(log, ['x'.repeat(90_000)]);
    await directory.housekeeping.checkRetention();
    const bytes = log.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(bytes).toBeLessThanOrEqual(1024 * 1024);
    expect(bytes).toBeGreaterThan(800_000);
    expect(log.logEndOffset).toBe(30);
  });

  test('a repeated batch of an idempotent producer is answered with its old offset and not written', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    const sent = (baseSequence: number) =>
      append(log, ['a', 'b'], { producerId: 9, producerEpoch: 0, baseSequence });
    expect([await sent(0), await sent(2), await sent(0), await sent(2), await sent(4)]).toEqual([
      0, 2, 0, 2, 4,
    ]);
    expect(log.logEndOffset).toBe(6);
  });
});

describe('a disk that fails', () => {
  test('a write error stops the log: nothing is acknowledged, nothing served, no clean stop noted', async () => {
    using dir = new TempDir();
    // No fsync comes to find the error first.
    const directory = await openLogs(dir.path, { overrides: { log: { flushIntervalMs: 3_600_000 } } });
    const log = logOf(directory);
    await append(log, ['good']);
    fs.closeSync(log.segments[0]?.descriptor() ?? -1);
    await expect(append(log, ['lost'])).rejects.toThrow(/KAFKA_STORAGE_ERROR/);
    await expect(append(log, ['refused'])).rejects.toThrow(/KAFKA_STORAGE_ERROR/);
    expect(() => log.read(0, 1)).toThrow(/KAFKA_STORAGE_ERROR/);
    await directory.close();
    expect(fs.existsSync(dir.join('clean-shutdown'))).toBe(false);
    await using again = await openLogs(dir.path);
    expect(contents(logOf(again))).toEqual([[0, 'good']]);
    expect(logOf(again).leaderEpoch).toBe(1);
  });
});
