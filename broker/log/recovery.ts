/**
 * Opens the files of one partition after a stop, clean or not, by Kafka's rules (LogLoader, LogSegment.recover) with one
 * stricter: a single broker has no replica to fetch from, so what lies below the recovery point, which was fsynced and
 * may have been read and counted, is never cut away. Damage there refuses the partition; damage above it is a torn tail,
 * which is cut at the first batch that is not whole, and later segments with it.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Offset } from '../topic-partition.ts';
import { readIfThere, replaceFile, syncDirectory } from './durable-file.ts';
import { DELETED_SUFFIX, LEADER_EPOCHS_FILE, parseSegmentFileName, TEMPORARY_SUFFIX } from './file-names.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { recoverProducers } from './producer-snapshots.ts';
import type { ProducerState } from './producer-state.ts';
import { Segment } from './segment.ts';
import { completeSwaps } from './segment-swap.ts';

/** Damage that must not be repaired by forgetting: the partition stays shut until a person has decided. */
export class LogDamagedError extends Error {
  override name = 'LogDamagedError';
}

export interface RecoveryInput {
  directory: string;
  indexIntervalBytes: number;
  /** Every offset below it was fsynced. */
  recoveryPoint: Offset;
  /** Whether the broker was stopped in order; then the log must end at the recovery point and is not scanned. */
  cleanStop: boolean;
  /** Whether offsets may be missing in the segment that begins at an offset: it may have been compacted. */
  mayHaveGaps(baseOffset: Offset): boolean;
  nowMs: number;
  /** Told of what was cut or rebuilt. */
  warn(message: string): void;
}

export interface RecoveredLog {
  segments: Segment[];
  epochs: LeaderEpochs;
  producers: ProducerState;
}

/** Opens a partition's directory. Throws LogDamagedError, or the system's errors. */
export function recoverLog(input: RecoveryInput): RecoveredLog {
  removeLeftovers(input.directory);
  const bases = segmentBases(input.directory);
  if (bases.length === 0) bases.push(createFirstSegment(input));
  const segments = bases.map((base) => {
    const segment = new Segment(input.directory, base, input.indexIntervalBytes, input.nowMs);
    segment.hasGaps = input.mayHaveGaps(base);
    return segment;
  });
  const isClean = input.cleanStop && loadedCleanly(segments, input);
  const kept = isClean ? segments : scanSegments(segments, input);
  const logEnd = lastOf(kept).endOffset;
  const epochs = recoverEpochs(kept, input.directory, logEnd);
  if (!isClean || epochs.current < 0) {
    epochs.begin(epochs.current + 1, logEnd);
    replaceFile(path.join(input.directory, LEADER_EPOCHS_FILE), epochs.encode());
  }
  const unindexed = kept.filter(({ aborted }) => !aborted.isKnown);
  const producers = recoverProducers({
    ...input,
    logEnd,
    replayFrom: unindexed[0]?.baseOffset ?? logEnd,
    batchesFrom: (offset) => batchesFrom(kept, offset),
    ended: (transaction) => {
      if (transaction.outcome !== 'abort') return;
      const { lastOffset } = transaction;
      unindexed
        .find(({ baseOffset, endOffset }) => baseOffset <= lastOffset && lastOffset < endOffset)
        ?.aborted.add(transaction);
    },
  });
  for (const segment of kept) {
    segment.saveIndexes();
    segment.close();
  }
  return { segments: kept, epochs, producers };
}

function lastOf(segments: readonly Segment[]): Segment {
  const last = segments.at(-1);
  if (last === undefined) throw new LogDamagedError('a log without segments');
  return last;
}

function removeLeftovers(directory: string): void {
  completeSwaps(directory);
  for (const name of fs.readdirSync(directory)) {
    if (name.endsWith(DELETED_SUFFIX) || name.endsWith(TEMPORARY_SUFFIX)) {
      fs.rmSync(path.join(directory, name), { force: true });
    }
  }
}

function segmentBases(directory: string): Offset[] {
  return fs
    .readdirSync(directory)
    .map(parseSegmentFileName)
    .filter((parsed) => parsed?.kind === 'log')
    .map((parsed) => parsed?.offset ?? 0)
    .sort((a, b) => a - b);
}

