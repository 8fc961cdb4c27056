/**
 * A compacted log with transactions, simulated: producers that commit, abort, are fenced and leave transactions open, plain
 * ones beside them, a clock, restarts, and compactions killed at any step. What was written is kept as a plain list,
 * against which the log, what read_committed consumers see of it, and the state of its producers are held.
 */
import fs from 'node:fs';
import { expect } from 'vitest';
import type { Log } from '../../broker/log/log.ts';
import type { LogDirectory } from '../../broker/log/log-directory.ts';
import type { CodecName } from '../../broker/protocol/compression.ts';
import type { Outcome } from '../../broker/protocol/control-batch.ts';
import { encodeBatch, readBatchHeader } from '../../broker/protocol/record-batch.ts';
import {
  committedIn,
  copyAtEachStep,
  type Entry,
  readCommitted,
  recordsIn,
  valuesOf,
} from '../support/compacted-log.ts';
import { appendMarker, copyAsKilled, filesOf, logOf, openLogs } from '../support/open-logs.ts';
import { TempDir } from '../support/temp-dir.ts';
import { randomFrom } from './random-schedule.ts';

/** Kills per compaction that are tried: more by COMPACTION_KILLS. */
const KILLS = Number(process.env['COMPACTION_KILLS'] ?? 5);
/** Of tombstones and markers. */
export const RETENTION_MS = 1000;
const CODECS: CodecName[] = ['none', 'lz4', 'zstd'];
/** Producer ids; the others are outside of transactions. */
export const TRANSACTIONAL = [1, 2, 3];
const IDEMPOTENT = 4;
/** No producer id. */
export const PLAIN = -1;
/** Of all records. */
export const KEYS = Array.from({ length: 15 }, (_, i) => `k${i}`);
/** Of the topic. */
export const COMPACTED_CONFIGS = {
  'cleanup.policy': 'compact',
  'segment.bytes': '900',
  'min.cleanable.dirty.ratio': '0',
  'delete.retention.ms': String(RETENTION_MS),
};

/** An offset of the log as it was written. */
interface Written extends Entry {
  producerId: number;
  isMarker: boolean;
  outcome: Outcome | undefined;
}

interface Batch {
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  isTransactional: boolean;
  entries: Omit<Entry, 'offset'>[];
  codec: CodecName;
}

const encoded = ({ entries, ...options }: Batch): Buffer => {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  const records = entries.map(({ key, value, timestampMs }) => {
    return { key: bytes(key), value: bytes(value), timestampMs };
  });
  return encodeBatch(records, options);
};

async function send(log: Log, batch: Batch): Promise<number> {
  const bytes = encoded(batch);
  const { baseOffset, endOffset } = log.append(bytes, readBatchHeader(bytes, 0));
  await log.acknowledged(endOffset, true);
  return baseOffset;
}

/** What was written to a log, and how it ended. */
export class History {
  readonly offsets: Written[] = [];
  readonly epochs = new Map<number, number>();
  /** The last batch of each producer in its epoch. */
  readonly last = new Map<number, { batch: Batch; offset: number }>();

  isOpen(producerId: number): boolean {
    return this.offsets.some((each) => each.producerId === producerId && each.outcome === undefined);
  }

  next(producerId: number): Pick<Batch, 'producerEpoch' | 'baseSequence'> {
    if (producerId === PLAIN) return { producerEpoch: -1, baseSequence: -1 };
    const last = this.last.get(producerId)?.batch;
    const baseSequence = last === undefined ? 0 : last.baseSequence + last.entries.length;
    return { producerEpoch: this.epochs.get(producerId) ?? 0, baseSequence };
  }

  async send(log: Log, batch: Batch): Promise<void> {
    const { producerId, isTransactional } = batch;
    const offset = await send(log, batch);
    expect(offset).toBe(this.offsets.length);
    const outcome = isTransactional ? undefined : 'commit';
    for (const [i, entry] of batch.entries.entries()) {
      this.offsets.push({ ...entry, offset: offset + i, producerId, isMarker: false, outcome });
    }
    if (producerId !== PLAIN) this.last.set(producerId, { batch, offset });
  }

