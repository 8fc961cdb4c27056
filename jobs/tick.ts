/**
 * One run of the schedule: loads every topic there is, brings aggregates up to date, compacts and expires when that is
 * due. A topic that fails is tried again with a growing wait and never stops another. What a run loads is decided by
 * the chains alone: after any time without a run, one run takes all there is.
 */
import type { Settings } from '../config/settings.ts';
import type { Clock } from './schedule-clock.ts';
import { backOffMs, type Job, type Tried } from './schedule-plan.ts';
import type { TickTopic } from './tick-record.ts';

/** How the load of one topic ended. */
export interface TopicLoad {
  topic: string;
  rows: number;
  quarantined: number;
  hoursMarked: number;
  /** The log goes on beyond what was read. */
  isBehind: boolean;
  /** The first line of what stopped it, or of its first partition that stopped. */
  error: string | null;
}

/** The jobs themselves. Each throws an Error of one line, or the signal's reason. */
export interface TickWork {
  /** The topics there are to load, by now. */
  topics(signal: AbortSignal): Promise<string[]>;
  load(topics: readonly string[], signal: AbortSignal): Promise<TopicLoad[]>;
  aggregate(topic: string, signal: AbortSignal): Promise<void>;
  compact(topic: string, signal: AbortSignal): Promise<void>;
  expire(topic: string, signal: AbortSignal): Promise<void>;
}

export interface TickOptions {
  work: TickWork;
  settings: Settings['schedule'];
  clock: Clock;
  signal: AbortSignal;
  /** No further attempt begins at or after this time: the next run is due. */
  retryUntilMs: number;
  /** Jobs that are due after the load. */
  due: readonly ('compact' | 'expire')[];
  warn: (message: string) => void;
}

/** `known`: undefined if the topics could not be asked for. */
export interface TickResult {
  topics: TickTopic[];
  known: ReadonlySet<string> | undefined;
  tried: Tried[];
}

/** The first line of what was thrown. */
export const lineOf = (error: unknown) =>
  ((error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '').trim() || 'failed';

/** Runs one tick. Rejects only with the signal's reason. */
export async function runTick(options: TickOptions): Promise<TickResult> {
  const run = new Tick(options);
  await run.loadWithRetries();
  await run.housekeep();
  return run.result();
}

const NONE = { attempts: 0, rows: 0, quarantined: 0, hoursMarked: 0 };

class Tick {
  readonly #options: TickOptions;
  readonly #topics = new Map<string, TickTopic>();
  readonly #tried = new Map<string, Tried>();
  #names: string[] | undefined;

  constructor(options: TickOptions) {
    this.#options = options;
  }

  result(): TickResult {
    const known = this.#names && new Set(this.#names);
    return { topics: [...this.#topics.values()], known, tried: [...this.#tried.values()] };
  }

  async loadWithRetries(): Promise<void> {
    const { settings, clock, signal, retryUntilMs, warn } = this.#options;
    for (let attempt = 1; ; attempt++) {
      await this.#attempt();
      const failed = [...this.#tried.values()].filter(({ error }) => error !== null);
      if (failed.length === 0) return;
      const waitMs = backOffMs(attempt, settings);
      const mayRetry = attempt <= settings.retries && clock.now() + waitMs < retryUntilMs;
      const then = mayRetry
        ? `trying again in ${Math.ceil(waitMs / 1_000)} s`
        : 'giving up until the next run';
      for (const { job, topic, error } of failed) warn(`${job} of ${topic ?? 'all'}: ${error}; ${then}`);
      if (!mayRetry) return;
      await clock.sleep(waitMs, signal);
    }
  }

  /** Loads and aggregates what has not ended well yet. */
  async #attempt(): Promise<void> {
    const { work, signal } = this.#options;
    if (this.#names === undefined) {
      await this.#try('topics', null, async () => {
        this.#names = await work.topics(signal);
      });
      if (this.#names === undefined) return;
    }
    const waiting = this.#names.filter((topic) => (this.#topics.get(topic)?.state ?? 'failed') === 'failed');
    if (waiting.length === 0) return;
    for (const loaded of await this.#load(waiting)) {
      this.#fold(loaded);
      if (loaded.error !== null) continue;
      await this.#try('aggregate', loaded.topic, () => work.aggregate(loaded.topic, signal));
    }
  }

  /** Every topic asked for has an answer, whatever the load did. */
  async #load(waiting: readonly string[]): Promise<TopicLoad[]> {
    const { work, signal } = this.#options;
    const failed = (topic: string, error: string): TopicLoad => ({ topic, ...NONE, isBehind: false, error });
    try {
      const loads = await work.load(waiting, signal);
      const answered = new Map(loads.map((one) => [one.topic, one]));
      return waiting.map((topic) => answered.get(topic) ?? failed(topic, 'the load says nothing of it'));
    } catch (error) {
      signal.throwIfAborted();
      return waiting.map((topic) => failed(topic, lineOf(error)));
    }
  }

  #fold({ topic, rows, quarantined, hoursMarked, isBehind, error }: TopicLoad): void {
    const before = this.#topics.get(topic) ?? { topic, ...NONE };
    this.#note({ job: 'load', topic, error });
    this.#topics.set(topic, {
      topic,
      state: error !== null ? 'failed' : isBehind ? 'behind' : 'done',
      attempts: before.attempts + 1,
      rows: before.rows + rows,
      quarantined: before.quarantined + quarantined,
      hoursMarked: before.hoursMarked + hoursMarked,
      error,
    });
  }

  #note(tried: Tried): void {
    this.#tried.set(`${tried.job} ${tried.topic}`, tried);
  }

  async #try(job: Job, topic: string | null, act: () => Promise<void>): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    try {
      await act();
      this.#note({ job, topic, error: null });
    } catch (error) {
      signal.throwIfAborted();
      const line = lineOf(error);
      this.#note({ job, topic, error: line });
      const of = this.#topics.get(topic ?? '');
      if (of) this.#topics.set(of.topic, { ...of, state: 'failed', error: `${job}: ${line}` });
    }
  }

  /** Compaction and expiry are tried once: what fails is done when they are due again. */
  async housekeep(): Promise<void> {
    const { work, due, signal, warn } = this.#options;
    for (const job of due)
      for (const topic of this.#names ?? []) {
        await this.#try(job, topic, () => work[job](topic, signal));
        const error = this.#tried.get(`${job} ${topic}`)?.error;
        if (error) warn(`${job} of ${topic}: ${error}`);
      }
  }
}
