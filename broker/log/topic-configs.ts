/**
 * Every setting that Kafka 3.0 knows of a topic, and one of ours, as one table: its type, the broker's setting behind it,
 * the values served and a sentence for DescribeConfigs and the documents. A setting that would do nothing here is known
 * with the one value that is true, and refused with any other, so that no topic bears a setting that does not act.
 */
import type { Settings } from '../../config/settings.ts';

export type LogSettings = Settings['broker']['log'];

/** The broker's settings that a topic may override. */
export type Overridable = Pick<
  LogSettings,
  | 'retentionMs'
  | 'retentionBytes'
  | 'segmentBytes'
  | 'segmentMs'
  | 'indexIntervalBytes'
  | 'maxMessageBytes'
  | 'cleanupPolicy'
  | 'deleteRetentionMs'
  | 'minCompactionLagMs'
  | 'maxCompactionLagMs'
  | 'minCleanableDirtyRatio'
  | 'messageTimestampType'
  | 'flushMessages'
  | 'flushIntervalMs'
  | 'retentionRequiresLoad'
>;

/** Types of settings as DescribeConfigs numbers them (org.apache.kafka.common.requests.DescribeConfigsResponse.ConfigType). */
export const CONFIG_TYPES = { BOOLEAN: 1, STRING: 2, INT: 3, LONG: 5, DOUBLE: 6, LIST: 7 } as const;

/** What a setting takes. */
export type Values =
  | {
      kind: 'number';
      min: number;
      max: number;
      /** Taken beside the range, for "no limit": -1, or Kafka's largest number. */
      off?: '-1' | typeof LONG_MAX;
    }
  | { kind: 'ratio' }
  | { kind: 'words'; words: readonly string[] }
  /** One or several of the words, in any order. */
  | { kind: 'list'; words: readonly string[] }
  /** Only the default is served. */
  | { kind: 'fixed' };

/** One setting of topics. */
export interface TopicConfig {
  type: keyof typeof CONFIG_TYPES;
  /** The setting that stands behind it, by which it acts; without one it is fixed. */
  setting?: keyof Overridable;
  /** Name of the broker's setting in Kafka. */
  brokerName?: string;
  /** As a text; a test holds it equal to the default of `setting`. */
  default: string;
  values: Values;
  help: string;
}

/** Kafka's word for no limit. Numbers above 2^53 - 1 are taken and count as that. */
export const LONG_MAX = '9223372036854775807';
const MAX = Number.MAX_SAFE_INTEGER;
const MAX_INT32 = 2 ** 31 - 1;

const number = (min: number, max: number): Values => ({ kind: 'number', min, max });
const numberOrOff = (min: number, off: '-1' | typeof LONG_MAX): Values => ({
  kind: 'number',
  min,
  max: MAX,
  off,
});
const FIXED: Values = { kind: 'fixed' };