  /** With `isFence` the marker bears the next epoch. */
  async end(log: Log, producerId: number, outcome: Outcome, isFence = false): Promise<void> {
    const epoch = (this.epochs.get(producerId) ?? 0) + (isFence ? 1 : 0);
    await appendMarker(log, producerId, outcome, epoch);
    this.epochs.set(producerId, epoch);
    if (isFence) this.last.delete(producerId);
    for (const each of this.offsets) if (each.producerId === producerId) each.outcome ??= outcome;
    const offset = this.offsets.length;
    const marker = { offset, timestampMs: 0, key: null, value: null, producerId };
    this.offsets.push({ ...marker, isMarker: true, outcome });
  }

  get stable(): number {
    const first = this.offsets.findIndex(({ outcome }) => outcome === undefined);
    return first < 0 ? this.offsets.length : first;
  }

  get records(): Entry[] {
    return this.offsets.filter(({ isMarker }) => !isMarker).map(asEntry);
  }

  /** What a read_committed consumer could see, had nothing been compacted. */
  get committed(): Entry[] {
    const seen = this.offsets.slice(0, this.stable);
    return seen.filter(({ isMarker, outcome }) => !isMarker && outcome === 'commit').map(asEntry);
  }
}

const asEntry = ({ offset, timestampMs, key, value }: Entry): Entry => ({ offset, timestampMs, key, value });
/** Records by their offsets. */
export const byOffset = (records: readonly Entry[]) => new Map(records.map((each) => [each.offset, each]));

/** What must be true of a compacted log with transactions, whatever happened to it. */
export function expectTrue(log: Log, history: History, random: () => number): void {
  expect(log.failure).toBeUndefined();
  expect([log.logEndOffset, log.lastStableOffset]).toEqual([history.offsets.length, history.stable]);
  const written = byOffset(history.records);
  const records = recordsIn(log);
  for (const record of records) expect(record).toEqual(written.get(record.offset));
  const undecided = ({ offset }: Entry) => offset >= history.stable;
  expect(records.filter(undecided)).toEqual(history.records.filter(undecided));
  const committed = byOffset(history.committed);
  const seen = committedIn(log, 0, 1 << 20);
  for (const record of seen) expect(record).toEqual(committed.get(record.offset));
  expect(valuesOf(seen)).toEqual(valuesOf(history.committed));
  const [from, maxBytes] = [Math.floor(random() * log.logEndOffset), 1 + Math.floor(random() * 700)];
  expect(committedIn(log, from, maxBytes)).toEqual(seen.filter(({ offset }) => offset >= from));
}

/** Every producer goes on where it was, and is fenced where it was; appends nothing. */
export async function expectProducers(log: Log, { last, epochs, offsets }: History): Promise<void> {
  for (const [producerId, producerEpoch] of epochs) {
    expect([producerId, log.producers.epochOf(producerId)]).toEqual([producerId, producerEpoch]);
  }
  for (const { batch, offset } of last.values()) {
    expect(await send(log, batch)).toBe(offset);
    const next = batch.baseSequence + batch.entries.length;
    const gap = send(log, { ...batch, baseSequence: next + 5 });
    await expect(gap).rejects.toThrow(`expected ${next}:`);
  }
  expect(log.logEndOffset).toBe(offsets.length);
}

/** A read_committed consumer that reads on while the log is compacted. */
export class Reader {
  readonly seen: Entry[] = [];
  #next = 0;

  /** One answer; false at the end. */
  read(log: Log, maxBytes: number): boolean {
    const read = readCommitted(log, this.#next, maxBytes);
    if (read === undefined) return false;
    this.seen.push(...read.records);
    this.#next = read.next;
    return true;
  }
}

/** Compacts all that is closed. */
export async function clean(directory: LogDirectory): Promise<void> {
  await logOf(directory).sync();
  await directory.cleaner.clean();
}

/** One random history of a log, its compactions, kills and restarts. */
export class Simulation implements AsyncDisposable {
  nowMs = Date.UTC(2100, 0, 1);
  readonly history = new History();
  readonly #dir = new TempDir('compaction');
  readonly #random: () => number;
  readonly #mapBytes: number;
  #home = this.#dir.join('0');
  #directory: LogDirectory | undefined;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    this.#mapBytes = this.#pick([1024, 1 << 20]);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  #opened(dataDir: string): Promise<LogDirectory> {
    const overrides = {
      log: { cleanerIntervalMs: 86_400_000, cleanerMapBytes: this.#mapBytes, flushIntervalMs: 3_600_000 },
    };
    return openLogs(dataDir, { overrides, configs: COMPACTED_CONFIGS, now: () => this.nowMs });
  }

