/**
 * One runner at a time per warehouse. A runner takes the next number under `_millrace/runners`, a name that must not exist,
 * and from then on renews a sign of life beside it. Another may take the number after it when that one says that it ended,
 * or has not been renewed for `leaseMs`: both times are the store's, so clocks of machines don't matter. All this only
 * saves work. Two runners at once do no harm, because a commit is one rename that can't overwrite; nothing may ever
 * depend on the lease.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  heartbeatPath,
  MILLRACE_STAGING,
  parseRunnerName,
  RUNNERS_DIRECTORY,
  runnerPath,
} from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { publishStaged, readRecord, replaceRecord, stageRecord } from './small-record.ts';

/** Records of so many runners before the newest are kept, for who looks for what happened. */
const KEPT_RUNNERS = 20;
/** What a runner that died has left staged is deleted after this. */
const LEFTOVER_MS = 24 * 3_600_000;

const identity = z.strictObject({ host: z.string(), pid: z.int(), startedAt: z.iso.datetime() });
/** Who a runner is, for people. */
export type RunnerIdentity = z.infer<typeof identity>;

const runner = z.strictObject({ v: z.literal(1), n: z.int().min(1), attempt: z.string(), ...identity.shape });
export type RunnerRecord = z.infer<typeof runner>;

const heartbeat = z.strictObject({
  v: z.literal(1),
  n: z.int().min(1),
  attempt: z.string(),
  /** Counts the signs of life. */
  beat: z.int().min(1),
  at: z.iso.datetime(),
  /** Set by a runner that ended in order: the next need not wait. */
  endedAt: z.iso.datetime().nullable(),
});

/** The newest runner of a warehouse, and the store's time when it was last heard of; undefined if there never was one. */
export interface NewestRunner {
  n: number;
  record: RunnerRecord | undefined;
  heardMs: number;
  hasEnded: boolean;
}

export async function newestRunner(store: Store): Promise<NewestRunner | undefined> {
  const entries = (await store.list(RUNNERS_DIRECTORY)).map((entry) => ({
    n: parseRunnerName(entry.name) ?? 0,
    modifiedMs: entry.modifiedMs,
  }));
  const n = Math.max(0, ...entries.map((entry) => entry.n));
  if (n === 0) return undefined;
  const last = await readRecord(store, heartbeatPath(n), heartbeat);
  return {
    n,
    record: await readRecord(store, runnerPath(n), runner),
    heardMs: Math.max(...entries.flatMap((entry) => (entry.n === n ? entry.modifiedMs : []))),
    hasEnded: last !== undefined && last.endedAt !== null,
  };
}

export class RunnerLease {
  readonly record: RunnerRecord;
  readonly #store: Store;
  readonly #now: () => number;
  #beat = 0;

  private constructor(store: Store, record: RunnerRecord, now: () => number) {
    this.#store = store;
    this.record = record;
    this.#now = now;
  }

  /** The lease, or who has it. */
  static async take(
    store: Store,
    { who, leaseMs, now }: { who: RunnerIdentity; leaseMs: number; now: () => number },
  ): Promise<RunnerLease | NewestRunner> {
    const before = await newestRunner(store);
    const record: RunnerRecord = { v: 1, n: (before?.n ?? 0) + 1, attempt: randomUUID(), ...who };
    const staged = await stageRecord(store, record);
    try {
      // Looked at again, after the clock was read: a sign of life is for a moment not there while it is replaced.
      const holder = await newestRunner(store);
      if (holder && holder.n >= record.n) return holder;
      if (holder && !holder.hasEnded && staged.storeMs - holder.heardMs < leaseMs) return holder;
      const path = runnerPath(record.n);
      const isWon = await publishStaged(store, staged, path, record.attempt);
      const newest = (await newestRunner(store))!;
      if (!isWon || newest.n !== record.n) return newest;
    } finally {
      await store.remove(staged.path);
    }
    const lease = new RunnerLease(store, record, now);
    await lease.renew();
    await lease.#tidy(staged.storeMs);
    return lease;
  }

  /** A sign of life; false: another has taken over. */
  async renew(): Promise<boolean> {
    const names = (await this.#store.list(RUNNERS_DIRECTORY)).map(({ name }) => parseRunnerName(name) ?? 0);
    if (Math.max(0, ...names) > this.record.n) return false;
    await this.#write(null);
    return true;
  }

  /** Says that this runner has ended. */
  async release(): Promise<void> {
    await this.#write(new Date(this.#now()).toISOString());
  }

  async #write(endedAt: string | null): Promise<void> {
    const { n, attempt } = this.record;
    const at = new Date(this.#now()).toISOString();
    await replaceRecord(
      this.#store,
      heartbeatPath(n),
      heartbeat.parse({ v: 1, n, attempt, beat: ++this.#beat, at, endedAt }),
    );
  }

  async #tidy(storeMs: number): Promise<void> {
    for (const { name } of await this.#store.list(RUNNERS_DIRECTORY))
      if ((parseRunnerName(name) ?? this.record.n) < this.record.n - KEPT_RUNNERS)
        await this.#store.remove(`${RUNNERS_DIRECTORY}/${name}`);
    for (const { name, modifiedMs } of await this.#store.list(MILLRACE_STAGING))
      if (storeMs - modifiedMs > LEFTOVER_MS) await this.#store.remove(`${MILLRACE_STAGING}/${name}`);
  }
}
