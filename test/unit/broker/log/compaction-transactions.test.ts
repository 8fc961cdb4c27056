import fs from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import {
  byOffset,
  COMPACTED_CONFIGS,
  clean,
  expectProducers,
  expectTrue,
  History,
  KEYS,
  PLAIN,
  RETENTION_MS,
  Reader,
  Simulation,
  TRANSACTIONAL,
} from '../../../models/compaction.ts';
import { randomFrom } from '../../../models/random-schedule.ts';
import { committedIn, copyAtEachStep, recordsIn, valuesOf } from '../../../support/compacted-log.ts';
import { copyAsKilled, filesOf, logOf, openLogs } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

/** Random histories, and kills of each: more by COMPACTION_SEEDS and COMPACTION_KILLS. */
const SEEDS = Number(process.env['COMPACTION_SEEDS'] ?? 2);
const ROUNDS = 6;
const STEPS = 30;
describe('compaction of transactions', () => {
  test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
    'loses nothing committed, shows nothing aborted, and forgets no producer, also after a kill at every step (seed %i)',
    async (seed) => {
      const random = randomFrom(-seed);
      await using simulation = new Simulation(seed);
      await simulation.start();
      const reader = new Reader();
      const { history } = simulation;
      for (let round = 0; round < ROUNDS; round++) {
        for (let step = 0; step < STEPS; step++) await simulation.write();
        for (let i = 0; i < 3; i++) reader.read(simulation.log, 1 + Math.floor(random() * 700));
        await simulation.clean({ killed: round === 1 || round === ROUNDS - 1 });
        if (random() < 0.5) await simulation.restart();
      }
      expect(history.offsets.filter(({ outcome }) => outcome === 'abort').length).toBeGreaterThan(10);
      await simulation.settle();
      while (reader.read(simulation.log, 200));
      const committed = byOffset(history.committed);
      for (const record of reader.seen) expect(record).toEqual(committed.get(record.offset));
      const read = valuesOf(reader.seen);
      for (const [key, value] of valuesOf(history.committed))
        expect([key, read.get(key)]).toEqual([key, value]);
      // Of transactions nothing is left but the last batch of each producer and segment, without records, and their ends.
      expect(recordsIn(simulation.log).length).toBeLessThanOrEqual(2 * KEYS.length);
      const few = TRANSACTIONAL.length + simulation.log.segments.length;
      expect(recordsIn(simulation.log, { markers: true }).length).toBeLessThanOrEqual(few);
      await simulation.restart();
    },
    240_000,
  );

  /** A compacted log of one segment at a time, and what writes to it. */
  async function smallLog(dataDir: string, own: Record<string, string> = {}) {
    const clock = { nowMs: Date.UTC(2100, 0, 1) };
    const overrides = {
      log: { cleanerIntervalMs: 86_400_000, flushIntervalMs: 3_600_000, cleanerMapBytes: 1024 },
    };
    const all = { ...COMPACTED_CONFIGS, 'segment.bytes': '10000', ...own };
    const options = { overrides, configs: all, now: () => clock.nowMs };
    const directory = await openLogs(dataDir, options);
    const log = logOf(directory);
    const history = new History();
    const write = (producerId: number, key: string, value: string | null = 'v') => {
      const isTransactional = TRANSACTIONAL.includes(producerId);
      const entries = [{ key, value, timestampMs: 5 }];
      const ofProducer = { producerId, ...history.next(producerId), isTransactional };
      return history.send(log, { ...ofProducer, entries, codec: 'none' });
    };
    /** Closes the segment with all that was written, and compacts. */
    const compact = async () => {
      log.rollIfIdle();
      await write(PLAIN, 'x');
      await clean(directory);
    };
    const offsets = (markers = false) => recordsIn(log, { markers }).map(({ offset }) => offset);
    return { directory, log, clock, history, write, compact, offsets, options };
  }

  test('nothing at or after the last stable offset is touched', async () => {
    using dir = new TempDir();
    const { directory, log, write, history, compact, offsets } = await smallLog(dir.path);
    await using _open = directory;
    for (const value of ['1', '2']) await write(PLAIN, 'a', value);
    log.rollIfIdle();
    await write(1, 'a', 'undecided');
    for (const value of ['3', '4']) await write(PLAIN, 'a', value);
    await compact();
    expect(offsets()).toEqual([1, 2, 3, 4, 5]);
    await history.end(log, 1, 'abort');
    await compact();
    expect(valuesOf(committedIn(log, 0, 1 << 20)).get('a')).toBe('4');
    expect(offsets()[0]).toBe(4);
  });

  test('a marker stays while a batch of its transaction does, and delete.retention.ms longer', async () => {
    using dir = new TempDir();
    const { directory, log, clock, write, history, compact, offsets } = await smallLog(dir.path);
    await using _open = directory;
    await write(1, 'a');
    await history.end(log, 1, 'commit');
    await write(1, 'b');
    await history.end(log, 1, 'abort');
    await write(1, 'c');
    await history.end(log, 1, 'commit');
    await compact();
    expect(offsets()).toEqual([0, 4, 6]);
    // From now on nothing is left of the aborted one; the next look but one is the first that may take the marker.
    await compact();
    clock.nowMs += RETENTION_MS - 1;
    await compact();
    expect(offsets(true)).toEqual([1, 3, 5]);
    clock.nowMs += 1;
    await compact();
    expect(offsets(true)).toEqual([1, 5]);
    // Nobody is told of the aborted transaction any more: without its marker it would not end before the next record.
    expect(committedIn(log, 0, 1 << 20).map(({ offset }) => offset)).toEqual(offsets());
    for (const key of ['a', 'c']) await write(PLAIN, key);
    for (let i = 0; i < 4; i++) {
      await compact();
      clock.nowMs += RETENTION_MS;
    }
    // The last batch of the producer is empty, and still belongs to a transaction.
    expect(offsets(true)).toEqual([5]);
    await expectProducers(log, history);
  });

  test('a kill between two steps leaves the aborted records and the list of them, or neither', async () => {
    using dir = new TempDir();
    using copies = new TempDir();
    const { directory, log, write, history, compact, options } = await smallLog(dir.path);
    await using _open = directory;
    await write(2, 'abort');
    await history.end(log, 2, 'abort');
    for (const outcome of ['abort', 'commit', 'abort'] as const) {
      await write(1, outcome);
      log.rollIfIdle();
      await write(1, outcome);
      await history.end(log, 1, outcome);
    }
    await directory.housekeeping.flush();
    const watch = copyAtEachStep(dir.path, copies);
    await compact();
    const count = watch.stop();
    expect(count).toBeGreaterThan(15);
    for (let i = 0; i < count; i++) {
      await using killed = await openLogs(copies.join(String(i)), options);
      expect(committedIn(logOf(killed), 0, 1 << 20).filter(({ key }) => key === 'abort')).toEqual([]);
      expect(valuesOf(committedIn(logOf(killed), 0, 1 << 20)).get('commit')).toBe('v');
    }
  });

  test('a producer that was fenced stays fenced, though all it wrote is gone', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    const own = { 'delete.retention.ms': '0' };
    const { directory, log, write, history, compact, offsets, options } = await smallLog(dir.path, own);
    await using _open = directory;
    await write(1, 'a');
    await history.end(log, 1, 'abort', true);
    for (let i = 0; i < 5; i++) await compact();
    expect([offsets()[0], offsets(true)]).toEqual([5, []]);
    copyAsKilled(dir.path, killed.path);
    for (const file of filesOf(killed.path, '.snapshot')) fs.rmSync(file);
    await using again = await openLogs(killed.path, options);
    expectTrue(logOf(again), history, Math.random);
    await expectProducers(logOf(again), history);
  });

  test('a marker stays while a snapshot has its transaction open', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    const own = { 'delete.retention.ms': '0', 'segment.bytes': '100000' };
    const { directory, log, write, history, compact, offsets, options } = await smallLog(dir.path, own);
    await using _open = directory;
    await write(1, 'a');
    log.rollIfIdle();
    await history.end(log, 1, 'abort', true);
    // More keys than the table takes at once: the segment is rewritten several times before the next one is closed.
    for (let i = 0; i < 150; i++) await write(PLAIN, `k${i}`);
    log.rollIfIdle();
    await write(PLAIN, 'x');
    for (let i = 0; i < 6; i++) await clean(directory);
    await directory.housekeeping.checkpoint();
    copyAsKilled(dir.path, killed.path);
    // The machine lost the newest snapshot.
    const snapshots = filesOf(killed.path, '.snapshot');
    expect(snapshots.length).toBe(2);
    fs.truncateSync(snapshots.at(-1) as string, 10);
    await using again = await openLogs(killed.path, options);
    expectTrue(logOf(again), history, Math.random);
    for (let i = 0; i < 4; i++) await compact();
    expect(offsets(true)).toEqual([]);
  });

  test('what a marker decided is compacted only when the marker is on disk', async () => {
    using dir = new TempDir();
    const { directory, log, write, history } = await smallLog(dir.path);
    await using _open = directory;
    for (const value of ['1', '2']) await write(1, 'a', value);
    await log.sync();
    log.rollIfIdle();
    await history.end(log, 1, 'commit');
    expect(log.recoveryPoint).toBe(2);
    const synced: number[] = [];
    const rename = fs.renameSync;
    using _spy = vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
      if (String(to).endsWith('.log.swap')) synced.push(log.recoveryPoint);
      rename(from, to);
    });
    await directory.cleaner.clean();
    expect(synced).toEqual([3]);
  });

  test('what was compacted when transactions took no part in it is compacted from the beginning again', async () => {
    using dir = new TempDir();
    const own = { 'delete.retention.ms': '0' };
    const before = await smallLog(dir.path, own);
    await before.write(1, 'a');
    await before.history.end(before.log, 1, 'commit');
    await before.write(PLAIN, 'a', null);
    before.log.rollIfIdle();
    const id = before.directory.topics.get('events')?.topicId;
    await before.directory.close();
    const former = { version: 1, cleanedOffsets: { [`${id}-0`]: 3 } };
    fs.writeFileSync(dir.join('cleaned-offsets.json'), JSON.stringify(former));
    await using directory = await openLogs(dir.path, before.options);
    const log = logOf(directory);
    for (let i = 0; i < 4; i++) {
      await before.history.send(log, {
        producerId: PLAIN,
        ...before.history.next(PLAIN),
        isTransactional: false,
        entries: [{ key: 'x', value: 'v', timestampMs: 5 }],
        codec: 'none',
      });
      log.rollIfIdle();
      await clean(directory);
    }
    expect(recordsIn(log).map(({ key }) => key)).toEqual(['x']);
  });
});
