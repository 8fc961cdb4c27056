/**
 * Whether a log is due for compaction and which of its segments take part, decided over plain data. A segment's age is
 * that of its last append by the broker's clock, as in retention.
 */
import type { Offset } from '../topic-partition.ts';
import { isCompacted, type LogConfig } from './log-config.ts';

/** What compaction knows of a segment. */
export interface CompactableSegment {
  baseOffset: Offset;
  endOffset: Offset;
  sizeBytes: number;
  firstAppendMs: number | undefined;
  lastAppendMs: number;
}

/** A log that is due. */
export interface CompactionPlan<S> {
  /** All that are rewritten, oldest first. */
  segments: S[];
  /** Everything below was compacted before. */
  firstDirty: Offset;
  /** Share of the bytes that was not. */
  dirtyRatio: number;
}

type Limits = Pick<
  LogConfig,
  'cleanupPolicy' | 'minCompactionLagMs' | 'maxCompactionLagMs' | 'minCleanableDirtyRatio'
>;

export interface CompactionFacts<S> {
  /** All of the log, the active one last. */
  segments: readonly S[];
  /** Everything below is on disk. */
  recoveryPoint: Offset;
  /** Every transaction that begins below is decided. */
  stableOffset: Offset;
  /** Up to where it was compacted before. */
  cleanedOffset: Offset;
}

const bytesOf = (segments: readonly CompactableSegment[]) =>
  segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** Whether a segment holds a record that has waited for too long. */
export function isOverdue(
  { firstAppendMs, lastAppendMs, sizeBytes }: CompactableSegment,
  { maxCompactionLagMs }: Pick<Limits, 'maxCompactionLagMs'>,
  nowMs: number,
): boolean {
  if (maxCompactionLagMs < 0 || sizeBytes === 0) return false;
  return nowMs - (firstAppendMs ?? lastAppendMs) >= maxCompactionLagMs;
}

/** The plan for a log that is due; undefined for one that is not. */
export function planCompaction<S extends CompactableSegment>(
  { segments, recoveryPoint, stableOffset, cleanedOffset }: CompactionFacts<S>,
  limits: Limits,
  nowMs: number,
): CompactionPlan<S> | undefined {
  if (!isCompacted(limits)) return undefined;
  const until = Math.min(recoveryPoint, stableOffset);
  const isReady = ({ endOffset, lastAppendMs }: S) =>
    endOffset <= until && nowMs - lastAppendMs >= limits.minCompactionLagMs;
  const closed = segments.slice(0, -1);
  const unready = closed.findIndex((segment) => !isReady(segment));
  const ready = unready < 0 ? closed : closed.slice(0, unready);
  const dirty = ready.filter(({ endOffset }) => endOffset > cleanedOffset);
  const dirtyBytes = bytesOf(dirty);
  if (dirtyBytes === 0) return undefined;
  const dirtyRatio = dirtyBytes / bytesOf(ready);
  const isDue =
    dirtyRatio > limits.minCleanableDirtyRatio || dirty.some((segment) => isOverdue(segment, limits, nowMs));
  const firstDirty = Math.max(cleanedOffset, ready[0]?.baseOffset ?? 0);
  return isDue ? { segments: ready, firstDirty, dirtyRatio } : undefined;
}

/** Segments that become one: neighbours that fit together. */
export function groupSegments<S extends CompactableSegment>(
  segments: readonly S[],
  { segmentBytes }: Pick<LogConfig, 'segmentBytes'>,
): S[][] {
  const groups: S[][] = [];
  for (const segment of segments) {
    const group = groups.at(-1);
    const fits =
      group !== undefined &&
      bytesOf(group) + segment.sizeBytes <= segmentBytes &&
      segment.endOffset - (group[0]?.baseOffset ?? 0) < 2 ** 31;
    if (fits) group.push(segment);
    else groups.push([segment]);
  }
  return groups;
}
