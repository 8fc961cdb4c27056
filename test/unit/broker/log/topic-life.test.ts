import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  append,
  contents,
  copyAsKilled,
  filesOf,
  logOf,
  openLogs,
  TOPIC,
} from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const FIRST = { topic: TOPIC, partition: 0 };
const small = { configs: { 'segment.bytes': '200' } };

describe('deleting records', () => {
  test('moves the log’s start into the middle of a batch, for reads by offset and by time', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    await append(log, ['a', 'b', 'c'], { timestampMs: 100 });
    await append(log, ['d'], { timestampMs: 50 });
    expect(await directory.deleteRecords(FIRST, 2)).toBe(2);
    expect(log.logStartOffset).toBe(2);
    expect(() => log.read(1, 1000)).toThrow(/OFFSET_OUT_OF_RANGE/);
    expect(log.read(2, 1000)?.bytes.length).toBeGreaterThan(0);
    expect(log.offsetSince(0)).toMatchObject({ offset: 2, timestampMs: 102 });
    await directory.deleteRecords(FIRST, 3);
    expect(log.offsetSince(0)).toMatchObject({ offset: 3, timestampMs: 50 });
    expect(log.offsetSince(51)).toBeUndefined();
  });

  test('removes the files of whole segments before it, and -1 is the end of the log', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, small);
    const log = logOf(directory);
    for (let i = 0; i < 4; i++) await append(log, ['x'.repeat(80)]);
    expect(log.segments.length).toBe(4);
    expect(await directory.deleteRecords(FIRST, -1)).toBe(4);
    expect(filesOf(dir.path, '.log').length).toBe(1);
    expect(contents(log)).toEqual([]);
    expect(await append(log, ['next'])).toBe(4);
    expect(contents(log)).toEqual([[4, 'next']]);
  });

  test('is kept over a stop and over a kill, and never goes back', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    {
      await using directory = await openLogs(dir.path);
      for (let i = 0; i < 4; i++) await append(logOf(directory), [`v${i}`]);
      await directory.deleteRecords(FIRST, 3);
      expect(await directory.deleteRecords(FIRST, 1)).toBe(3);
      copyAsKilled(dir.path, killed.path);
    }
    for (const each of [dir, killed]) {
      await using directory = await openLogs(each.path);
      expect(logOf(directory).logStartOffset).toBe(3);
      expect(contents(logOf(directory))).toEqual([[3, 'v3']]);
    }
  });

  test('a log that ends before its start is not served: its offsets would be given out again', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    await using directory = await openLogs(dir.path, { overrides: { log: { flushIntervalMs: 3_600_000 } } });
    for (let i = 0; i < 4; i++) await append(logOf(directory), [`v${i}`]);
    await directory.deleteRecords(FIRST, 3);
    expect(logOf(directory).recoveryPoint).toBeGreaterThanOrEqual(3);
    copyAsKilled(dir.path, killed.path);
    fs.rmSync(path.join(killed.path, 'recovery-points.json'), { force: true });
    fs.truncateSync(path.join(killed.path, `${TOPIC}-0`, `${'0'.repeat(20)}.log`), 0);
    await using cut = await openLogs(killed.path);
    expect(logOf(cut).failure?.message).toMatch(/below the recovery point 3/);
  });

  test('a segment that a crash left before the start goes at the next look', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    {
      await using directory = await openLogs(dir.path, small);
      for (let i = 0; i < 3; i++) await append(logOf(directory), ['x'.repeat(80)]);
      copyAsKilled(dir.path, killed.path);
      await directory.deleteRecords(FIRST, 2);
      fs.copyFileSync(
        path.join(dir.path, 'log-start-offsets.json'),
        path.join(killed.path, 'log-start-offsets.json'),
      );
    }
    await using directory = await openLogs(killed.path, small);
    expect(logOf(directory).segments.length).toBe(3);
    expect(logOf(directory).logStartOffset).toBe(2);
    await directory.housekeeping.checkRetention();
    expect(logOf(directory).segments.length).toBe(1);
  });

  test('refuses offsets outside the log', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    await append(logOf(directory), ['a']);
    await expect(directory.deleteRecords(FIRST, 2)).rejects.toThrow(/OFFSET_OUT_OF_RANGE/);
    await expect(directory.deleteRecords(FIRST, -2)).rejects.toThrow(/OFFSET_OUT_OF_RANGE/);
    await expect(directory.deleteRecords({ topic: 'gone', partition: 0 }, 0)).rejects.toThrow(
      /UNKNOWN_TOPIC/,
    );
  });
});

describe('more partitions', () => {
  test('are there at once and after a restart, with the topic’s settings of now', async () => {
    using dir = new TempDir();
    {
      await using directory = await openLogs(dir.path, { overrides: { maxPartitions: 5 } });
      directory.setTopicConfigs(TOPIC, { 'retention.ms': '7' });
      await append(logOf(directory), ['old']);
      await directory.addPartitions(TOPIC, 3);
      const added = directory.log({ topic: TOPIC, partition: 2 });
      expect(added.config.retentionMs).toBe(7);
      await append(added, ['new']);
      for (const count of [3, 1, 0, 6]) {
        await expect(directory.addPartitions(TOPIC, count)).rejects.toThrow(/INVALID_PARTITIONS/);
      }
      await expect(directory.addPartitions('gone', 2)).rejects.toThrow(/UNKNOWN_TOPIC/);
    }
    await using directory = await openLogs(dir.path);
    expect(directory.topics.get(TOPIC)?.partitions).toBe(3);
    expect(contents(directory.log({ topic: TOPIC, partition: 2 }))).toEqual([[0, 'new']]);
    expect(contents(logOf(directory))).toEqual([[0, 'old']]);
  });

  test('written down by a broker that was killed before it made them, they are made at the start', async () => {
    using dir = new TempDir();
    {
      await using directory = await openLogs(dir.path);
      await directory.addPartitions(TOPIC, 2);
    }
    fs.rmSync(path.join(dir.path, `${TOPIC}-1`), { recursive: true });
    await using directory = await openLogs(dir.path);
    expect(await append(directory.log({ topic: TOPIC, partition: 1 }), ['a'])).toBe(0);
  });

  test('asked for twice at once they are added once; a topic deleted meanwhile is gone with them', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const both = await Promise.allSettled([
      directory.addPartitions(TOPIC, 3),
      directory.addPartitions(TOPIC, 3),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await Promise.all([directory.addPartitions(TOPIC, 6), directory.deleteTopic(TOPIC)]);
    expect(fs.readdirSync(dir.path).filter((name) => name.startsWith(`${TOPIC}-`))).toEqual([]);
  });
});
