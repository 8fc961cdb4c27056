import fs from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import {
  batchesOf,
  isCrcValid,
  readBatchHeader,
  recordsOf,
} from '../../../../broker/protocol/record-batch.ts';
import { batchOf } from '../../../support/batches.ts';
import { append, logOf, openLogs, TOPIC } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

describe('a setting changed while the log is open', () => {
  test('acts at once and is there after a restart', async () => {
    using dir = new TempDir();
    {
      await using directory = await openLogs(dir.path, { configs: { 'retention.ms': '5' } });
      await append(logOf(directory), ['a']);
      directory.setTopicConfigs(TOPIC, { 'segment.bytes': '200' });
      await append(logOf(directory), ['x'.repeat(100)]);
      expect(logOf(directory).segments.length).toBe(2);
      expect(logOf(directory).config.retentionMs).toBe(604_800_000);
    }
    await using directory = await openLogs(dir.path);
    expect(logOf(directory).config.segmentBytes).toBe(200);
    expect(directory.topics.get(TOPIC)?.configs).toEqual({ 'segment.bytes': '200' });
  });

  test('is left alone by a change that is refused or only tried', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { configs: { 'retention.ms': '5' } });
    expect(() => directory.setTopicConfigs(TOPIC, { 'retention.ms': 'x' })).toThrow(/INVALID_CONFIG/);
    directory.setTopicConfigs(TOPIC, { 'retention.ms': '6' }, { validateOnly: true });
    expect(logOf(directory).config.retentionMs).toBe(5);
    expect(() => directory.setTopicConfigs('gone', {})).toThrow(/UNKNOWN_TOPIC_OR_PARTITION/);
  });

  test('LogAppendTime stamps the broker’s time and a right checksum into whole batches', async () => {
    using dir = new TempDir();
    const configs = { 'message.timestamp.type': 'LogAppendTime' };
    await using directory = await openLogs(dir.path, { configs, now: () => 777_000 });
    const log = logOf(directory);
    for (const codec of ['none', 'zstd'] as const) {
      const bytes = batchOf(['a', 'b'], { timestampMs: 5, codec });
      expect(log.append(bytes, readBatchHeader(bytes, 0)).logAppendTimeMs).toBe(777_000);
    }
    await append(log, ['c']);
    const read = log.read(0, 1 << 20)?.bytes ?? Buffer.alloc(0);
    for (const { at, header } of batchesOf(read)) {
      expect(header).toMatchObject({ logAppendTime: true, maxTimestamp: 777_000 });
      expect(isCrcValid(read, at, header)).toBe(true);
      expect(recordsOf(read, at, header).map(({ timestampMs }) => timestampMs)).toContain(777_000);
    }
    expect(log.offsetSince(776_999)).toMatchObject({ offset: 0, timestampMs: 777_000 });
    directory.setTopicConfigs(TOPIC, {});
    const offset = await append(log, ['d'], { timestampMs: 9 });
    expect(readBatchHeader(log.read(offset, 1)?.bytes ?? Buffer.alloc(0), 0)).toMatchObject({
      logAppendTime: false,
      maxTimestamp: 9,
    });
  });

  test('flush.messages=1: nothing is seen before it is on disk', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    directory.setTopicConfigs(TOPIC, { 'flush.messages': '1' });
    const bytes = batchOf(['a']);
    const { endOffset } = log.append(bytes, readBatchHeader(bytes, 0));
    const acknowledged = log.acknowledged(endOffset, true);
    log.write();
    expect([log.logEndOffset, log.highWatermark]).toEqual([1, 0]);
    await acknowledged;
    expect([log.recoveryPoint, log.highWatermark]).toEqual([1, 1]);
  });

  test('flush.messages: fsync follows so many records, without the clock', async () => {
    using dir = new TempDir();
    const overrides = { log: { flushIntervalMs: 3_600_000 } };
    await using directory = await openLogs(dir.path, { overrides, configs: { 'flush.messages': '3' } });
    const log = logOf(directory);
    await append(log, ['a', 'b']);
    expect(log.recoveryPoint).toBe(0);
    await append(log, ['c']);
    await vi.waitFor(() => expect(log.recoveryPoint).toBe(3), { timeout: 60_000 });
  });

  test('flush.ms: shorter than the broker’s interval it comes sooner, longer it waits', async () => {
    using dir = new TempDir();
    let nowMs = 1_000_000;
    const overrides = { log: { flushIntervalMs: 3_600_000 } };
    await using directory = await openLogs(dir.path, {
      overrides,
      configs: { 'flush.ms': '1' },
      now: () => nowMs,
    });
    const log = logOf(directory);
    await append(log, ['a']);
    await vi.waitFor(() => expect(log.recoveryPoint).toBe(1), { timeout: 60_000 });
    directory.setTopicConfigs(TOPIC, { 'flush.ms': String(3 * 3_600_000) });
    await directory.housekeeping.flush();
    await append(log, ['b']);
    await directory.housekeeping.flush();
    expect(log.recoveryPoint).toBe(1);
    nowMs += 2 * 3_600_000;
    await directory.housekeeping.flush();
    expect(log.recoveryPoint).toBe(2);
  });

  test('index.interval.bytes holds for segments begun from then on', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    await append(log, ['first']);
    directory.setTopicConfigs(TOPIC, { 'index.interval.bytes': '256' });
    log.rollIfIdle();
    for (let i = 0; i < 20; i++) await append(log, ['x'.repeat(100)]);
    log.roll();
    const index = log.segments.at(-2)?.file.replace(/log$/, 'index') ?? '';
    expect(fs.statSync(index).size).toBeGreaterThan(0);
  });
});
