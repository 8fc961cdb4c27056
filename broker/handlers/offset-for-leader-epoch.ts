/**
 * OffsetForLeaderEpoch: where an epoch ended, so that a client whose last record was cut away finds out (KIP-320).
 */
import { offsetForLeaderEpoch } from '../protocol/apis/offset-for-leader-epoch.ts';
import { checkLeaderEpoch, handler, orCode } from './handler.ts';

/** Answers requests for the end of a leader epoch; -1 where nothing is known of it. */
export const handleOffsetForLeaderEpoch = handler(offsetForLeaderEpoch, async ({ topics }, context) => ({
  topics: await Promise.all(
    topics.map(async ({ topic, partitions }) => ({
      topic,
      partitions: await Promise.all(
        partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) =>
          orCode(
            context,
            () => {
              const log = context.directory.log({ topic, partition });
              checkLeaderEpoch(log, currentLeaderEpoch);
              return { partition, errorCode: 0, ...log.endOfEpoch(leaderEpoch) };
            },
            (errorCode) => ({ partition, errorCode }),
          ),
        ),
      ),
    })),
  ),
}));
