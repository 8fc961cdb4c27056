import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { batchOf } from '../../../support/batches.ts';
import { append, contents, copyAsKilled, filesOf, logOf, openLogs } from '../../../support/open-logs.ts';
import { recordingLogger } from '../../../support/start-broker.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const SEGMENTS = { configs: { 'segment.bytes': '400' }, overrides: { log: { indexIntervalBytes: 256 } } };
/** Long enough that nothing is synced behind the test's back. */
const UNSYNCED = { ...SEGMENTS, overrides: { log: { indexIntervalBytes: 256, flushIntervalMs: 3_600_000 } } };
const idempotent = (baseSequence: number) => ({ producerId: 5, producerEpoch: 0, baseSequence });

/** A log of 20 records, one a batch, in several segments, left behind as by `kill -9`. */
async function killedLog(dir: TempDir, { syncedRecords = 0 } = {}): Promise<string> {
  await using directory = await openLogs(dir.join('live'), UNSYNCED);
  for (let i = 0; i < 20; i++) {
    if (i === syncedRecords) await directory.housekeeping.flush();
    await append(logOf(directory), [`v${i}`], idempotent(i));
  }
  copyAsKilled(dir.join('live'), dir.join('killed'));
  return dir.join('killed');
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => [i, `v${i}`]);
const lastLogFile = (dataDir: string) => filesOf(dataDir, '.log').at(-1) as string;

describe('after an unclean stop', () => {
  test('everything written is there, and the leader epoch has risen', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(await killedLog(dir), SEGMENTS);
    const log = logOf(directory);
    expect(contents(log)).toEqual(numbered(20));
    expect(log.leaderEpoch).toBe(1);
    expect(log.endOfEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 20 });
    expect(await append(log, ['next'], idempotent(20))).toBe(20);
  });

  test.each([
    ['garbage', Buffer.from('no batch at all, but longer than the header of one, so that it is looked into')],
    ['zeros', Buffer.alloc(500)],
    ['half a batch', batchOf(['half', 'of', 'this']).subarray(0, 80)],
    ['half a header', batchOf(['x']).subarray(0, 30)],
  ])('a torn tail is cut: %s', async (_, tail) => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir);
    const { log: logger, lines } = recordingLogger();
    const size = fs.statSync(lastLogFile(dataDir)).size;
    fs.appendFileSync(lastLogFile(dataDir), tail);
    await using directory = await openLogs(dataDir, { ...SEGMENTS, log: logger });
    expect(contents(logOf(directory))).toEqual(numbered(20));
    expect(fs.statSync(lastLogFile(dataDir)).size).toBe(size);
    expect(lines.join()).toContain(`cut ${tail.length} bytes`);
    expect(await append(logOf(directory), ['v20'])).toBe(20);
  });

  test('a bad batch above the recovery point is cut, and every later segment with it', async () => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir, { syncedRecords: 2 });
    const second = filesOf(dataDir, '.log')[1] as string;
    flipByte(second, 70);
    await using directory = await openLogs(dataDir, SEGMENTS);
    const log = logOf(directory);
    const kept = log.logEndOffset;
    expect(kept).toBeGreaterThan(2);
    expect(kept).toBeLessThan(20);
    expect(contents(log)).toEqual(numbered(kept));
    expect(log.endOfEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: kept });
    expect(filesOf(dataDir, '.log').length).toBe(2);
    // The producer's state was cut with the log: what was lost is taken again, not held to be a repetition.
    expect(await append(log, [`v${kept}`], idempotent(kept))).toBe(kept);
  });

  test('damage below the recovery point refuses the partition and cuts nothing', async () => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir, { syncedRecords: 19 });
    const before = filesOf(dataDir, '.log').map((file) => fs.statSync(file).size);
    flipByte(lastLogFile(dataDir), 70);
    const { log: logger, lines } = recordingLogger();
    await using directory = await openLogs(dataDir, { ...SEGMENTS, log: logger });
    expect(() => logOf(directory).read(0, 1)).toThrow(/KAFKA_STORAGE_ERROR/);
    await expect(append(logOf(directory), ['x'])).rejects.toThrow(/KAFKA_STORAGE_ERROR/);
    expect(lines.join()).toMatch(/damaged at offset \d+ .*below the recovery point 19.*nothing was cut/);
    expect(filesOf(dataDir, '.log').map((file) => fs.statSync(file).size)).toEqual(before);
  });

  test('a refused partition stays refused over a clean stop', async () => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir, { syncedRecords: 19 });
    flipByte(lastLogFile(dataDir), 70);
    await (await openLogs(dataDir, SEGMENTS)).close();
    await using directory = await openLogs(dataDir, SEGMENTS);
    expect(logOf(directory).failure?.message).toContain('is damaged');
  });

  test.each([
    ['the last segment is gone', (dataDir: string) => fs.rmSync(lastLogFile(dataDir))],
    [
      'all segments are gone',
      (dataDir: string) => filesOf(dataDir, '.log').forEach((file) => void fs.rmSync(file)),
    ],
    ['one in the middle is gone', (dataDir: string) => fs.rmSync(filesOf(dataDir, '.log')[1] as string)],
    ['the last segment is shorter', (dataDir: string) => fs.truncateSync(lastLogFile(dataDir), 0)],
  ])('a log shorter than its recovery point is refused, not begun anew: %s', async (_, harm) => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir, { syncedRecords: 19 });
    harm(dataDir);
    await using directory = await openLogs(dataDir, SEGMENTS);
    expect(() => logOf(directory).read(0, 1)).toThrow(/KAFKA_STORAGE_ERROR/);
  });

  test.each(['.index', '.timeindex'])('lost or broken %s files are rebuilt', async (ending) => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir, { syncedRecords: 19 });
    const [first, ...others] = filesOf(dataDir, ending);
    fs.writeFileSync(first as string, Buffer.alloc(64));
    for (const file of others) fs.rmSync(file);
    await using directory = await openLogs(dataDir, SEGMENTS);
    expect(contents(logOf(directory))).toEqual(numbered(20));
    expect(logOf(directory).offsetSince(0)?.offset).toBe(0);
  });

  test('a repetition is recognised, from the snapshot, from an older one, and without any', async () => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir);
    for (const harm of [
      () => {},
      () => fs.truncateSync(filesOf(dataDir, '.snapshot').at(-1) as string, 3),
      () => filesOf(dataDir, '.snapshot').forEach((file) => void fs.rmSync(file)),
    ]) {
      harm();
      copyAsKilled(dataDir, dir.join('again'));
      await using directory = await openLogs(dir.join('again'), SEGMENTS);
      expect(await append(logOf(directory), ['v17'], idempotent(17))).toBe(17);
      await expect(append(logOf(directory), ['gap'], idempotent(25))).rejects.toThrow(/OUT_OF_ORDER/);
      await directory.close();
      fs.rmSync(dir.join('again'), { recursive: true });
    }
  });

  test('a lost epochs file is rebuilt from the batches, so that no epoch comes twice', async () => {
    using dir = new TempDir();
    const dataDir = await killedLog(dir);
    copyAsKilled(dataDir, dir.join('second'));
    await using second = await openLogs(dir.join('second'), UNSYNCED);
    await append(logOf(second), ['in epoch 1']);
    copyAsKilled(dir.join('second'), dir.join('third'));
    fs.rmSync(dir.join('third', 'events-0', 'leader-epoch-checkpoint'));
    await using third = await openLogs(dir.join('third'), SEGMENTS);
    expect(logOf(third).leaderEpoch).toBe(2);
    expect(logOf(third).endOfEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 20 });
    expect(logOf(third).endOfEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 21 });
  });
});

