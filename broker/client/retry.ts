/**
 * The one loop that tries again: bounded, with a wait that doubles up to five seconds and is jittered, so that many
 * clients do not come back in step. Only errors that may pass are tried again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaError } from '../protocol/errors.ts';

const BACKOFF_MS_MAX = 5_000;
/**
 * A topic that was just created may be unknown to a broker for a moment; one that nobody created stays unknown, and its
 * user should not wait for the whole back-off to hear it.
 */
const UNKNOWN_TOPIC_RETRIES_MAX = 2;

/** How often and how long to wait; `random` yields numbers from 0 to 1. */
export interface RetryPolicy {
  retries: number;
  retryBackoffMs: number;
  random: () => number;
  signal?: AbortSignal | undefined;
}

/** The wait before retry number `retry` (0 is the first): between half of and the whole doubled back-off. */
export function backoffMs(retry: number, { retryBackoffMs, random }: RetryPolicy): number {
  return Math.min(BACKOFF_MS_MAX, retryBackoffMs * 2 ** Math.min(retry, 20)) * (0.5 + random() / 2);
}

/** Waits before retry number `retry`; rejects when the policy's signal aborts. */
export async function backOff(retry: number, policy: RetryPolicy): Promise<void> {
  await sleep(backoffMs(retry, policy), undefined, policy.signal ? { signal: policy.signal } : {});
}

/** Whether retry number `retry` (0 is the first) is allowed after this error. */
export function mayRetry(error: unknown, retry: number, policy: RetryPolicy): boolean {
  if (!(error instanceof KafkaError) || !error.retriable || policy.signal?.aborted) return false;
  const limit = error.error === 'UNKNOWN_TOPIC_OR_PARTITION' ? UNKNOWN_TOPIC_RETRIES_MAX : policy.retries;
  return retry < Math.min(limit, policy.retries);
}

/** Calls `attempt` until it succeeds, fails for good, or the retries are used up; then its last error is thrown. */
export async function retrying<T>(policy: RetryPolicy, attempt: (retry: number) => Promise<T>): Promise<T> {
  for (let retry = 0; ; retry++) {
    try {
      return await attempt(retry);
    } catch (error) {
      if (!mayRetry(error, retry, policy)) throw error;
      await backOff(retry, policy);
    }
  }
}
