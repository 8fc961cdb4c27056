/**
 * The long poll: waiting until enough bytes have come to a set of logs, or long enough.
 */
import type { Log } from '../log/log.ts';

/**
 * Resolves when `bytes` more than now are visible in the logs together, when one of them stops, after `ms`, or when
 * `signal` is aborted. Never rejects.
 */
export function waitForBytes(
  logs: readonly Log[],
  bytes: number,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const visible = () => logs.reduce((sum, log) => sum + log.visibleBytes, 0);
  const enough = visible() + bytes;
  const isOver = () => signal.aborted || visible() >= enough || logs.some(({ failure }) => failure);
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
