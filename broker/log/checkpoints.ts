/**
 * The checkpoint files of a data directory, each with one offset per partition: up to where a log is on disk, and where
 * it begins since records were deleted by request, and up to where it was compacted.
 */
import type { Offset } from '../topic-partition.ts';
import {
  CLEANED_OFFSETS_FILE,
  COMPACTED_OFFSETS_FILE,
  RECOVERY_POINTS_FILE,
  START_OFFSETS_FILE,
} from './file-names.ts';
import { OffsetCheckpoint } from './offset-checkpoint.ts';

export class Checkpoints {
  /** Everything below is fsynced. */
  readonly recoveryPoints: OffsetCheckpoint;
  /** Where a log begins, if DeleteRecords moved that. */
  readonly startOffsets: OffsetCheckpoint;
  /** Up to where a log was compacted; below, and in the segment that begins there, offsets may be missing. */
  readonly cleanedOffsets: OffsetCheckpoint;
  /**
   * Up to where it was when compaction left transactions as they were: offsets may be missing there too, but a tombstone
   * may stand for a record that is still there, so all is compacted again.
   */
  readonly #formerOffsets: OffsetCheckpoint;

  private constructor(dataDir: string) {
    this.recoveryPoints = OffsetCheckpoint.open(dataDir, {
      file: RECOVERY_POINTS_FILE,
      member: 'recoveryPoints',
      without: 'every log will be verified as a whole at the next start',
    });
    this.startOffsets = OffsetCheckpoint.open(dataDir, {
      file: START_OFFSETS_FILE,
      member: 'startOffsets',
      without: 'deleted records whose segments are still there can be read again',
    });
    this.cleanedOffsets = OffsetCheckpoint.open(dataDir, {
      file: COMPACTED_OFFSETS_FILE,
      member: 'compactedOffsets',
      without: 'compacted logs are compacted from their beginning again',
    });
    this.#formerOffsets = OffsetCheckpoint.open(dataDir, {
      file: CLEANED_OFFSETS_FILE,
      member: 'cleanedOffsets',
      without: 'compacted logs are compacted from their beginning again',
    });
  }

  /** Reads the files. Throws an Error that names one which is not whole. */
  static open(dataDir: string): Checkpoints {
    return new Checkpoints(dataDir);
  }

  /** Where recovery may cut: nothing below a log's start is ever given out again, so it counts as fsynced. */
  uncuttable(topicId: string, partition: number): Offset {
    const known = [this.recoveryPoints, this.startOffsets].map((each) => each.get(topicId, partition) ?? 0);
    return Math.max(...known);
  }

  /** In the segments up to the one that begins here offsets may be missing; undefined: nothing was compacted. */
  gapsUntil(topicId: string, partition: number): Offset | undefined {
    const offsets = [this.cleanedOffsets, this.#formerOffsets].map((each) => each.get(topicId, partition));
    const known = offsets.filter((offset) => offset !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  }

  /** Forgets a partition whose files are gone. */
  delete(topicId: string, partition: number): void {
    this.recoveryPoints.delete(topicId, partition);
    this.startOffsets.delete(topicId, partition);
    this.cleanedOffsets.delete(topicId, partition);
  }
}