function createFirstSegment({ directory, recoveryPoint, indexIntervalBytes, nowMs }: RecoveryInput): Offset {
  if (recoveryPoint > 0) {
    throw new LogDamagedError(
      `${directory} holds no segment, but offsets below ${recoveryPoint} were on disk; restore its files from a copy, or delete the topic`,
    );
  }
  new Segment(directory, 0, indexIntervalBytes, nowMs).create();
  syncDirectory(directory);
  return 0;
}

/** Loads by the indexes; false if anything is not as a clean stop leaves it, so that all has to be scanned. */
function loadedCleanly(segments: readonly Segment[], { recoveryPoint, warn }: RecoveryInput): boolean {
  for (const [i, segment] of segments.entries()) {
    const { reason } = segment.load();
    const expectedEnd = segments[i + 1]?.baseOffset ?? recoveryPoint;
    if (reason !== undefined || segment.endOffset !== expectedEnd) {
      warn(`${segment.file} ends at offset ${segment.endOffset}, not ${expectedEnd}: scanning the log`);
      return false;
    }
    segment.saveIndexes();
    segment.close();
  }
  return true;
}

function damaged(segment: Segment, reason: string, recoveryPoint: Offset): LogDamagedError {
  return new LogDamagedError(
    `${segment.file} is damaged at offset ${segment.endOffset} (${reason}), below the recovery point ${recoveryPoint}: ` +
      'nothing was cut; restore the file from a copy, or delete the topic',
  );
}

/** Verifies what lies above the recovery point and cuts the torn tail. Returns the segments that stay. */
function scanSegments(segments: Segment[], input: RecoveryInput): Segment[] {
  const recoveryPoint = Math.max(input.recoveryPoint, segments[0]?.baseOffset ?? 0);
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    const isSynced = next !== undefined && next.baseOffset <= recoveryPoint;
    const { reason, position } = isSynced ? segment.load() : segment.rebuild({ checkCrc: true });
    const whole = reason === undefined && (next === undefined || segment.endOffset === next.baseOffset);
    if (whole) {
      if (!isSynced) fs.fsyncSync(segment.descriptor());
      segment.saveIndexes();
      segment.close();
      continue;
    }
    const problem = reason ?? `the next segment begins at ${next?.baseOffset}`;
    if (segment.endOffset < recoveryPoint) throw damaged(segment, problem, recoveryPoint);
    return cutTail(segments, i, position, problem, input);
  }
  const end = lastOf(segments).endOffset;
  if (end < recoveryPoint) throw damaged(lastOf(segments), 'the log ends there', recoveryPoint);
  return segments;
}

function cutTail(
  segments: Segment[],
  at: number,
  position: number,
  problem: string,
  input: RecoveryInput,
): Segment[] {
  const segment = segments[at] as Segment;
  const cutBytes = segment.sizeBytes - position;
  segment.truncate(position);
  for (const later of segments.slice(at + 1).reverse()) later.delete();
  syncDirectory(input.directory);
  input.warn(
    `${segment.file}: cut ${cutBytes} bytes after offset ${segment.endOffset} and ${segments.length - at - 1} later segments (${problem}); none of it was known to be on disk`,
  );
  return segments.slice(0, at + 1);
}

/** The epochs file, or what the batches themselves bear if it is lost. */
function recoverEpochs(segments: readonly Segment[], directory: string, logEnd: Offset): LeaderEpochs {
  const text = readIfThere(path.join(directory, LEADER_EPOCHS_FILE));
  const stored = text === undefined ? undefined : LeaderEpochs.decode(text);
  const epochs = stored ?? new LeaderEpochs();
  if (stored === undefined) {
    for (const { header } of batchesFrom(segments, 0)) epochs.observe(header.leaderEpoch, header.baseOffset);
  }
  if (epochs.starts.some(({ startOffset }) => startOffset > logEnd)) {
    // Its offsets may be given out again: the epoch that comes next must be above the ones forgotten here.
    const highest = epochs.current;
    epochs.truncate(logEnd + 1);
    epochs.begin(highest + 1, logEnd);
  }
  return epochs;
}

function* batchesFrom(segments: readonly Segment[], offset: Offset) {
  for (const segment of segments) if (segment.endOffset > offset) yield* segment.batchesFrom(offset);
}
