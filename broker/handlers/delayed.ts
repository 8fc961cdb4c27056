/**
 * The long poll: waiting until enough bytes have come to a set of logs, or long enough.
 */
import type { Log } from '../log/log.ts';

/** What a fetch waits for: bytes; under read_committed ones that it may see, or the end of a transaction. */
export interface Awaited {
  bytes: number;
  isCommitted: boolean;
}

/**
 * Resolves when `bytes` more than now are visible in the logs together, when one of them stops, after `ms`, or when
 * `signal` is aborted. Never rejects.
 */
export function waitForBytes(
  logs: readonly Log[],
  { bytes, isCommitted }: Awaited,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const visible = () => logs.reduce((sum, log) => sum + log.visibleBytes, 0);
  const enough = visible() + bytes;
  const stable = () => logs.reduce((sum, log) => sum + log.lastStableOffset, 0);
  const stableBefore = stable();
  // The bytes of a transaction that is open already came before: its end is what is missing.
  const isOpen = isCommitted && logs.some((log) => log.lastStableOffset < log.highWatermark);
  const isEnough = () => (isOpen || visible() >= enough) && (!isCommitted || stable() > stableBefore);
  const isOver = () => signal.aborted || isEnough() || logs.some(({ failure }) => failure);
  const check = () => {
    if (isOver()) resolve();
  };
  const timer = setTimeout(resolve, ms);
  const removals = logs.map((log) => log.onChange(check));
  signal.addEventListener('abort', check, { once: true });
  check();
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', check);
    for (const remove of removals) remove();
  });
}
