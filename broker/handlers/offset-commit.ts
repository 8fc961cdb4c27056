/**
 * OffsetCommit: partitions that aren't there, offsets that are none and too long texts are refused by themselves; the
 * others are committed together.
 */
import type { OffsetCommit } from '../groups/committed-offsets.ts';
import { offsetCommit } from '../protocol/apis/offset-commit.ts';
import { codeOf, type ErrorName } from '../protocol/errors.ts';
import type { Request } from '../protocol/schema.ts';
import { handler, type RequestContext } from './handler.ts';

type PartitionRequest = Request<typeof offsetCommit>['topics'][number]['partitions'][number];

/** The broker's own retention holds. */
const NO_RETENTION = -1;

/** Answers commits of offsets. */
export const handleOffsetCommit = handler(offsetCommit, async (request, context) => {
  const { retentionTimeMs } = request;
  const committedMs = context.now();
  const expiresMs = retentionTimeMs === NO_RETENTION ? undefined : committedMs + Math.max(0, retentionTimeMs);
  const offsets: OffsetCommit[] = [];
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((each) => {
      const { partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata } = each;
      const error = offsetProblem(name, each, context);
      if (error === undefined) {
        const metadata = committedMetadata ?? '';
        const leaderEpoch = committedLeaderEpoch;
        const committed = { offset: committedOffset, leaderEpoch, metadata, committedMs, expiresMs };
        offsets.push({ topic: name, partition: partitionIndex, committed });
      }
      return { partitionIndex, error };
    }),
  }));
  const answer = await context.groups.ask({
    kind: 'commit',
    groupId: request.groupId,
    generation: request.generationId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    offsets,
  });
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, error }) => ({
        partitionIndex,
        errorCode: codeOf(error ?? answer.error),
      })),
    })),
  };
});

/** What stands against committing an offset of a partition. */
export function offsetProblem(
  topic: string,
  {
    partitionIndex,
    committedOffset,
    committedMetadata,
  }: Pick<PartitionRequest, 'partitionIndex' | 'committedOffset' | 'committedMetadata'>,
  { directory, settings }: RequestContext,
): ErrorName | undefined {
  const partitions = directory.topics.get(topic)?.partitions ?? 0;
  if (partitionIndex < 0 || partitionIndex >= partitions) return 'UNKNOWN_TOPIC_OR_PARTITION';
  if (committedOffset < 0) return 'INVALID_REQUEST';
  const bytes = Buffer.byteLength(committedMetadata ?? '');
  return bytes > settings.groups.offsetMetadataBytes ? 'OFFSET_METADATA_TOO_LARGE' : undefined;
}
