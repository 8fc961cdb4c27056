/**
 * The times of a cron expression. Always UTC, whatever zone the machine is in: hours of the table are UTC, and a day
 * with a change of the clock has neither an hour without a run nor one with two. The clock is the caller's.
 */
import { Cron } from 'croner';

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

export class CronTimes {
  readonly #cron: Cron;

  /** Throws an Error with croner's words if the expression is none, or never fires again. */
  constructor(expression: string) {
    this.#cron = new Cron(expression, { utcOffset: 0, paused: true });
  }

  /** The first time after `afterMs`, in milliseconds since 1970; infinity if there is none. */
  next(afterMs: number): number {
    return this.#cron.nextRun(new Date(afterMs))?.getTime() ?? Number.POSITIVE_INFINITY;
  }

  /** Whether there is a time after `afterMs` and not after `untilMs`. */
  firesWithin(afterMs: number, untilMs: number): boolean {
    return this.next(afterMs) <= untilMs;
  }

  /**
   * Whether in the week from `nowMs` on it ever fires `graceMs` or more after the beginning of an hour. If not, no run finds
   * the hour before it complete: each hour waits for the run after next.
   */
  firesAfterGrace(graceMs: number, nowMs: number): boolean {
    const firstMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
    for (let hourMs = firstMs; hourMs < firstMs + WEEK_MS; hourMs += HOUR_MS)
      if (this.firesWithin(hourMs + graceMs - 1, hourMs + HOUR_MS - 1)) return true;
    return false;
  }
}
