/**
 * Which segments retention may take from a topic with `retention.requires.load`: those wholly below the offset that the
 * loader has reported. Nothing reported means nothing loaded. An offset reported for records that the broker lost since,
 * and whose offsets it gave to others, is recognised by its leader epoch and counts only up to where that epoch ends.
 */
import type { Offset } from '../topic-partition.ts';
import type { Log } from './log.ts';

/** What the loader reported of a partition. */
export interface LoadedOffset {
  offset: Offset;
  /** Of the last record loaded; -1: not known. */
  leaderEpoch: number;
}

/** Everything below the result is loaded. */
function loadedBelow(log: Pick<Log, 'endOfEpoch'>, told: LoadedOffset | undefined): Offset {
  if (told === undefined) return 0;
  const { offset, leaderEpoch } = told;
  if (leaderEpoch < 0) return offset;
  const end = log.endOfEpoch(leaderEpoch);
  return end?.leaderEpoch === leaderEpoch ? Math.min(offset, end.endOffset) : 0;
}

/** How many of its oldest segments a log can spare; the active one counts too, which has to be rolled first. */
export function sparableSegments(
  log: Pick<Log, 'segments' | 'config' | 'endOfEpoch'>,
  told: () => LoadedOffset | undefined,
): number {
  const { segments } = log;
  if (!log.config.retentionRequiresLoad) return segments.length;
  const loaded = loadedBelow(log, told());
  const kept = segments.findIndex(({ endOffset }) => endOffset > loaded);
  return kept < 0 ? segments.length : kept;
}
