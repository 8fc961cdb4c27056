/**
 * Decides, from plain numbers and without any I/O, what a run reads: one range per partition, fairly cut by the run's
 * budget, and split into sub-ranges where there are fewer partitions than workers.
 */
import type { OffsetRange } from '../broker/topic-partition.ts';

/** What is known of a partition when the plan is made. */
export interface PartitionView {
  partition: number;
  /** Where its chain ends. */
  head: number;
  /** Last stable offset: nothing above it may be read yet. */
  end: number;
}

/** The work on one partition: contiguous sub-ranges, one task each. */
export interface PlannedPartition {
  partition: number;
  range: OffsetRange;
  tasks: OffsetRange[];
}

export interface PlanLimits {
  /** Most offsets the run may read in all; undefined: no limit. */
  maxEvents?: number | undefined;
  workers: number;
}

/** A sub-range is not worth a file of its own below this. */
const MIN_TASK_OFFSETS = 250_000;

/** Plans a run; partitions without anything to read are left out. Largest ranges come first, so that the pool ends evenly. */
export function planLoad(
  views: readonly PartitionView[],
  { maxEvents, workers }: PlanLimits,
): PlannedPartition[] {
  const behind = views.filter(({ head, end }) => end > head);
  const shares = fairShares(
    behind.map(({ head, end }) => end - head),
    maxEvents ?? Number.POSITIVE_INFINITY,
  );
  const planned = behind.flatMap(({ partition, head }, i) => {
    const offsets = shares[i]!;
    return offsets > 0 ? [{ partition, range: { from: head, until: head + offsets } }] : [];
  });
  const perPartition = Math.max(1, Math.floor(workers / Math.max(1, planned.length)));
  return planned
    .map(({ partition, range }) => ({ partition, range, tasks: split(range, perPartition) }))
    .sort(
      (a, b) => b.range.until - b.range.from - (a.range.until - a.range.from) || a.partition - b.partition,
    );
}

/** Shares a budget: the small demands are met in full, the large ones get equal parts of what is left. */
function fairShares(demands: readonly number[], budget: number): number[] {
  const shares = demands.map(() => 0);
  const order = demands.map((_, i) => i).sort((a, b) => demands[a]! - demands[b]!);
  let left = budget;
  for (const [done, i] of order.entries()) {
    const equal = Math.ceil(left / (order.length - done));
    shares[i] = Math.min(demands[i]!, equal);
    left -= shares[i]!;
  }
  return shares;
}

/** Contiguous pieces of a range, at most so many, none of them too small for a file of its own. */
export function split({ from, until }: OffsetRange, most: number): OffsetRange[] {
  const pieces = Math.max(1, Math.min(most, Math.floor((until - from) / MIN_TASK_OFFSETS)));
  const cut = (i: number) => from + Math.floor(((until - from) * i) / pieces);
  return Array.from({ length: pieces }, (_, i) => ({ from: cut(i), until: cut(i + 1) }));
}
