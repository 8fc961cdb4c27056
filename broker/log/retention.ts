/**
 * Which segments have to go, decided over plain data. A segment's age is the time since its last append by the broker's
 * clock, not the timestamps of its records: those come from producers, and a log of ten years ago, sent today, must not
 * vanish before it was read, nor a record of the year 3000 keep its segment for ever (Kafka's log.retention.ms does both).
 */
import type { Offset } from '../topic-partition.ts';

/** What retention knows of a segment. */
export interface SegmentFacts {
  sizeBytes: number;
  lastAppendMs: number;
}

export interface RetentionLimits {
  /** -1: no limit. */
  retentionMs: number;
  /** -1: no limit. A log is never cut below it. */
  retentionBytes: number;
}

/** How many segments, counted from the oldest, a log has to give up. May be all; the last one has to be rolled first. */
export function expiredSegments(
  segments: readonly SegmentFacts[],
  { retentionMs, retentionBytes }: RetentionLimits,
  nowMs: number,
): number {
  let excess = retentionBytes < 0 ? 0 : segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  excess -= Math.max(0, retentionBytes);
  let expired = 0;
  for (const { sizeBytes, lastAppendMs } of segments) {
    const isActive = expired === segments.length - 1;
    const isOld = retentionMs >= 0 && nowMs - lastAppendMs > retentionMs && sizeBytes > 0;
    const isTooMuch = retentionBytes >= 0 && !isActive && excess >= sizeBytes;
    if (!isOld && !isTooMuch) break;
    excess -= sizeBytes;
    expired += 1;
  }
  return expired;
}

/** How many segments, from the oldest, lie wholly before the log's start. The active one never does. */
export function segmentsBeforeStart({
  segments,
  startOffset,
}: {
  segments: readonly { endOffset: Offset }[];
  startOffset: Offset;
}): number {
  return segments.slice(0, -1).filter(({ endOffset }) => endOffset <= startOffset).length;
}

/** A log as the disk budget sees it. */
export interface LogFacts<Key> {
  key: Key;
  segments: readonly SegmentFacts[];
  /** How many of the oldest may go; all of them: the active one too, once it is rolled. */
  sparable: number;
}

/** What a budget asks for: the logs whose oldest segment goes, in order, a log named once per segment; and those to roll. */
export interface BudgetPlan<Key> {
  remove: Key[];
  roll: Key[];
  /** What is above the budget even so. */
  excessBytes: number;
}

/**
 * Brings all logs together under a budget: the longest untouched closed segments go first. Where closed segments do not
 * suffice, the largest active ones are to be rolled, so that the next look can take them.
 */
export function planBudget<Key>(logs: readonly LogFacts<Key>[], totalBytes: number): BudgetPlan<Key> {
  const all = logs.flatMap(({ segments }) => segments);
  let excess = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - totalBytes;
  const closed = logs.flatMap(({ key, segments, sparable }) =>
    segments
      .slice(0, Math.min(sparable, segments.length - 1))
      .map(({ sizeBytes, lastAppendMs }, order) => ({ key, order, sizeBytes, lastAppendMs })),
  );
  closed.sort((a, b) => a.lastAppendMs - b.lastAppendMs || a.order - b.order);
  const plan: BudgetPlan<Key> = { remove: [], roll: [], excessBytes: 0 };
  for (const { key, sizeBytes } of closed) {
    if (excess <= 0) break;
    plan.remove.push(key);
    excess -= sizeBytes;
  }
  plan.excessBytes = Math.max(0, excess);
  const rollable = logs.filter(({ segments, sparable }) => sparable === segments.length);
  const active = rollable.map(({ key, segments }) => ({ key, sizeBytes: segments.at(-1)?.sizeBytes ?? 0 }));
  active.sort((a, b) => b.sizeBytes - a.sizeBytes);
  for (const { key, sizeBytes } of active) {
    if (excess <= 0 || sizeBytes === 0) break;
    plan.roll.push(key);
    excess -= sizeBytes;
  }
  return plan;
}
