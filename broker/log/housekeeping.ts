/**
 * What happens to the logs by the clock: fsync and checkpoint every flush interval, and now and then retention, the disk
 * budget, and letting go of what rests. Each kind of work runs once at a time; a slow disk delays the next round.
 */
import type { Logger } from 'pino';
import type { TopicPartition } from '../topic-partition.ts';
import { type LoadedOffset, sparableSegments } from './loaded-segments.ts';
import type { Log } from './log.ts';
import { isDeleting, type LogSettings } from './log-config.ts';
import type { OffsetCheckpoint } from './offset-checkpoint.ts';
import { expiredSegments, planBudget, segmentsBeforeStart } from './retention.ts';
import type { Segment } from './segment.ts';

/** A segment not read or written for this long gives back its file descriptor and index memory. */
const REST_AFTER_MS = 60_000;

/** A log with the id of its topic. */
export interface OwnedLog {
  topicId: string;
  log: Log;
}

export interface HousekeepingInput {
  settings: LogSettings;
  recoveryPoints: OffsetCheckpoint;
  logs: () => Iterable<OwnedLog>;
  now: () => number;
  logger: Logger;
}

const sizes = (sum: number, { sizeBytes }: Segment) => sum + sizeBytes;

export class Housekeeping {
  readonly #input: HousekeepingInput;
  #flushTimer: NodeJS.Timeout | undefined;
  #retentionTimer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  /** Since when a log holds records that are not fsynced. */
  readonly #unsyncedSinceMs = new Map<Log, number>();
  readonly #flushTimers = new Map<Log, NodeJS.Timeout>();
  /** Bytes that were last told to be held back because they are not loaded. */
  readonly #heldBytes = new Map<Log, number>();
  #isBudgetHeld = false;
  /** What the loader has reported of a partition; whoever keeps the offsets of groups tells it. */
  loadedOffset: (tp: TopicPartition) => LoadedOffset | undefined = () => undefined;

  constructor(input: HousekeepingInput) {
    this.#input = input;
  }

