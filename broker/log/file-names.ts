/**
 * Every name that the broker gives to a file or directory under its data directory, made and parsed in one place. Names
 * of segment files are Kafka's own: the base offset in 20 digits, so that a plain `ls` sorts them by offset.
 */
import { isTopicName, type Offset, type TopicPartition, topicPartitionName } from '../topic-partition.ts';

const OFFSET_DIGITS = 20;
const SEGMENT_FILE = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/;
const PARTITION_DIRECTORY = /^(.+)-(0|[1-9]\d{0,9})$/;

/** Ends the name of what is being deleted: whatever is found with it at the next start is removed. */
export const DELETED_SUFFIX = '.deleted';
/** Ends the name of a file being written beside the one it will replace. */
export const TEMPORARY_SUFFIX = '.tmp';
/** Ends the name of a compacted segment being written: removed at the next start. */
export const CLEANED_SUFFIX = '.cleaned';
/** Ends the name of a compacted segment that replaces others: the next start ends what was begun. */
export const SWAP_SUFFIX = '.swap';
/** Directory of the topic descriptions; its name can never be a partition's, which ends with a dash and a number. */
export const TOPICS_DIRECTORY = 'topics';
/** Held by the running broker; the file holds its process id. */
export const LOCK_FILE = '.lock';
/** Cluster and node id. */
export const META_FILE = 'meta.json';
/** Recovery points of all partitions. */
export const RECOVERY_POINTS_FILE = 'recovery-points.json';
/** Up to where logs were compacted. */
export const COMPACTED_OFFSETS_FILE = 'compacted-offsets.json';
/** The same, from before transactions took part in compaction. */
export const CLEANED_OFFSETS_FILE = 'cleaned-offsets.json';
/** Where logs begin whose records were deleted by DeleteRecords. */
export const START_OFFSETS_FILE = 'log-start-offsets.json';
/** There exactly while the broker is stopped after a clean shutdown. */
export const CLEAN_SHUTDOWN_FILE = 'clean-shutdown';
/** The next block of producer ids. */
export const PRODUCER_IDS_FILE = 'producer-ids.json';
/** Which leader epoch begins at which offset, one file per partition. */
export const LEADER_EPOCHS_FILE = 'leader-epoch-checkpoint';

export type SegmentFileKind = 'log' | 'index' | 'timeindex' | 'txnindex' | 'snapshot';

/** `00000000000000000042.log`: the file of that kind that begins at (for a snapshot: was taken at) an offset. */
export function segmentFileName(offset: Offset, kind: SegmentFileKind): string {
  return `${String(offset).padStart(OFFSET_DIGITS, '0')}.${kind}`;
}

/** The offset and kind in a segment file's name, or undefined for any other name. */
export function parseSegmentFileName(name: string): { offset: Offset; kind: SegmentFileKind } | undefined {
  const match = SEGMENT_FILE.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[1]);
  return Number.isSafeInteger(offset) ? { offset, kind: match[2] as SegmentFileKind } : undefined;
}

/** `topic-3`, as Kafka names it. */
export function partitionDirectoryName(tp: TopicPartition): string {
  return topicPartitionName(tp);
}

/** The partition a directory holds, or undefined if its name is no partition's. */
export function parsePartitionDirectoryName(name: string): TopicPartition | undefined {
  const match = PARTITION_DIRECTORY.exec(name);
  const topic = match?.[1];
  if (topic === undefined || !isTopicName(topic) || name.endsWith(DELETED_SUFFIX)) return undefined;
  return { topic, partition: Number(match?.[2]) };
}

/** Directory of a partition whose topic is being deleted. By topic id: the name may be taken again at once. */
export function deletedDirectoryName(topicId: string, partition: number): string {
  return `${topicId}-${partition}${DELETED_SUFFIX}`;
}

/** Description of a topic, inside `TOPICS_DIRECTORY`. */
export function topicFileName(topic: string): string {
  return `${topic}.json`;
}
