/**
 * The checkpoint files of a data directory, each with one offset per partition: up to where a log is on disk, and where
 * it begins since records were deleted by request, and up to where it was compacted.
 */
import type { Offset } from '../topic-partition.ts';
import { CLEANED_OFFSETS_FILE, RECOVERY_POINTS_FILE, START_OFFSETS_FILE } from './file-names.ts';
import { OffsetCheckpoint } from './offset-checkpoint.ts';

export class Checkpoints {
  /** Everything below is fsynced. */
  readonly recoveryPoints: OffsetCheckpoint;
  /** Where a log begins, if DeleteRecords moved that. */
  readonly startOffsets: OffsetCheckpoint;

  /** Up to where a log was compacted; below, and in the segment that begins there, offsets may be missing. */
  readonly cleanedOffsets: OffsetCheckpoint;

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

  /** Forgets a partition whose files are gone. */
  delete(topicId: string, partition: number): void {
    this.recoveryPoints.delete(topicId, partition);
    this.startOffsets.delete(topicId, partition);
    this.cleanedOffsets.delete(topicId, partition);
  }
}
