/**
 * ListOffsets: where a log begins (-2), ends (-1), has its greatest timestamp (-3, KIP-734), or the first record at or
 * after a time. A time after the last record is answered with offset -1. For a read_committed consumer the log ends at its
 * last stable offset.
 */
import type { Log } from '../log/log.ts';
import { listOffsets } from '../protocol/apis/list-offsets.ts';
import { KafkaError } from '../protocol/errors.ts';
import { checkLeaderEpoch, handler, orCode } from './handler.ts';

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const READ_COMMITTED = 1;

/** Answers requests for offsets. */
export const handleListOffsets = handler(listOffsets, async ({ topics, isolationLevel }, context) => ({
  topics: await Promise.all(
    topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(({ partitionIndex, currentLeaderEpoch, timestamp }) =>
          orCode(
            context,
            () => {
              const log = context.directory.log({ topic: name, partition: partitionIndex });
              checkLeaderEpoch(log, currentLeaderEpoch);
              return {
                partitionIndex,
                errorCode: 0,
                ...find(log, timestamp, isolationLevel === READ_COMMITTED),
              };
            },
            (errorCode) => ({ partitionIndex, errorCode }),
          ),
        ),
      ),
    })),
  ),
}));

function find(log: Log, timestamp: number, isCommitted: boolean) {
  if (log.failure) throw log.failure;
  const end = isCommitted ? log.lastStableOffset : log.highWatermark;
  if (timestamp === LATEST) return { offset: end, leaderEpoch: log.leaderEpoch };
  if (timestamp === EARLIEST) {
    return { offset: log.logStartOffset, leaderEpoch: log.epochAt(log.logStartOffset) };
  }
  if (timestamp < MAX_TIMESTAMP) throw new KafkaError('UNSUPPORTED_VERSION', `timestamp ${timestamp}`);
  const found = timestamp === MAX_TIMESTAMP ? log.offsetOfMaxTimestamp() : log.offsetSince(timestamp);
  if (found === undefined || found.offset >= end) return {};
  return { offset: found.offset, timestamp: found.timestampMs, leaderEpoch: Math.max(0, found.leaderEpoch) };
}