  async start(): Promise<void> {
    this.#directory = await this.#opened(this.#home);
  }

  get log(): Log {
    return logOf(this.#directory as LogDirectory);
  }

  async write(): Promise<void> {
    const { history, log } = this;
    const what = this.#random();
    const producerId = what < 0.6 ? this.#pick(TRANSACTIONAL) : this.#pick([IDEMPOTENT, PLAIN]);
    if (what > 0.75) {
      const ended = this.#pick(TRANSACTIONAL);
      // One of them, now and then, had nothing open.
      if (!history.isOpen(ended) && what < 0.9) return;
      const outcome = this.#pick<Outcome>(['commit', 'commit', 'abort']);
      await history.end(log, ended, outcome, outcome === 'abort' && this.#random() < 0.3);
      return;
    }
    const entries = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, (_, i) => ({
      key: this.#pick(KEYS),
      value: this.#random() < 0.2 ? null : `v${history.offsets.length + i}`,
      timestampMs: 5 + history.offsets.length + i,
    }));
    const isTransactional = TRANSACTIONAL.includes(producerId);
    const ofProducer = { producerId, ...history.next(producerId), isTransactional };
    await history.send(log, { ...ofProducer, entries, codec: this.#pick(CODECS) });
  }

  /** Lets time pass and compacts; with `killed` also as if it had been killed at steps of that. */
  async clean({ killed }: { killed: boolean }): Promise<void> {
    this.nowMs += this.#pick([1, 600, 5000]);
    using copies = new TempDir('killed');
    // What is known to be on disk is not read anew at a start.
    if (this.#random() < 0.5) await this.#directory?.housekeeping.flush();
    const watch = killed ? copyAtEachStep(this.#home, copies) : undefined;
    await clean(this.#directory as LogDirectory);
    const count = watch?.stop() ?? 0;
    expectTrue(this.log, this.history, this.#random);
    const stride = Math.max(1, Math.floor(count / KILLS));
    for (let i = Math.floor(this.#random() * stride); i < count; i += stride) {
      await this.#expectSurvivor(copies.join(String(i)));
    }
  }

  async #expectSurvivor(dataDir: string): Promise<void> {
    if (this.#random() < 0.5) for (const file of filesOf(dataDir, '.snapshot')) fs.rmSync(file);
    await using survivor = await this.#opened(dataDir);
    expectTrue(logOf(survivor), this.history, this.#random);
    await expectProducers(logOf(survivor), this.history);
    await clean(survivor);
    expectTrue(logOf(survivor), this.history, this.#random);
    await expectProducers(logOf(survivor), this.history);
  }

  /** Stops, in order or killed, loses what can be lost, and starts again. */
  async restart(): Promise<void> {
    const next = this.#dir.join(String(this.history.offsets.length));
    const isKilled = this.#random() < 0.5;
    if (isKilled) copyAsKilled(this.#home, next);
    await this.#directory?.close();
    if (!isKilled) fs.renameSync(this.#home, next);
    this.#home = next;
    if (this.#random() < 0.5) for (const file of filesOf(next, '.snapshot')) fs.rmSync(file);
    await this.start();
    expectTrue(this.log, this.history, this.#random);
    await expectProducers(this.log, this.history);
  }

  /** Ends every transaction, writes every key anew outside of any, and lets compaction do all it can. */
  async settle(): Promise<void> {
    for (const producerId of TRANSACTIONAL) {
      if (this.history.isOpen(producerId)) await this.history.end(this.log, producerId, 'commit');
    }
    for (let i = 0; i < 6; i++) {
      const entries = KEYS.map((key) => ({ key, value: String(i), timestampMs: 5 }));
      const plain = { producerId: PLAIN, ...this.history.next(PLAIN), isTransactional: false };
      await this.history.send(this.log, { ...plain, entries, codec: 'none' });
      this.log.rollIfIdle();
      this.nowMs += 2 * RETENTION_MS;
      await this.clean({ killed: false });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory?.close();
    this.#dir[Symbol.dispose]();
  }
}
