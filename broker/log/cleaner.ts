/**
 * Compacts logs whose topics ask for it, one at a time, the dirtiest first, now and then by the clock. A log whose
 * compaction fails is left alone until the next start: it stays whole, and grows.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Logger } from 'pino';
import type { Offset } from '../topic-partition.ts';
import { CompactionStopped, compactLog } from './compaction-pass.ts';
import { type CompactionPlan, isOverdue, planCompaction } from './compaction-plan.ts';
import { CLEANED_SUFFIX } from './file-names.ts';
import type { OwnedLog } from './housekeeping.ts';
import { isCompacted, type LogSettings } from './log-config.ts';
import type { OffsetCheckpoint } from './offset-checkpoint.ts';
import type { Segment } from './segment.ts';

export interface CleanerInput {
  settings: Pick<LogSettings, 'cleanerIntervalMs' | 'cleanerMapBytes' | 'cleanerBatchBytes'>;
  cleanedOffsets: OffsetCheckpoint;
  logs: () => Iterable<OwnedLog>;
  now: () => number;
  logger: Logger;
}

type Plan = CompactionPlan<Segment>;

export class Cleaner {
  readonly #input: CleanerInput;
  readonly #failed = new WeakSet<OwnedLog>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStopping = false;

  constructor(input: CleanerInput) {
    this.#input = input;
  }

  start(): void {
    this.#timer = setInterval(() => void this.clean(), this.#input.settings.cleanerIntervalMs);
  }

  /** Ends what is under way; its log stays as it is. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Compacts every log that is due. Never rejects; a call while one runs joins it. */
  clean(): Promise<void> {
    this.#running ??= this.#cleanAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #cleanAll(): Promise<void> {
    this.#rollOverdue();
    // Each at most once a round: one that is written to without end must not keep the others waiting.
    const done = new Set<OwnedLog>();
    for (;;) {
      const due = this.#dirtiest(done);
      if (due === undefined || this.#isStopping) return;
      done.add(due.owned);
      await this.#cleanOne(due.owned, due.plan);
    }
  }

  /** Only closed segments are compacted. */
  #rollOverdue(): void {
    const nowMs = this.#input.now();
    for (const { log } of this.#input.logs()) {
      const active = log.segments.at(-1);
      if (log.failure || active === undefined || !isCompacted(log.config)) continue;
      if (isOverdue(active, log.config, nowMs)) log.rollIfIdle();
    }
  }

  #dirtiest(done: ReadonlySet<OwnedLog>): { owned: OwnedLog; plan: Plan } | undefined {
    const nowMs = this.#input.now();
    let dirtiest: { owned: OwnedLog; plan: Plan } | undefined;
    for (const owned of this.#input.logs()) {
      const { log } = owned;
      if (log.failure || done.has(owned) || this.#failed.has(owned)) continue;
      const { segments, recoveryPoint, lastStableOffset: stableOffset } = log;
      const facts = { segments, recoveryPoint, stableOffset, cleanedOffset: this.#cleanedOffset(owned) };
      const plan = planCompaction(facts, log.config, nowMs);
      if (plan && plan.dirtyRatio > (dirtiest?.plan.dirtyRatio ?? -1)) dirtiest = { owned, plan };
    }
    return dirtiest;
  }

  #cleanedOffset({ topicId, log }: OwnedLog): Offset {
    return this.#input.cleanedOffsets.get(topicId, log.tp.partition) ?? 0;
  }

  async #cleanOne(owned: OwnedLog, plan: Plan): Promise<void> {
    const { topicId, log } = owned;
    const { settings, cleanedOffsets, logger, now } = this.#input;
    try {
      const { cleanedOffset, bytesBefore, bytesAfter } = await compactLog({
        log,
        plan,
        mapBytes: settings.cleanerMapBytes,
        batchBytes: settings.cleanerBatchBytes,
        now,
        note: async (offset) => {
          cleanedOffsets.set(topicId, log.tp.partition, Math.max(offset, this.#cleanedOffset(owned)));
          await cleanedOffsets.write();
        },
        check: () => {
          if (this.#isStopping || log.failure || !isCompacted(log.config)) {
            throw new CompactionStopped(`${log.name}: compaction was stopped`);
          }
        },
      });
      logger.info(
        `${log.name}: compacted ${bytesBefore} bytes to ${bytesAfter}, up to offset ${cleanedOffset}`,
      );
    } catch (error) {
      this.#ended(owned, plan, error as Error);
    }
  }

  #ended(owned: OwnedLog, { segments }: Plan, error: Error): void {
    const { log } = owned;
    // Retention may have taken a segment that was to be read.
    const isOutdated = segments.some((segment) => !log.segments.includes(segment));
    if (error instanceof CompactionStopped || log.failure || isOutdated) return;
    this.#failed.add(owned);
    const directory = path.dirname(log.segments[0]?.file ?? '');
    for (const name of fs.readdirSync(directory)) {
      if (name.endsWith(CLEANED_SUFFIX)) fs.rmSync(path.join(directory, name));
    }
    this.#input.logger.error(
      { error },
      `${log.name} is not compacted until the next start: ${error.message}; its records are all there`,
    );
  }
}
