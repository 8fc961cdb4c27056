/**
 * The snapshot files of a partition's producer state: `OFFSET.snapshot`, what was known when the log ended at OFFSET.
 * Written without fsync: one cut by a crash is recognised, and an older one serves, or the log itself.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Offset } from '../topic-partition.ts';
import { readIfThere } from './durable-file.ts';
import { parseSegmentFileName, segmentFileName, TEMPORARY_SUFFIX } from './file-names.ts';
import type { EndedTransaction } from './open-transactions.ts';
import { ProducerState } from './producer-state.ts';
import type { LoggedBatch } from './segment.ts';

/** Snapshots kept per partition; the older one serves if the newer was cut. */
const KEPT_SNAPSHOTS = 2;

function snapshotOffsets(directory: string): Offset[] {
  return fs
    .readdirSync(directory)
    .map(parseSegmentFileName)
    .filter((parsed) => parsed?.kind === 'snapshot')
    .map((parsed) => parsed?.offset ?? 0)
    .sort((a, b) => a - b);
}

/** Where the oldest snapshot was taken; infinite without one. */
export function oldestSnapshot(directory: string): Offset {
  return snapshotOffsets(directory)[0] ?? Number.POSITIVE_INFINITY;
}

function snapshotFile(directory: string, offset: Offset): string {
  return path.join(directory, segmentFileName(offset, 'snapshot'));
}

/** Writes the state of a log that ends at `offset`, and removes snapshots no longer needed. */
export function writeSnapshot(directory: string, offset: Offset, state: ProducerState): void {
  const file = snapshotFile(directory, offset);
  fs.writeFileSync(`${file}${TEMPORARY_SUFFIX}`, state.encode());
  fs.renameSync(`${file}${TEMPORARY_SUFFIX}`, file);
  for (const old of snapshotOffsets(directory).slice(0, -KEPT_SNAPSHOTS)) {
    fs.rmSync(snapshotFile(directory, old), { force: true });
  }
}

export interface SnapshotInput {
  directory: string;
  logEnd: Offset;
  /** No snapshot above it is used, so that every transaction that ended behind it is seen again. */
  replayFrom: Offset;
  /** All batches that hold an offset or follow it. */
  batchesFrom(offset: Offset): Iterable<LoggedBatch>;
  /** Told of each transaction that ended behind the snapshot. */
  ended(transaction: EndedTransaction): void;
  nowMs: number;
  warn(message: string): void;
}

/** The newest usable snapshot, completed from the batches behind it; all batches if there is none. */
export function recoverProducers({
  directory,
  logEnd,
  replayFrom,
  batchesFrom,
  ended,
  nowMs,
  warn,
}: SnapshotInput): ProducerState {
  let state = new ProducerState();
  let from = 0;
  for (const offset of snapshotOffsets(directory).reverse()) {
    const file = snapshotFile(directory, offset);
    if (offset > logEnd) {
      fs.rmSync(file, { force: true });
      continue;
    }
    if (offset > replayFrom) continue;
    const decoded = ProducerState.decode(readIfThere(file) ?? '');
    if (decoded !== undefined) {
      state = decoded;
      from = offset;
      break;
    }
    warn(`${file} is not whole: using an older one`);
  }
  for (const { header, outcome } of batchesFrom(from)) {
    if (header.baseOffset < from) continue;
    const transaction = state.update(header, header.baseOffset, nowMs, outcome);
    if (transaction !== undefined) ended(transaction);
  }
  return state;
}
