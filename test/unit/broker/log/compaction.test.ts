import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { KeyedTopic } from '../../../../broker/log/keyed-topic.ts';
import type { Log } from '../../../../broker/log/log.ts';
import type { LogDirectory } from '../../../../broker/log/log-directory.ts';
import type { CodecName } from '../../../../broker/protocol/compression.ts';
import { encodeBatch, readBatchHeader } from '../../../../broker/protocol/record-batch.ts';
import { randomFrom } from '../../../models/random-schedule.ts';
import { copyAtEachStep, type Entry, recordsIn, valuesOf } from '../../../support/compacted-log.ts';
import { copyAsKilled, logOf, openLogs } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

/** Random histories, and kills of each: more by COMPACTION_SEEDS and COMPACTION_KILLS. */
const SEEDS = Number(process.env['COMPACTION_SEEDS'] ?? 2);
const KILLS = Number(process.env['COMPACTION_KILLS'] ?? 7);
const CODECS: CodecName[] = ['none', 'lz4', 'zstd', 'gzip', 'snappy'];
const configs = {
  'cleanup.policy': 'compact',
  'segment.bytes': '700',
  'min.cleanable.dirty.ratio': '0',
  'delete.retention.ms': '1000',
};

interface Sent {
  producerId?: number;
  baseSequence?: number;
  codec?: CodecName;
}

async function send(log: Log, entries: readonly Omit<Entry, 'offset'>[], sent: Sent = {}): Promise<Entry[]> {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  const records = entries.map(({ key, value, timestampMs }) => ({
    key: bytes(key),
    value: bytes(value),
    timestampMs,
  }));
  const { producerId, baseSequence, codec = 'none' } = sent;
  const ofProducer =
    producerId === undefined ? {} : { producerId, producerEpoch: 0, baseSequence: baseSequence ?? 0 };
  const batch = encodeBatch(records, { codec, ...ofProducer });
  const { baseOffset, endOffset } = log.append(batch, readBatchHeader(batch, 0));
  await log.acknowledged(endOffset, true);
  return entries.map((entry, i) => ({ ...entry, offset: baseOffset + i }));
}

const pair = (key: string, value: string | null, timestampMs = 5) => ({ key, value, timestampMs });

async function clean(directory: LogDirectory): Promise<void> {
  await logOf(directory).sync();
  await directory.cleaner.clean();
}

/** What must be true of a compacted log, whatever happened to it. */
function expectTrue(log: Log, history: readonly Entry[]): void {
  expect(log.failure).toBeUndefined();
  const records = recordsIn(log);
  for (const record of records) expect(record).toEqual(history[record.offset]);
  const offsets = records.map(({ offset }) => offset);
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  expect(valuesOf(records)).toEqual(valuesOf(history));
  expect(log.logEndOffset).toBe(history.length);
}