/** All settings, by name. */
export const TOPIC_CONFIGS: Record<string, TopicConfig> = {
  'cleanup.policy': {
    type: 'LIST',
    setting: 'cleanupPolicy',
    brokerName: 'log.cleanup.policy',
    default: 'delete',
    values: { kind: 'list', words: ['compact', 'delete'] },
    help: 'delete: old segments are deleted; compact: the last record of each key is kept; both: first compacted, then deleted',
  },
  'compression.type': {
    type: 'STRING',
    brokerName: 'compression.type',
    default: 'producer',
    values: FIXED,
    help: 'batches are kept in the codec of their producer',
  },
  'delete.retention.ms': {
    type: 'LONG',
    setting: 'deleteRetentionMs',
    brokerName: 'log.cleaner.delete.retention.ms',
    default: '86400000',
    values: number(0, MAX),
    help: 'a tombstone stays readable this long after the compaction that took away what it deletes',
  },
  'file.delete.delay.ms': {
    type: 'LONG',
    brokerName: 'log.segment.delete.delay.ms',
    default: '0',
    values: FIXED,
    help: 'files of deleted segments are removed at once',
  },
  'flush.messages': {
    type: 'LONG',
    setting: 'flushMessages',
    brokerName: 'log.flush.interval.messages',
    default: LONG_MAX,
    values: numberOrOff(1, LONG_MAX),
    help: 'fsync after so many records; 1: acks=all is answered, and records are seen, only after fsync',
  },
  'flush.ms': {
    type: 'LONG',
    setting: 'flushIntervalMs',
    brokerName: 'log.flush.interval.ms',
    default: '1000',
    values: number(0, MAX),
    help: 'the longest that a written record may wait for fsync',
  },
  'follower.replication.throttled.replicas': {
    type: 'LIST',
    default: '',
    values: FIXED,
    help: 'there are no replicas',
  },
  'index.interval.bytes': {
    type: 'INT',
    setting: 'indexIntervalBytes',
    brokerName: 'log.index.interval.bytes',
    default: '4096',
    values: number(256, 16 * 1024 ** 2),
    help: 'log bytes between two entries of the sparse indexes, of segments begun from now on',
  },
  'leader.replication.throttled.replicas': {
    type: 'LIST',
    default: '',
    values: FIXED,
    help: 'there are no replicas',
  },
  'max.compaction.lag.ms': {
    type: 'LONG',
    setting: 'maxCompactionLagMs',
    brokerName: 'log.cleaner.max.compaction.lag.ms',
    default: LONG_MAX,
    values: numberOrOff(1, LONG_MAX),
    help: 'a record is compacted at the latest this long after it was appended, whatever the dirty ratio',
  },
  'max.message.bytes': {
    type: 'INT',
    setting: 'maxMessageBytes',
    brokerName: 'message.max.bytes',
    default: '1048588',
    values: number(0, MAX_INT32),
    help: 'largest record batch taken from a producer',
  },
  'message.downconversion.enable': {
    type: 'BOOLEAN',
    brokerName: 'log.message.downconversion.enable',
    default: 'false',
    values: FIXED,
    help: 'batches are never converted to older formats',
  },
  'message.format.version': {
    type: 'STRING',
    brokerName: 'log.message.format.version',
    default: '3.0-IV1',
    values: FIXED,
    help: 'format 2 is the only one',
  },
  'message.timestamp.difference.max.ms': {
    type: 'LONG',
    brokerName: 'log.message.timestamp.difference.max.ms',
    default: LONG_MAX,
    values: FIXED,
    help: 'the time of a record may be any',
  },
  'message.timestamp.type': {
    type: 'STRING',
    setting: 'messageTimestampType',
    brokerName: 'log.message.timestamp.type',
    default: 'CreateTime',
    values: { kind: 'words', words: ['CreateTime', 'LogAppendTime'] },
    help: "CreateTime: a record has its producer's time; LogAppendTime: the broker's clock at the append",
  },
  'min.cleanable.dirty.ratio': {
    type: 'DOUBLE',
    setting: 'minCleanableDirtyRatio',
    brokerName: 'log.cleaner.min.cleanable.ratio',
    default: '0.5',
    values: { kind: 'ratio' },
    help: 'a log is compacted when more than this share of its bytes was not compacted yet',
  },
  'min.compaction.lag.ms': {
    type: 'LONG',
    setting: 'minCompactionLagMs',
    brokerName: 'log.cleaner.min.compaction.lag.ms',
    default: '0',
    values: number(0, MAX),
    help: 'no segment is compacted sooner after its last append',
  },
  'min.insync.replicas': {
    type: 'INT',
    brokerName: 'min.insync.replicas',
    default: '1',
    values: FIXED,
    help: 'there is one replica',
  },
  preallocate: {
    type: 'BOOLEAN',
    brokerName: 'log.preallocate',
    default: 'false',
    values: FIXED,
    help: 'segments grow as they are written',
  },
  'retention.bytes': {
    type: 'LONG',
    setting: 'retentionBytes',
    brokerName: 'log.retention.bytes',
    default: '-1',
    values: numberOrOff(0, '-1'),
    help: 'oldest segments of a partition are deleted above this; -1: kept',
  },
  'retention.ms': {
    type: 'LONG',
    setting: 'retentionMs',
    brokerName: 'log.retention.ms',
    default: '604800000',
    values: numberOrOff(0, '-1'),
    help: 'segments not appended to for this long, by the clock of the broker, are deleted; -1: kept',
  },
  'retention.requires.load': {
    type: 'BOOLEAN',
    setting: 'retentionRequiresLoad',
    brokerName: 'log.retention.requires.load',
    default: 'false',
    values: { kind: 'words', words: ['true', 'false'] },
    help: 'true: no retention deletes what the loader has not reported as loaded (not of Kafka)',
  },
  'segment.bytes': {
    type: 'INT',
    setting: 'segmentBytes',
    brokerName: 'log.segment.bytes',
    default: '1073741824',
    values: number(14, MAX_INT32),
    help: 'a segment is rolled when it would grow past this; no batch may be larger',
  },
  'segment.index.bytes': {
    type: 'INT',
    brokerName: 'log.index.size.max.bytes',
    default: '10485760',
    values: FIXED,
    help: 'indexes grow as they are needed',
  },
  'segment.jitter.ms': {
    type: 'LONG',
    brokerName: 'log.roll.jitter.ms',
    default: '0',
    values: FIXED,
    help: 'rolling by time is not spread',
  },
  'segment.ms': {
    type: 'LONG',
    setting: 'segmentMs',
    brokerName: 'log.roll.ms',
    default: '604800000',
    values: number(1, MAX),
    help: 'a segment is rolled this long after its first append',
  },
  'unclean.leader.election.enable': {
    type: 'BOOLEAN',
    brokerName: 'unclean.leader.election.enable',
    default: 'false',
    values: FIXED,
    help: 'there is one replica',
  },
};
