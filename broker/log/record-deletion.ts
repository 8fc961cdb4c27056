/**
 * Deleting records by request: the log begins later, durably, before anyone is told. Whole segments before the new start
 * are removed; what shares a segment with later records goes with that.
 */
import { KafkaError } from '../protocol/errors.ts';
import type { Offset } from '../topic-partition.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { OwnedLog } from './housekeeping.ts';
import { isDeleting } from './log-config.ts';
import { segmentsBeforeStart } from './retention.ts';

/** In a request: everything that consumers can see. */
const HIGH_WATERMARK = -1;

/**
 * Has a log begin at an offset. Resolves, when that is durable, to where it begins. Throws OFFSET_OUT_OF_RANGE, or
 * POLICY_VIOLATION for a log that is compacted only.
 */
export async function deleteRecordsBefore(
  { topicId, log }: OwnedLog,
  before: Offset,
  { startOffsets }: Checkpoints,
): Promise<Offset> {
  if (log.failure) throw log.failure;
  if (!isDeleting(log.config)) throw new KafkaError('POLICY_VIOLATION', `${log.name} is compacted only`);
  const start = before === HIGH_WATERMARK ? log.highWatermark : before;
  if (start < 0 || start > log.highWatermark) {
    throw new KafkaError('OFFSET_OUT_OF_RANGE', `${log.name} ends at ${log.highWatermark}, before ${before}`);
  }
  if (start <= log.logStartOffset) return log.logStartOffset;
  // The log's end must never be below its start, whatever a crash takes away.
  await log.sync();
  if (log.failure) throw log.failure;
  const { partition } = log.tp;
  startOffsets.set(topicId, partition, Math.max(start, startOffsets.get(topicId, partition) ?? 0));
  await startOffsets.write();
  log.startOffset = Math.max(start, log.startOffset);
  for (let i = segmentsBeforeStart(log); i > 0; i--) await log.deleteOldestSegment();
  return log.logStartOffset;
}
