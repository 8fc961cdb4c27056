/**
 * The schedule: a run at once, then one whenever the cron expression says, until it is stopped. Runs never overlap; one
 * that takes longer than an hour is followed by the next at once, and what was missed in between is no more than that
 * one. Nothing is remembered of what is loaded: the chains know. What failed and what was told is in the tick records.
 */
import { randomUUID } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { CronTimes } from './cron-times.ts';
import { type HookEvent, hasHooks } from './hooks.ts';
import type { Clock } from './schedule-clock.ts';
import { compareFailures, type News } from './schedule-plan.ts';
import { lineOf, runTick, type TickResult, type TickWork } from './tick.ts';
import type { TickRecord } from './tick-record.ts';

/** Longest sleep at once, so that a machine that was suspended, or whose clock was set, finds out soon. */
const SLEEP_MS_MAX = 60_000;
/** Events kept for hooks that take none; the oldest go first. */
const UNTOLD_MAX = 1_000;

/** What the schedule acts on; everything with effects is passed in. */
export interface ScheduleParts {
  settings: Settings['schedule'];
  clock: Clock;
  work: TickWork;
  history: {
    newest(): Promise<TickRecord | undefined>;
    write(record: TickRecord): Promise<void>;
  };
  /** Tells one event; throws if it was not taken. */
  tell: (event: HookEvent, signal: AbortSignal) => Promise<void>;
  /** Tells of the hours of a topic that were marked since it was last asked; throws if one was not taken. */
  tellHours: (topic: string, signal: AbortSignal) => Promise<void>;
  warn: (message: string) => void;
  onTick?: (record: TickRecord) => void;
}

/** One runner's schedule. `runner`: its number. */
export class Scheduler {
  readonly #parts: ScheduleParts;
  readonly #runner: number;
  readonly #load: CronTimes;
  readonly #housekeeping: { job: 'compact' | 'expire'; times: CronTimes }[];
  #last: TickRecord | undefined;

  /** Throws an Error if a cron expression is none; `checkCrons` says which. */
  constructor(parts: ScheduleParts, runner: number) {
    const { cron, compactCron, expireCron } = parts.settings;
    this.#parts = parts;
    this.#runner = runner;
    this.#load = new CronTimes(cron);
    this.#housekeeping = (
      [
        { job: 'compact', cron: compactCron },
        { job: 'expire', cron: expireCron },
      ] as const
    ).flatMap(({ job, cron: text }) => (text === '' ? [] : [{ job, times: new CronTimes(text) }]));
  }

  /** Runs until the signal aborts, then rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock } = this.#parts;
    let dueMs = clock.now();
    for (;;) {
      const startedMs = clock.now();
      await this.tick(dueMs, signal);
      dueMs = this.#load.next(startedMs);
      while (clock.now() < dueMs) {
        await clock.sleep(Math.min(dueMs - clock.now(), SLEEP_MS_MAX), signal);
        // A clock that was set back must not make the schedule wait for a time long past.
        dueMs = Math.min(dueMs, this.#load.next(clock.now()));
      }
    }
  }

  /** One run. Rejects only with the signal's reason. */
  async tick(dueMs: number, signal: AbortSignal): Promise<TickRecord> {
    const { clock, settings, work, warn, onTick } = this.#parts;
    const startedMs = clock.now();
    const before = await this.#before(signal);
    const since = before ? Date.parse(before.startedAt) : startedMs;
    const due = this.#housekeeping.filter(({ times }) => times.firesWithin(since, startedMs));
    const result = await runTick({
      work,
      settings,
      clock,
      signal,
      retryUntilMs: this.#load.next(startedMs),
      due: due.map(({ job }) => job),
      warn,
    });
    const at = new Date(clock.now()).toISOString();
    const { failing, news } = compareFailures(before?.failing ?? [], result.tried, {
      known: result.known,
      at,
    });
    const untold = await this.#tell([...(before?.untold ?? []), ...news], result, signal);
    const record = this.#record({ dueMs, startedMs, result, failing, untold });
    this.#last = record;
    await this.#parts.history
      .write(record)
      .catch((error: unknown) => warn(`the end of this run was not written down: ${lineOf(error)}`));
    onTick?.(record);
    return record;
  }

  /** What the run before left: of this process, or of the one before it. */
  async #before(signal: AbortSignal): Promise<TickRecord | undefined> {
    if (this.#last !== undefined) return this.#last;
    return await this.#parts.history.newest().catch((error: unknown) => {
      signal.throwIfAborted();
      this.#parts.warn(`what the run before left can't be read: ${lineOf(error)}`);
      return undefined;
    });
  }

  /** Tells what there is; what no hook took is answered, to be told again. Never throws but for the signal. */
  async #tell(events: readonly News[], { known }: TickResult, signal: AbortSignal): Promise<News[]> {
    const { settings, tell, tellHours, warn } = this.#parts;
    if (!hasHooks(settings.hooks)) return [];
    const untold = [...events];
    try {
      for (const event of events) {
        await tell(event, signal);
        untold.shift();
      }
    } catch (error) {
      signal.throwIfAborted();
      warn(lineOf(error));
    }
    for (const topic of known ?? [])
      try {
        await tellHours(topic, signal);
      } catch (error) {
        signal.throwIfAborted();
        warn(`complete hours of ${topic} were not told: ${lineOf(error)}`);
        if ((error as Error).name === 'HookError') break; // the next topic's would wait as long for the same
      }
    return untold.slice(-UNTOLD_MAX);
  }

  #record({
    dueMs,
    startedMs,
    result,
    failing,
    untold,
  }: {
    dueMs: number;
    startedMs: number;
    result: TickResult;
    failing: TickRecord['failing'];
    untold: TickRecord['untold'];
  }): TickRecord {
    const isQuiet = ({ state, rows, attempts }: TickRecord['topics'][number]) =>
      state === 'done' && rows === 0 && attempts === 1;
    const isFailed = result.tried.some(({ error }) => error !== null);
    const isBehind = result.topics.some(({ state }) => state === 'behind');
    return {
      v: 1,
      tick: randomUUID(),
      runner: this.#runner,
      dueAt: new Date(dueMs).toISOString(),
      startedAt: new Date(startedMs).toISOString(),
      endedAt: new Date(this.#parts.clock.now()).toISOString(),
      state: isFailed ? 'failed' : isBehind ? 'behind' : 'done',
      topics: result.topics.filter((topic) => !isQuiet(topic)),
      quiet: result.topics.filter(isQuiet).length,
      failing,
      untold,
    };
  }
}
