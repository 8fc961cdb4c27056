/** The branch `broker` of the settings, with that of its logs. */
import { z } from 'zod';
import { bytes, DAY, GiB, HOUR, KiB, MiB, ms, orOff, port, SECOND } from './setting-kinds.ts';

const log = z.strictObject({
  segmentBytes: bytes(64 * KiB, 2 * GiB - 1)
    .default(GiB)
    .describe('a segment is rolled when it would grow past this'),
  segmentMs: ms(SECOND, 365 * DAY)
    .default(7 * DAY)
    .describe('a segment is rolled this long after its first append'),
  indexIntervalBytes: bytes(256, 16 * MiB)
    .default(4 * KiB)
    .describe('log bytes between two entries of the sparse indexes'),
  retentionMs: orOff(ms(SECOND, 100 * 365 * DAY))
    .default(7 * DAY)
    .describe('segments not appended to for this long, by the clock of the broker, are deleted; -1: kept'),
  retentionBytes: orOff(bytes(64 * KiB, Number.MAX_SAFE_INTEGER))
    .default(-1)
    .describe('oldest segments of a partition are deleted above this; -1: kept'),
  totalBytes: orOff(bytes(MiB, Number.MAX_SAFE_INTEGER))
    .default(-1)
    .describe('disk budget of all partitions together: oldest segments go first; -1: none'),
  retentionCheckIntervalMs: ms(100, DAY)
    .default(5 * 60 * SECOND)
    .describe('time between two looks for segments to delete'),
  flush: z
    .enum(['interval', 'acks'])
    .default('interval')
    .describe(
      'interval: fsync every flushIntervalMs; acks: acks=all is answered only after fsync (group commit)',
    ),
  flushIntervalMs: ms(10, HOUR)
    .default(SECOND)
    .describe('the longest that an acknowledged record may wait for fsync under flush=interval'),
  maxMessageBytes: bytes(KiB, GiB)
    .default(MiB + 12)
    .describe('largest record batch taken from a producer'),
  producerIdExpirationMs: ms(SECOND, 365 * DAY)
    .default(DAY)
    .describe('state of an idempotent producer is forgotten after this idle time'),
  flushMessages: orOff(z.int().min(1).max(Number.MAX_SAFE_INTEGER))
    .default(-1)
    .describe('fsync after so many records of a partition; 1: as flush=acks; -1: by time alone'),
  messageTimestampType: z
    .enum(['CreateTime', 'LogAppendTime'])
    .default('CreateTime')
    .describe("whose time a record has: its producer's, or the broker's at the append"),
  cleanupPolicy: z
    .enum(['delete', 'compact', 'compact,delete'])
    .default('delete')
    .describe(
      'what becomes of old segments: deleted, compacted (the last record of each key is kept), or both',
    ),
  deleteRetentionMs: ms(0, 100 * 365 * DAY)
    .default(DAY)
    .describe('a tombstone stays readable this long after the compaction that took away what it deletes'),
  minCompactionLagMs: ms(0, 100 * 365 * DAY)
    .default(0)
    .describe('no segment is compacted sooner after its last append'),
  maxCompactionLagMs: orOff(ms(1, 100 * 365 * DAY))
    .default(-1)
    .describe('compacted at the latest this long after the append, whatever the dirty ratio; -1: no limit'),
  minCleanableDirtyRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('a log is compacted when more than this share of its bytes was not compacted yet'),
  cleanerIntervalMs: ms(100, DAY)
    .default(15 * SECOND)
    .describe('time between two looks for logs to compact'),
  cleanerMapBytes: bytes(KiB, 2 * GiB)
    .default(32 * MiB)
    .describe('memory for the keys of one compaction, about 30 bytes each; more keys take several passes'),
  cleanerBatchBytes: bytes(KiB, GiB)
    .default(64 * MiB)
    .describe('largest batch of a compacted topic when decompressed'),
  retentionRequiresLoad: z
    .boolean()
    .default(false)
    .describe('whether retention and disk budget keep what the loader has not reported as loaded'),
});

