/**
 * Takes the end of a stopped broker's log away, as if it had never reached the disk.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { batchesOf } from '../../broker/protocol/record-batch.ts';

/**
 * Cuts the last batch off a partition whose log is one segment. Returns where it ends then. `recoveryPoint`: what the broker
 * believes to be on disk, by default all that is left.
 */
export function cutLastBatch(
  dataDir: string,
  { topic, partition = 0, recoveryPoint }: { topic: string; partition?: number; recoveryPoint?: number },
): number {
  const file = join(dataDir, `${topic}-${partition}`, `${'0'.repeat(20)}.log`);
  const last = [...batchesOf(fs.readFileSync(file))].at(-1)!;
  fs.truncateSync(file, last.at);
  const checkpoint = join(dataDir, 'recovery-points.json');
  const points = JSON.parse(fs.readFileSync(checkpoint, 'utf8')) as {
    recoveryPoints: Record<string, number>;
  };
  const { topicId } = JSON.parse(fs.readFileSync(join(dataDir, 'topics', `${topic}.json`), 'utf8')) as {
    topicId: string;
  };
  points.recoveryPoints[`${topicId}-${partition}`] = recoveryPoint ?? last.header.baseOffset;
  fs.writeFileSync(checkpoint, `${JSON.stringify(points)}\n`);
  return last.header.baseOffset;
}

/** The file that a partition is written to. */
export function lastSegmentOf(dataDir: string, topic: string, partition: number): string {
  const directory = join(dataDir, `${topic}-${partition}`);
  const last = fs
    .readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1)!;
  return join(directory, last);
}

/**
 * Cuts batches off the end of a segment: those that hold nothing below an offset. Batches of transactions stay, with all
 * before them: which of their markers were acknowledged nobody outside can tell.
 */
export function cutFrom(segment: string, offset: number): void {
  let end: number | undefined;
  for (const { at, header } of batchesOf(fs.readFileSync(segment))) {
    const isKept = header.baseOffset < offset || header.isTransactional || header.isControl;
    end = isKept ? undefined : (end ?? at);
  }
  if (end !== undefined) fs.truncateSync(segment, end);
}