  start(): void {
    const { flushIntervalMs, retentionCheckIntervalMs } = this.#input.settings;
    let isFlushing = false;
    this.#flushTimer = setInterval(() => {
      if (isFlushing) return;
      isFlushing = true;
      void this.flush().finally(() => {
        isFlushing = false;
      });
    }, flushIntervalMs);
    this.#retentionTimer = setInterval(() => void this.checkRetention(), retentionCheckIntervalMs);
  }

  stop(): void {
    clearInterval(this.#flushTimer);
    clearInterval(this.#retentionTimer);
    for (const timer of this.#flushTimers.values()) clearTimeout(timer);
  }

  /** Told of each write: fsyncs a log whose own flush.messages or flush.ms ask for it before the next interval. */
  written(log: Log): void {
    const { flushMessages, flushIntervalMs } = log.config;
    if (!this.#unsyncedSinceMs.has(log)) this.#unsyncedSinceMs.set(log, this.#input.now());
    if (flushMessages > 0 && log.logEndOffset - log.recoveryPoint >= flushMessages) void log.sync();
    if (flushIntervalMs >= this.#input.settings.flushIntervalMs || this.#flushTimers.has(log)) return;
    const timer = setTimeout(() => {
      this.#flushTimers.delete(log);
      void log.sync();
    }, flushIntervalMs);
    this.#flushTimers.set(log, timer);
  }

  /** Makes what was written durable, of a log with a longer flush.ms when that is over, and notes it in the checkpoint. */
  async flush(): Promise<void> {
    const nowMs = this.#input.now();
    const isDue = (log: Log) => {
      const ageMs = nowMs - (this.#unsyncedSinceMs.get(log) ?? 0);
      return ageMs + this.#input.settings.flushIntervalMs >= log.config.flushIntervalMs;
    };
    const logs = [...this.#input.logs()].map(({ log }) => log);
    const due = logs.filter((log) => !log.failure && log.recoveryPoint < log.logEndOffset && isDue(log));
    for (const log of due) this.#unsyncedSinceMs.delete(log);
    await Promise.all(due.map((log) => log.sync()));
    await this.checkpoint();
  }

  /** Lets go of a log that is deleted. */
  forget(log: Log): void {
    clearTimeout(this.#flushTimers.get(log));
    this.#flushTimers.delete(log);
    this.#unsyncedSinceMs.delete(log);
    this.#heldBytes.delete(log);
  }

  async checkpoint(): Promise<void> {
    const { recoveryPoints, logger } = this.#input;
    for (const { topicId, log } of this.#input.logs()) {
      // A log that stopped keeps its last point: what it could still sync is not to be trusted.
      if (!log.failure) recoveryPoints.set(topicId, log.tp.partition, log.recoveryPoint);
    }
    try {
      await recoveryPoints.write();
    } catch (error) {
      logger.error({ error }, `recovery points cannot be written: ${(error as Error).message}`);
    }
  }

  /** Deletes what retention and budget ask for. A call while one runs makes that one look again. */
  checkRetention(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#retainWhileAsked().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #retainWhileAsked(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#retain();
    }
  }

  async #retain(): Promise<void> {
    const nowMs = this.#input.now();
    for (const { log } of [...this.#input.logs()]) {
      if (log.failure) continue;
      const expired = isDeleting(log.config) ? expiredSegments(log.segments, log.config, nowMs) : 0;
      const sparable = this.#sparable(log);
      if (Math.min(expired, sparable) === log.segments.length) log.rollIfIdle();
      const doomed = Math.min(expired, sparable, log.segments.length - 1);
      this.#tellHeld(log, log.segments.slice(doomed, Math.max(doomed, expired)));
      await this.#deleteOldest(log, Math.max(doomed, segmentsBeforeStart(log)), 'retention');
      log.rest(nowMs - REST_AFTER_MS, nowMs);
    }
    const { totalBytes } = this.#input.settings;
    if (totalBytes >= 0) await this.#keepBudget(totalBytes);
  }

  #sparable(log: Log): number {
    return sparableSegments(log, () => {
      try {
        return this.loadedOffset(log.tp);
      } catch {
        return undefined; // not known at the moment: nothing is deleted meanwhile
      }
    });
  }

  #tellHeld(log: Log, held: readonly Segment[]): void {
    const bytes = held.reduce(sizes, 0);
    if (bytes > 0 && bytes !== this.#heldBytes.get(log)) {
      this.#input.logger.warn(
        `${log.name}: retention holds back ${bytes} bytes from offset ${held[0]?.baseOffset} on, which are not loaded yet: run "millrace load", or unset retention.requires.load`,
      );
    }
    this.#heldBytes.set(log, bytes);
  }

  async #keepBudget(totalBytes: number): Promise<void> {
    const logs = [...this.#input.logs()]
      .map(({ log }) => log)
      .filter((log) => !log.failure && isDeleting(log.config));
    const plan = planBudget(
      logs.map((log) => ({ key: log, segments: log.segments, sparable: this.#sparable(log) })),
      totalBytes,
    );
    const isHeld = plan.excessBytes > 0 && logs.some((log) => this.#sparable(log) < log.segments.length);
    if (isHeld && !this.#isBudgetHeld) {
      this.#input.logger.warn(
        `the disk budget is exceeded by ${plan.excessBytes} bytes: what is not loaded yet is kept (retention.requires.load); run "millrace load"`,
      );
    }
    this.#isBudgetHeld = isHeld;
    for (const log of plan.remove) await this.#deleteOldest(log, 1, 'the disk budget');
    for (const log of plan.roll) log.rollIfIdle();
  }

  async #deleteOldest(log: Log, count: number, cause: string): Promise<void> {
    for (let i = 0; i < count; i++) {
      const from = log.logStartOffset;
      await log.deleteOldestSegment();
      const until = log.logStartOffset;
      this.#input.logger.info(`${log.name}: offsets ${from} to ${until - 1} deleted by ${cause}`);
    }
  }
}