const transactions = z.strictObject({
  maxTimeoutMs: ms(SECOND, 7 * DAY)
    .default(15 * 60 * SECOND)
    .describe(
      'longest time a producer may ask for its transactions; what is open longer than asked is aborted',
    ),
  maxPartitions: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe('partitions, groups and committed offsets of one transaction, each'),
  maxIds: z.int().min(1).max(1_000_000).default(10_000).describe('transactional ids kept at a time'),
  idExpirationMs: ms(SECOND, 365 * DAY)
    .default(7 * DAY)
    .describe('a transactional id is forgotten after this idle time'),
  checkIntervalMs: ms(100, HOUR)
    .default(5 * SECOND)
    .describe('time between two looks for transactions and ids whose time is over'),
  partitions: z
    .int()
    .min(1)
    .max(1_000)
    .default(4)
    .describe('partitions of __transaction_state, when it is made'),
});

const groups = z.strictObject({
  minSessionTimeoutMs: ms(1, DAY)
    .default(6 * SECOND)
    .describe('shortest session a member may ask for (group.min.session.timeout.ms)'),
  maxSessionTimeoutMs: ms(1, DAY)
    .default(30 * 60 * SECOND)
    .describe('longest session a member may ask for (group.max.session.timeout.ms)'),
  initialRebalanceDelayMs: ms(0, HOUR)
    .default(3 * SECOND)
    .describe(
      'how long an empty group waits for more members after its first (group.initial.rebalance.delay.ms)',
    ),
  maxMembers: z.int().min(1).max(100_000).default(1_000).describe('members of one group (group.max.size)'),
  maxMemberBytes: bytes(KiB, 100 * MiB)
    .default(MiB)
    .describe('what one member may tell of itself when it joins'),
  maxGroups: z.int().min(1).max(1_000_000).default(10_000).describe('groups at once'),
  maxStateBytes: bytes(MiB, 16 * GiB)
    .default(256 * MiB)
    .describe('memory of all groups together, with their offsets; beyond it joins and commits are refused'),
  offsetMetadataBytes: bytes(0, 32 * KiB - 1)
    .default(4 * KiB)
    .describe('longest text stored with an offset (offset.metadata.max.bytes)'),
  offsetsRetentionMs: ms(SECOND, 100 * 365 * DAY)
    .default(7 * DAY)
    .describe('offsets are kept this long after their group became empty (offsets.retention.minutes)'),
  retentionCheckIntervalMs: ms(100, DAY)
    .default(10 * 60 * SECOND)
    .describe('time between two looks for expired offsets'),
  offsetsPartitions: z
    .int()
    .min(1)
    .max(1_000)
    .default(4)
    .describe('partitions of __consumer_offsets; only counts until the first group is there'),
});

const fetchSessions = z.strictObject({
  slots: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(1_000)
    .describe('fetch sessions at a time (max.incremental.fetch.session.cache.slots); 0: none'),
  maxPartitions: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(100_000)
    .describe('partitions of all fetch sessions together'),
  evictionMs: ms(0, DAY)
    .default(120 * SECOND)
    .describe('a session unused for this long makes room for any other, one this old for a larger one'),
});

export const broker = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('address to listen on; loopback unless told'),
  port: port.default(9092).describe('port to listen on; 0: any free one'),
  advertisedHost: z.string().default('').describe('host that clients are told to connect to; empty: host'),
  dataDir: z.string().min(1).default('./millrace-data').describe('directory of the logs'),
  nodeId: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(1)
    .describe('id of this broker'),
  numPartitions: z
    .int()
    .min(1)
    .max(10_000)
    .default(4)
    .describe('partitions of a topic created without a number'),
  autoCreateTopics: z.boolean().default(true).describe('whether asking for an unknown topic creates it'),
  maxConnections: z
    .int()
    .min(1)
    .max(100_000)
    .default(2_000)
    .describe('further connections are closed at once'),
  maxRequestBytes: bytes(KiB, GiB)
    .default(100 * MiB)
    .describe('a larger request frame closes its connection'),
  maxPartitions: z.int().min(1).max(1_000_000).default(10_000).describe('partitions of all topics together'),
  idleConnectionMs: ms(SECOND, DAY)
    .default(10 * 60 * SECOND)
    .describe('a connection without a request for this long is closed'),
  fetchMaxBytes: bytes(MiB, GiB)
    .default(55 * MiB)
    .describe('largest answer to one fetch request'),
  loaderGroup: z
    .string()
    .min(1)
    .max(249)
    .default('millrace-loader')
    .describe('group whose committed offsets say what is loaded, for retention.requires.load'),
  transactions: transactions.prefault({}),
  fetchSessions: fetchSessions.prefault({}),
  log: log.prefault({}),
  groups: groups.prefault({}),
});
