import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runInTurn, runOnce } from '../../../jobs/runner.ts';
import { newestRunner, RunnerLease } from '../../../jobs/runner-lease.ts';
import { RUNNERS_DIRECTORY } from '../../../loader/paths.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { StoppingStore } from '../../support/stopping-store.ts';
import { TempDir } from '../../support/temp-dir.ts';

let dir: TempDir;
let store: Store;
beforeEach(async () => {
  dir = new TempDir('runner');
  store = await DirectoryStore.open(dir.join('warehouse'));
});
afterEach(() => dir[Symbol.dispose]());

const LEASE_MS = 60_000;
const who = (pid: number) => ({ host: 'here', pid, startedAt: '2026-11-22T13:00:00.000Z' });
/** `clockMs`: what the machine of the runner takes for the time. */
const take = (pid: number, { clockMs = Date.now(), on = store } = {}) =>
  RunnerLease.take(on, { who: who(pid), leaseMs: LEASE_MS, now: () => clockMs });

async function taken(pid: number, on?: Store): Promise<RunnerLease> {
  const lease = await take(pid, on ? { on } : {});
  if (!(lease instanceof RunnerLease)) throw new Error(`held by runner ${lease.n}`);
  return lease;
}

/** Lets the store believe that nothing was heard of the runners for so long. */
function age(ms: number): void {
  const at = new Date(Date.now() - ms);
  for (const name of readdirSync(dir.join('warehouse', RUNNERS_DIRECTORY)))
    utimesSync(dir.join('warehouse', RUNNERS_DIRECTORY, name), at, at);
}

describe('the lease of a runner', () => {
  it('is held by one: another learns who has it', async () => {
    await taken(1);
    const held = await take(2);
    expect(held).toMatchObject({ n: 1, record: { pid: 1, host: 'here' }, hasEnded: false });
    expect(await newestRunner(store)).toMatchObject({ n: 1 });
  });

  it('goes to the next at once when it was released', async () => {
    const first = await taken(1);
    await first.release();
    expect((await taken(2)).record).toMatchObject({ n: 2, pid: 2 });
    expect(await first.renew()).toBe(false);
  });

  it('goes to the next when its holder was not heard of for longer than allowed, and the old one finds out', async () => {
    const first = await taken(1);
    age(LEASE_MS - 5_000);
    expect(await take(2)).toMatchObject({ n: 1 });
    age(LEASE_MS + 5_000);
    const second = await taken(2);
    expect(await first.renew()).toBe(false);
    expect(await second.renew()).toBe(true);
  });

  it('is kept by signs of life, however old its record is', async () => {
    const first = await taken(1);
    age(10 * LEASE_MS);
    expect(await first.renew()).toBe(true);
    expect(await take(2)).toMatchObject({ n: 1 });
  });

  it.each([-1, 1])('does not depend on the clocks of machines: one is %i days off', async (days) => {
    const first = await taken(1);
    const off = Date.now() + days * 24 * 3_600_000;
    expect(await take(2, { clockMs: off })).toMatchObject({ n: 1 });
    await first.release();
    expect(await take(2, { clockMs: off })).toBeInstanceOf(RunnerLease);
    expect(await take(3)).toMatchObject({ n: 2 });
  });

  it('goes to one of many who want it at the same moment', async () => {
    for (let round = 1; round <= 5; round++) {
      const all = await Promise.all(Array.from({ length: 8 }, (_, i) => take(i)));
      const winners = all.filter((one) => one instanceof RunnerLease);
      expect(winners).toHaveLength(1);
      for (const one of all) if (!(one instanceof RunnerLease)) expect(one.n).toBe(round);
      await winners[0]!.release();
    }
  });

  it('is known to be had when the answer to its publishing was lost', async () => {
    const losing = new StoppingStore(store, (name) => name.startsWith('publish'), 'loses the answer of');
    const lease = await taken(1, losing);
    expect(losing.met).toContain('000001.json');
    expect(await lease.renew()).toBe(true);
  });

  it('leaves no staging behind, and records of the last runners only', async () => {
    for (let i = 1; i <= 25; i++) await (await taken(i)).release();
    expect(await store.list('_millrace/staging')).toEqual([]);
    const names = (await store.list(RUNNERS_DIRECTORY)).map(({ name }) => name);
    expect(names.filter((name) => !name.includes('heartbeat'))).toHaveLength(21);
    expect(names.at(-1)).toBe('000025.json');
  });
});

