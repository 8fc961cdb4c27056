/**
 * Waits until something is so, by looking again and again. The one clock of the bed: no part of it sleeps for a guessed
 * time.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 100;

/** Looks until `look` answers something, and returns that. `look` may throw to end the waiting. */
export async function waitFor<T>(
  what: string,
  limitMs: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const until = Date.now() + limitMs;
  while (true) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > until) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