describe('compaction', () => {
  test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
    'of a random history (seed %i) is what a plain map says, also after a kill at every step of it',
    async (seed) => {
      using dir = new TempDir('compaction');
      const random = randomFrom(seed);
      const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
      let nowMs = Date.UTC(2100, 0, 1);
      const overrides = { log: { cleanerIntervalMs: 86_400_000, cleanerMapBytes: pick([1024, 1 << 20]) } };
      const open = (path: string) => openLogs(path, { overrides, configs, now: () => nowMs });
      let directory = await open(dir.path);
      const history: Entry[] = [];
      const sequences = new Map<number, number>();
      try {
        for (let round = 0; round < 3; round++) {
          for (let i = 0; i < 12; i++) {
            const count = 1 + Math.floor(random() * 4);
            const entries = Array.from({ length: count }, () =>
              pair(
                `k${Math.floor(random() * 30)}`,
                random() < 0.25 ? null : `v${history.length}-${random()}`,
                5 + i,
              ),
            );
            const producerId = pick([undefined, 1, 2]);
            const baseSequence = sequences.get(producerId ?? -1) ?? 0;
            sequences.set(producerId ?? -1, baseSequence + count);
            const sent = { codec: pick(CODECS), baseSequence, ...(producerId && { producerId }) };
            history.push(...(await send(logOf(directory), entries, sent)));
          }
          nowMs += pick([1, 600, 5000]);
          using copies = new TempDir('killed');
          const watch = round === 1 ? copyAtEachStep(dir.path, copies) : undefined;
          await clean(directory);
          const count = watch?.stop() ?? 0;
          if (watch) expect(count).toBeGreaterThan(5);
          expectTrue(logOf(directory), history);
          // Some of the steps; which ones differs from seed to seed.
          const stride = Math.max(1, Math.floor(count / KILLS));
          for (let i = seed % stride; i < count; i += stride) {
            await using killed = await open(copies.join(String(i)));
            expectTrue(logOf(killed), history);
            await clean(killed);
            expectTrue(logOf(killed), history);
          }
          if (random() < 0.5) {
            await directory.close();
            directory = await open(dir.path);
            expectTrue(logOf(directory), history);
          }
        }
      } finally {
        await directory.close();
      }
    },
    240_000,
  );

  /** A compacted log whose records go into segments of their own. */
  async function smallLog(dataDir: string, own: Record<string, string> = {}) {
    const clock = { nowMs: Date.UTC(2100, 0, 1) };
    const overrides = { log: { cleanerIntervalMs: 86_400_000 } };
    const all = { ...configs, 'segment.bytes': '120', ...own };
    const directory = await openLogs(dataDir, { overrides, configs: all, now: () => clock.nowMs });
    return { directory, log: logOf(directory), clock };
  }
  const keysIn = (log: Log) => recordsIn(log).map(({ offset, key }) => `${key}@${offset}`);

  test('keeps the last record of each key, and everything in the active segment', async () => {
    using dir = new TempDir();
    const { directory, log } = await smallLog(dir.path);
    await using _open = directory;
    for (const key of ['a', 'b', 'a', 'a', 'c', 'a', 'a']) await send(log, [pair(key, 'v')]);
    await clean(directory);
    expect(keysIn(log)).toEqual(['b@1', 'c@4', 'a@5', 'a@6']);
    expect(log.read(0, 100)?.bytes.length).toBeGreaterThan(0);
    expect(log.offsetSince(0)).toMatchObject({ offset: 1 });
  });

  test('a tombstone stays delete.retention.ms after the compaction that it took part in', async () => {
    using dir = new TempDir();
    const { directory, log, clock } = await smallLog(dir.path);
    await using _open = directory;
    await send(log, [pair('a', 'v', 111)]);
    await send(log, [pair('a', null, 222)]);
    clock.nowMs += 10_000;
    const more = async () => {
      await send(log, [pair('x', 'v')]);
      await send(log, [pair('x', 'v')]);
      await clean(directory);
    };
    await more();
    expect(recordsIn(log)[0]).toEqual({ offset: 1, key: 'a', value: null, timestampMs: 222 });
    clock.nowMs += 999;
    await more();
    expect(keysIn(log)).toContain('a@1');
    clock.nowMs += 1;
    await more();
    expect(keysIn(log)).not.toContain('a@1');
  });

  test('a producer’s last batch leaves its sequence behind, though its records are gone', async () => {
    using dir = new TempDir();
    using killed = new TempDir();
    // Several batches a segment: only the last of each stays by itself.
    const { directory, log } = await smallLog(dir.path, { 'segment.bytes': '400' });
    await using _open = directory;
    await send(log, [pair('a', '1')], { producerId: 9, baseSequence: 0 });
    await send(log, [pair('a', '2')], { producerId: 9, baseSequence: 1 });
    for (let i = 0; i < 8; i++) await send(log, [pair('a', 'later')]);
    await clean(directory);
    expect(keysIn(log)).not.toContain('a@1');
    expect(log.segments[0]?.endOffset).toBeGreaterThan(3);
    copyAsKilled(dir.path, killed.path);
    for (const name of fs.readdirSync(killed.join('events-0')).filter((file) => file.endsWith('.snapshot'))) {
      fs.rmSync(killed.join(`events-0/${name}`));
    }
    await using again = await openLogs(killed.path);
    await expect(send(logOf(again), [pair('a', '9')], { producerId: 9, baseSequence: 7 })).rejects.toThrow(
      /sequence 7, expected 2/,
    );
    const [repeated] = await send(logOf(again), [pair('a', '2')], { producerId: 9, baseSequence: 1 });
    expect(repeated?.offset).toBe(1);
  });

  test('the broker’s own topics are compacted too, and replayed to the same values', async () => {
    using dir = new TempDir();
    const { directory } = await smallLog(dir.path);
    await using _open = directory;
    const own = new KeyedTopic({ directory, name: '__consumer_offsets', partitions: 1, now: Date.now });
    for (let i = 0; i < 20; i++) {
      await own.append(0, [{ key: Buffer.from(`k${i % 2}`), value: Buffer.from(String(i)) }]);
    }
    const log = directory.log({ topic: '__consumer_offsets', partition: 0 });
    log.rollIfIdle();
    await log.sync();
    await directory.cleaner.clean();
    const seen: string[] = [];
    await own.replay(({ key, value }) => void seen.push(`${key}=${value}`));
    expect(seen).toEqual(['k0=18', 'k1=19']);
  });

  test('no answer to a read is without records while any follow', async () => {
    using dir = new TempDir();
    const { directory, log } = await smallLog(dir.path);
    await using _open = directory;
    for (let i = 0; i < 6; i++) await send(log, [pair('a', 'v')], { producerId: 9, baseSequence: i });
    await clean(directory);
    expect(keysIn(log)).toEqual(['a@4', 'a@5']);
    for (let offset = 0; offset < 6; offset++) {
      const read = log.read(offset, 1);
      expect(readBatchHeader(read?.bytes ?? Buffer.alloc(0), 0).recordCount).toBe(1);
      read?.release();
    }
  });

  test('waits for min.compaction.lag.ms and the dirty ratio, and max.compaction.lag.ms overrules the ratio', async () => {
    using dir = new TempDir();
    const own = { 'min.compaction.lag.ms': '100', 'min.cleanable.dirty.ratio': '1' };
    const { directory, log, clock } = await smallLog(dir.path, own);
    await using _open = directory;
    for (let i = 0; i < 3; i++) await send(log, [pair('a', 'v')]);
    clock.nowMs += 99;
    directory.setTopicConfigs('events', { ...configs, 'min.compaction.lag.ms': '100' });
    await clean(directory);
    expect(keysIn(log).length).toBe(3);
    directory.setTopicConfigs('events', { ...configs, ...own });
    clock.nowMs += 1;
    await clean(directory);
    expect(keysIn(log).length).toBe(3);
    directory.setTopicConfigs('events', { ...configs, ...own, 'max.compaction.lag.ms': '100' });
    await clean(directory);
    // The active segment was overdue too, and was rolled to take part.
    expect(keysIn(log)).toEqual(['a@2']);
  });

  test('records without a key go when a topic becomes compacted; damage stops its compaction alone', async () => {
    using dir = new TempDir();
    const { directory, log } = await smallLog(dir.path);
    await using _open = directory;
    await send(log, [{ key: null, value: 'v', timestampMs: 5 }]);
    for (let i = 0; i < 3; i++) await send(log, [pair('a', 'v')]);
    await clean(directory);
    expect(keysIn(log)).toEqual(['a@2', 'a@3']);
    const { file, sizeBytes } = log.segments[0] as { file: string; sizeBytes: number };
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, Buffer.from([0xff]), 0, 1, sizeBytes - 1);
    fs.closeSync(fd);
    for (let i = 0; i < 3; i++) await send(log, [pair('b', 'v')]);
    await clean(directory);
    expect(log.failure).toBeUndefined();
    expect(log.segments.length).toBeGreaterThan(3);
    expect(fs.readdirSync(dir.join('events-0')).filter((name) => name.endsWith('.cleaned'))).toEqual([]);
  });
});