describe('a runner', () => {
  const clock = {
    now: Date.now,
    sleep: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }),
  };
  const options = (pid: number, signal: AbortSignal, leaseMs = 400) => {
    const warnings: string[] = [];
    return {
      store,
      who: who(pid),
      leaseMs,
      clock,
      signal,
      warn: (line: string) => warnings.push(line),
      warnings,
    };
  };
  const never = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

  it('waits for the end of the one before it, and says whom it waits for', async () => {
    const stop = new AbortController();
    const order: string[] = [];
    const first = runInTurn(
      options(1, stop.signal),
      async (n, signal) => {
        order.push(`${n} begins`);
        await sleep(600, undefined, { signal });
        order.push(`${n} ends`);
      },
      () => {},
    );
    await expect.poll(() => order).toContain('1 begins');
    const waited: number[] = [];
    const second = runInTurn(
      options(2, stop.signal),
      async (n) => void order.push(`${n} begins`),
      ({ n }) => waited.push(n),
    );
    await Promise.all([first, second]);
    expect(order).toEqual(['1 begins', '1 ends', '2 begins']);
    expect(waited).toEqual([1]);
  });

  it('lets its work go when another has taken over, and takes its turn again', async () => {
    const stop = new AbortController();
    const given = options(1, stop.signal);
    const numbers: number[] = [];
    const running = runInTurn(
      given,
      async (n, signal) => {
        numbers.push(n);
        if (n === 1) await never(signal);
        return 'done';
      },
      () => {},
    );
    await expect.poll(() => numbers).toEqual([1]);
    // Somebody who took the first for dead, and died.
    writeFileSync(dir.join('warehouse', RUNNERS_DIRECTORY, '000002.json'), '{}');
    expect(await running).toBe('done');
    expect(numbers).toEqual([1, 3]);
    expect(given.warnings).toEqual([expect.stringContaining('another runner has taken over')]);
  });

  it('releases the lease when it is stopped, and when its work fails', async () => {
    const stop = new AbortController();
    const failing = runOnce(options(1, stop.signal), () => Promise.reject(new Error('no work today')));
    await expect(failing).rejects.toThrow('no work today');
    expect(await newestRunner(store)).toMatchObject({ n: 1, hasEnded: true });
    const begun = Promise.withResolvers<void>();
    const stopped = runInTurn(
      options(2, stop.signal),
      async (_, signal) => {
        begun.resolve();
        await never(signal);
      },
      () => {},
    );
    await begun.promise;
    stop.abort(new Error('stopped'));
    await expect(stopped).rejects.toThrow('stopped');
    expect(await newestRunner(store)).toMatchObject({ n: 2, hasEnded: true });
  });

  it('goes on when the store does not take a sign of life, and gives the next', async () => {
    const stop = new AbortController();
    let beats = 0;
    const isSecond = (name: string) => /overwrite.*heartbeat/.test(name) && ++beats === 2;
    const refusing = new StoppingStore(store, isSecond, 'is refused');
    const given = { ...options(1, stop.signal, 80), store: refusing };
    const end = await runOnce(given, async () => {
      await expect.poll(() => beats, { timeout: 30_000 }).toBe(2);
      const at = refusing.done.length;
      await expect.poll(() => refusing.done.length, { timeout: 30_000 }).toBeGreaterThan(at + 3);
      return 'done';
    });
    expect(end).toBe('done');
    expect(given.warnings).toEqual([
      expect.stringMatching(/^runner 1 gave no sign of life: overwrite .* was refused/),
    ]);
  });
});
