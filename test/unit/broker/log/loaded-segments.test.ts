import { describe, expect, test } from 'vitest';
import type { LoadedOffset } from '../../../../broker/log/loaded-segments.ts';
import { append, copyAsKilled, logOf, openLogs } from '../../../support/open-logs.ts';
import { recordingLogger } from '../../../support/start-broker.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const DAY_MS = 86_400_000;
const configs = { 'segment.bytes': '200', 'retention.ms': '1000', 'retention.requires.load': 'true' };

/** A log of four segments of one record each, all of them old; `told` is what the loader says of it. */
async function oldLog(dataDir: string, own: Record<string, string> = {}) {
  // Later than the files of any test: after a restart their times say how old a segment is.
  let nowMs = Date.UTC(2100, 0, 1);
  const { log: logger, lines } = recordingLogger();
  const directory = await openLogs(dataDir, {
    configs: { ...configs, ...own },
    now: () => nowMs,
    log: logger,
  });
  const log = logOf(directory);
  for (let i = 0; i < 4; i++) await append(log, ['x'.repeat(80)]);
  nowMs += DAY_MS;
  const retain = async (told: LoadedOffset | undefined) => {
    directory.housekeeping.loadedOffset = () => told;
    await directory.housekeeping.checkRetention();
    return log.logStartOffset;
  };
  const warnings = () => lines.filter((line) => line.includes('holds back'));
  return { directory, log, retain, warnings };
}

describe('retention.requires.load', () => {
  test('keeps everything until the loader has told of it, and then only what is loaded goes', async () => {
    using dir = new TempDir();
    const { directory, log, retain, warnings } = await oldLog(dir.path);
    await using _open = directory;
    expect(await retain(undefined)).toBe(0);
    expect(await retain({ offset: 2, leaderEpoch: -1 })).toBe(2);
    expect(await retain({ offset: 3, leaderEpoch: 0 })).toBe(3);
    expect(log.segments.length).toBe(1);
    expect(await retain({ offset: 4, leaderEpoch: 0 })).toBe(4);
    expect(warnings().map((line) => /holds back \d+ bytes from offset \d/.exec(line)?.[0])).toEqual([
      expect.stringMatching(/offset 0$/),
      expect.stringMatching(/offset 2$/),
      expect.stringMatching(/offset 3$/),
    ]);
  });

  test('tells once of what it holds back, not at every look', async () => {
    using dir = new TempDir();
    const { directory, retain, warnings } = await oldLog(dir.path);
    await using _open = directory;
    for (let i = 0; i < 3; i++) await retain(undefined);
    expect(warnings().length).toBe(1);
  });

  test('unset again, retention goes on by the clock alone', async () => {
    using dir = new TempDir();
    const { directory, retain } = await oldLog(dir.path, { 'retention.requires.load': 'false' });
    await using _open = directory;
    expect(await retain(undefined)).toBe(4);
  });

  test('an error in asking keeps everything', async () => {
    using dir = new TempDir();
    const { directory, log } = await oldLog(dir.path);
    await using _open = directory;
    directory.housekeeping.loadedOffset = () => {
      throw new Error('not readable');
    };
    await directory.housekeeping.checkRetention();
    expect(log.logStartOffset).toBe(0);
  });

  test('an offset of a leader epoch counts only up to where that epoch ended', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    {
      await using directory = await openLogs(dir.path, { configs });
      await append(logOf(directory), ['x'.repeat(80)]);
      copyAsKilled(dir.path, killed.path);
    }
    // Records 1 to 3 were lost by the kill after they had been loaded; their offsets are given to others, in epoch 1.
    const { directory, log, retain } = await oldLog(killed.path);
    await using _open = directory;
    expect(log.leaderEpoch).toBe(1);
    expect(await retain({ offset: 4, leaderEpoch: 0 })).toBe(1);
    expect(await retain({ offset: 3, leaderEpoch: 7 })).toBe(1);
    expect(await retain({ offset: 3, leaderEpoch: 1 })).toBe(3);
  });

  test('the disk budget keeps to it too, and says by how much it is exceeded', async () => {
    using dir = new TempDir();
    const { log: logger, lines } = recordingLogger();
    const overrides = { log: { totalBytes: 1 } };
    const own = { ...configs, 'retention.ms': '-1' };
    await using directory = await openLogs(dir.path, { overrides, configs: own, log: logger });
    const log = logOf(directory);
    directory.housekeeping.loadedOffset = () => ({ offset: 2, leaderEpoch: 0 });
    for (let i = 0; i < 4; i++) await append(log, ['x'.repeat(80)]);
    await directory.housekeeping.checkRetention();
    const { length } = log.segments;
    for (let i = 0; i < 3; i++) await directory.housekeeping.checkRetention();
    expect(log.logStartOffset).toBe(2);
    expect(log.segments.length).toBe(length);
    expect(lines.some((line) => /disk budget is exceeded by \d+ bytes/.test(line))).toBe(true);
  });
});
