/**
 * DeleteRecords: the log of a partition begins later from then on, durably. The files of whole segments go at once, the
 * rest with the segment that holds it.
 */
import { deleteRecords } from '../protocol/apis/delete-records.ts';
import { handler, orCode } from './handler.ts';

/** Answers requests to delete records. */
export const handleDeleteRecords = handler(deleteRecords, async ({ topics }, context) => ({
  topics: await Promise.all(
    topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(({ partitionIndex, offset }) =>
          orCode(
            context,
            async () => {
              const tp = { topic: name, partition: partitionIndex };
              const lowWatermark = await context.directory.deleteRecords(tp, offset);
              return { partitionIndex, lowWatermark, errorCode: 0 };
            },
            (errorCode) => ({ partitionIndex, errorCode }),
          ),
        ),
      ),
    })),
  ),
}));
