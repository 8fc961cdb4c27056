/**
 * ListOffsets: where a log begins (-2), ends (-1), has its greatest timestamp (-3, KIP-734), or the first record at or
 * after a time. A time after the last record is answered with offset -1.
 */
import type { Log } from '../log/log.ts';
import { listOffsets } from '../protocol/apis/list-offsets.ts';
import { KafkaError } from '../protocol/errors.ts';
import { checkLeaderEpoch, handler, orCode } from './handler.ts';

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;

/** Answers requests for offsets. */
export const handleListOffsets = handler(listOffsets, async ({ topics }, context) => ({
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
              return { partitionIndex, errorCode: 0, ...find(log, timestamp) };
            },
            (errorCode) => ({ partitionIndex, errorCode }),
          ),
        ),
      ),
    })),
  ),
}));

function find(log: Log, timestamp: number) {
  if (log.failure) throw log.failure;
  if (timestamp === LATEST) return { offset: log.highWatermark, leaderEpoch: log.leaderEpoch };
  if (timestamp === EARLIEST) {
    return { offset: log.logStartOffset, leaderEpoch: log.epochAt(log.logStartOffset) };
  }
  if (timestamp < MAX_TIMESTAMP) throw new KafkaError('UNSUPPORTED_VERSION', `timestamp ${timestamp}`);
  const found = timestamp === MAX_TIMESTAMP ? log.offsetOfMaxTimestamp() : log.offsetSince(timestamp);
  if (found === undefined) return {};
  return { offset: found.offset, timestamp: found.timestampMs, leaderEpoch: Math.max(0, found.leaderEpoch) };
}
