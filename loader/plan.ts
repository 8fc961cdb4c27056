/**
 * Decides, from plain numbers and without any I/O, what a run reads: one range per partition, fairly cut by the run's
 * budget, and split into sub-ranges where one partition would keep a worker busy while the others have nothing left to do.
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
  /** A sub-range below this is not worth a file of its own. */
  taskOffsets: number;
}

/** Plans a run; partitions without anything to read are left out. Largest ranges come first, so that the pool ends evenly. */
export function planLoad(
  views: readonly PartitionView[],
  { maxEvents, workers, taskOffsets }: PlanLimits,
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
  const total = shares.reduce((sum, offsets) => sum + offsets, 0);
  // As many parts as workers would have to share in it for all to end together.
  const parts = ({ from, until }: OffsetRange) => Math.ceil(((until - from) * workers) / total);
  return planned
    .map(({ partition, range }) => ({ partition, range, tasks: split(range, parts(range), taskOffsets) }))
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
export function split({ from, until }: OffsetRange, most: number, taskOffsets: number): OffsetRange[] {
  const pieces = Math.max(1, Math.min(most, Math.floor((until - from) / taskOffsets)));
  const cut = (i: number) => from + Math.floor(((until - from) * i) / pieces);
  return Array.from({ length: pieces }, (_, i) => ({ from: cut(i), until: cut(i + 1) }));
}
