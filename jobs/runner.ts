/**
 * A process as the one runner of a warehouse: waits until it has the lease, renews it beside the work, lets the work go
 * when another has taken over, and says when it ends. A store that does not answer costs the lease nothing: whoever could
 * take it has the same store.
 */
import type { Store } from '../loader/store/store.ts';
import { type NewestRunner, type RunnerIdentity, RunnerLease } from './runner-lease.ts';
import type { Clock } from './schedule-clock.ts';
import { lineOf } from './tick.ts';

/** Signs of life within the time after which a runner is taken for dead. */
const BEATS_PER_LEASE = 4;

export interface RunnerOptions {
  store: Store;
  who: RunnerIdentity;
  leaseMs: number;
  clock: Clock;
  signal: AbortSignal;
  warn: (message: string) => void;
}

/** What a runner does: its number, and a signal that aborts when it has to stop or has lost the lease. */
export type RunnerWork<T> = (n: number, signal: AbortSignal) => Promise<T>;

/** Who else has the lease. */
export interface Held {
  heldBy: NewestRunner;
}

/** Does the work once, unless another runner is at it. */
export async function runOnce<T>(options: RunnerOptions, work: RunnerWork<T>): Promise<T | Held> {
  const lease = await takeLease(options);
  if (!(lease instanceof RunnerLease)) return { heldBy: lease };
  return await holding(lease, options, new AbortController(), work);
}

/** Does the work as soon as no other runner is at it, and again after another has taken over and ended. */
export async function runInTurn<T>(
  options: RunnerOptions,
  work: RunnerWork<T>,
  onWait: (holder: NewestRunner) => void,
): Promise<T> {
  const { clock, leaseMs, signal, warn } = options;
  let told = 0;
  for (;;) {
    signal.throwIfAborted();
    const lease = await takeLease(options).catch((error: unknown) => {
      signal.throwIfAborted();
      warn(`${lineOf(error)}; trying again in ${Math.ceil(leaseMs / BEATS_PER_LEASE / 1_000)} s`);
      return undefined;
    });
    if (lease instanceof RunnerLease) {
      const lost = new AbortController();
      try {
        return await holding(lease, options, lost, work);
      } catch (error) {
        signal.throwIfAborted();
        if (!lost.signal.aborted) throw error;
        warn(`runner ${lease.record.n}: another runner has taken over; waiting for its end`);
      }
    } else if (lease !== undefined && lease.n !== told) {
      told = lease.n;
      onWait(lease);
    }
    await clock.sleep(leaseMs / BEATS_PER_LEASE, signal);
  }
}

const takeLease = ({ store, who, leaseMs, clock }: RunnerOptions) =>
  RunnerLease.take(store, { who, leaseMs, now: () => clock.now() });

async function holding<T>(
  lease: RunnerLease,
  options: RunnerOptions,
  lost: AbortController,
  work: RunnerWork<T>,
): Promise<T> {
  const { signal, warn } = options;
  const ended = new AbortController();
  const beating = beat(lease, options, lost, AbortSignal.any([signal, ended.signal]));
  try {
    return await work(lease.record.n, AbortSignal.any([signal, lost.signal]));
  } finally {
    ended.abort();
    await beating;
    if (!lost.signal.aborted)
      await lease.release().catch((error: unknown) => warn(`runner ${lease.record.n}: ${lineOf(error)}`));
  }
}

/** Renews the lease until told to end; a lease that is lost aborts `lost`. */
async function beat(
  lease: RunnerLease,
  { clock, leaseMs, warn }: RunnerOptions,
  lost: AbortController,
  until: AbortSignal,
): Promise<void> {
  while (!until.aborted) {
    try {
      await clock.sleep(leaseMs / BEATS_PER_LEASE, until);
      if (await lease.renew()) continue;
      lost.abort(new DOMException('another runner has taken over', 'AbortError'));
      return;
    } catch (error) {
      if (until.aborted) return;
      warn(`runner ${lease.record.n} gave no sign of life: ${lineOf(error)}`);
    }
  }
}