describe('after a clean stop', () => {
  test('the leader epoch stays, and log, times and producers are as before', async () => {
    using dir = new TempDir();
    const first = await openLogs(dir.path, SEGMENTS);
    for (let i = 0; i < 20; i++)
      await append(logOf(first), [`v${i}`], { ...idempotent(i), timestampMs: 500 + i });
    await first.close();
    await using second = await openLogs(dir.path, SEGMENTS);
    const log = logOf(second);
    expect(log.leaderEpoch).toBe(0);
    expect(contents(log)).toEqual(numbered(20));
    expect(log.offsetSince(511)?.offset).toBe(11);
    expect(await append(log, ['v19'], idempotent(19))).toBe(19);
    expect(await append(log, ['v20'], idempotent(20))).toBe(20);
  });

  test('bytes that came to the log meanwhile are cut', async () => {
    using dir = new TempDir();
    const first = await openLogs(dir.path, SEGMENTS);
    await append(logOf(first), ['v0']);
    await first.close();
    fs.appendFileSync(lastLogFile(dir.path), 'garbage');
    await using second = await openLogs(dir.path, SEGMENTS);
    expect(contents(logOf(second))).toEqual(numbered(1));
    expect(logOf(second).leaderEpoch).toBe(1);
  });

  test('topic id, configs and cluster id are the same', async () => {
    using dir = new TempDir();
    const first = await openLogs(dir.path, SEGMENTS);
    const [topic, clusterId] = [first.topics.get('events'), first.clusterId];
    await first.close();
    await using second = await openLogs(dir.path);
    expect(second.topics.get('events')).toEqual(topic);
    expect(second.clusterId).toBe(clusterId);
    expect(logOf(second).config.segmentBytes).toBe(400);
  });
});

function flipByte(file: string, at: number): void {
  const bytes = fs.readFileSync(file);
  bytes.writeUInt8((bytes[at] ?? 0) ^ 0xff, at);
  fs.writeFileSync(file, bytes);
}
