import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { committedBatches } from '../../../../broker/client/committed-batches.ts';
import type { Log } from '../../../../broker/log/log.ts';
import { abortedWithin } from '../../../../broker/log/segment.ts';
import type { Outcome } from '../../../../broker/protocol/control-batch.ts';
import { randomFrom } from '../../../models/random-schedule.ts';
import { valuesIn } from '../../../support/batches.ts';
import {
  append,
  appendMarker,
  contents,
  copyAsKilled,
  filesOf,
  logOf,
  openLogs,
} from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const SMALL = {
  configs: { 'segment.bytes': '600' },
  overrides: { log: { indexIntervalBytes: 256, flushIntervalMs: 3_600_000 } },
};
const SEEDS = Number(process.env.LOG_TRANSACTION_SEEDS ?? 6);
const STEPS = 120;

const transactional = (producerId: number, baseSequence: number, producerEpoch = 0) => ({
  producerId,
  producerEpoch,
  baseSequence,
  isTransactional: true,
});

/** What a read_committed consumer takes from a log, beginning at an offset, with answers of about `maxBytes`. */
function readCommitted(log: Log, from: number, maxBytes: number): Array<[number, string]> {
  const seen: Array<[number, string]> = [];
  for (let offset = from; ; ) {
    const until = log.lastStableOffset;
    const read = log.read(offset, maxBytes, true, until);
    if (read === undefined) return seen.filter(([at]) => at >= from);
    const aborted = abortedWithin(log.segments, offset, read.endOffset);
    seen.push(...valuesIn(committedBatches(read.bytes, { from: offset, until, aborted }).bytes));
    offset = read.endOffset;
    read.release();
  }
}

/** The same log as lists: who wrote each offset, and how it ended. */
class ModelLog {
  readonly entries: { producerId: number; value: string; outcome?: Outcome }[] = [];
  readonly sequences = new Map<number, number>();

  open(producerId: number) {
    return this.entries.filter((entry) => entry.producerId === producerId && entry.outcome === undefined);
  }

  get stable(): number {
    const first = this.entries.findIndex(({ outcome }) => outcome === undefined);
    return first < 0 ? this.entries.length : first;
  }

  committed(from: number): Array<[number, string]> {
    return this.entries
      .map(({ value, outcome }, offset) => ({ value, outcome, offset }))
      .filter(({ value, outcome, offset }) => outcome === 'commit' && value !== '' && offset >= from)
      .filter(({ offset }) => offset < this.stable)
      .map(({ value, offset }) => [offset, value]);
  }
}

describe('transactions in a log', () => {
  test.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'read_committed sees what the model says, over rolls and restarts (seed %i)',
    async (seed) => {
      using dir = new TempDir();
      const random = randomFrom(seed);
      const pick = (count: number) => Math.floor(random() * count);
      let home = dir.join('0');
      let directory = await openLogs(home, SMALL);
      const model = new ModelLog();
      const steps: Array<() => Promise<void>> = [
        async () => {
          const producerId = pick(4);
          const sequence = model.sequences.get(producerId) ?? 0;
          const values = Array.from({ length: 1 + pick(3) }, (_, i) => `p${producerId}-${sequence + i}`);
          await append(logOf(directory), values, transactional(producerId, sequence));
          model.sequences.set(producerId, sequence + values.length);
          for (const value of values) model.entries.push({ producerId, value });
        },
        async () => {
          await append(logOf(directory), ['plain']);
          model.entries.push({ producerId: -1, value: 'plain', outcome: 'commit' });
        },
        async () => {
          const producerId = pick(4);
          const outcome = pick(2) === 0 ? 'abort' : 'commit';
          await appendMarker(logOf(directory), producerId, outcome);
          for (const entry of model.open(producerId)) entry.outcome = outcome;
          model.entries.push({ producerId, value: '', outcome: 'commit' });
        },
      ];
      const restart = async () => {
        const [killed, lost] = [pick(2) === 0, pick(3)];
        const next = dir.join(String(model.entries.length));
        if (killed) copyAsKilled(home, next);
        await directory.close();
        if (!killed) fs.renameSync(home, next);
        home = next;
        if (lost === 0) for (const file of filesOf(home, '.snapshot')) fs.rmSync(file);
        if (lost === 1) for (const file of filesOf(home, '.index')) fs.rmSync(file);
        directory = await openLogs(home, SMALL);
      };
      for (let step = 0; step < STEPS; step++) {
        if (pick(25) === 0) await restart();
        await steps[[0, 0, 0, 1, 2, 2][pick(6)] as number]?.();
        const log = logOf(directory);
        const from = pick(model.entries.length);
        expect(log.lastStableOffset).toBe(model.stable);
        expect(readCommitted(log, from, 1 + pick(800))).toEqual(model.committed(from));
      }
      expect(contents(logOf(directory)).length).toBe(model.entries.length);
      expect(filesOf(home, '.log').length).toBeGreaterThan(3);
      await directory.close();
    },
    60_000,
  );

  test('a plain batch inside a transaction is refused, and so is a fenced epoch after a marker', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    await append(log, ['a'], transactional(7, 0));
    const plain = append(log, ['b'], { ...transactional(7, 1), isTransactional: false });
    await expect(plain).rejects.toThrow(/INVALID_TXN_STATE/);
    await appendMarker(log, 7, 'abort', 1);
    await expect(append(log, ['late'], transactional(7, 1))).rejects.toThrow(/INVALID_PRODUCER_EPOCH/);
    await expect(appendMarker(log, 7, 'commit', 0)).rejects.toThrow(/INVALID_PRODUCER_EPOCH/);
    expect(readCommitted(log, 0, 1000)).toEqual([]);
  });

  test('under fsync per acknowledgement a commit counts when its marker is synced', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { overrides: { log: { flush: 'acks' } } });
    const log = logOf(directory);
    await append(log, ['a'], transactional(7, 0));
    const marking = appendMarker(log, 7, 'commit');
    log.write();
    expect([log.highWatermark, log.lastStableOffset]).toEqual([1, 0]);
    await marking;
    expect([log.highWatermark, log.lastStableOffset]).toEqual([2, 2]);
  });

  test('a damaged transaction index is made anew from the log at the next start', async () => {
    using dir = new TempDir();
    {
      await using directory = await openLogs(dir.path, SMALL);
      for (let i = 0; i < 12; i++) await append(logOf(directory), [`v${i}`], transactional(7, i));
      await appendMarker(logOf(directory), 7, 'abort');
    }
    const [file] = filesOf(dir.path, '.txnindex');
    fs.writeFileSync(file as string, '{');
    await using directory = await openLogs(dir.path, SMALL);
    expect(abortedWithin(logOf(directory).segments, 0, 5)).toMatchObject([{ producerId: 7, firstOffset: 0 }]);
    expect(readCommitted(logOf(directory), 0, 1000)).toEqual([]);
  });

  test('a snapshot from before transactions is still read', async () => {
    using dir = new TempDir();
    {
      await using directory = await openLogs(dir.path);
      await append(logOf(directory), ['a'], { ...transactional(7, 0), isTransactional: false });
    }
    const [file] = filesOf(dir.path, '.snapshot');
    const { producers } = JSON.parse(fs.readFileSync(file as string, 'utf8'));
    fs.writeFileSync(file as string, JSON.stringify({ version: 1, producers }));
    await using directory = await openLogs(dir.path);
    const repeated = append(logOf(directory), ['a'], { ...transactional(7, 0), isTransactional: false });
    expect(await repeated).toBe(0);
    expect(logOf(directory).logEndOffset).toBe(1);
  });
});
