/**
 * The one place that names a setting: its path, type, range, default and sentence of help. Everything else (the layers
 * of `load.ts`, `config show`, the table in docs/operations.md, environment names) is derived by walking this schema.
 * Names are Kafka's own in camelCase where Kafka has one; units stand last.
 */
import { z } from 'zod';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

const port = z.int().min(0).max(65535);
const bytes = (min: number, max: number) => z.int().min(min).max(max);
const ms = (min: number, max: number) => z.int().min(min).max(max);
/** -1 switches a limit off, as in Kafka. */
const orOff = (schema: z.ZodInt) => z.union([z.literal(-1), schema]);

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
});

const broker = z.strictObject({
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
  log: log.prefault({}),
});

const client = z.strictObject({
  brokers: z
    .string()
    .regex(/^\s*(\[[^\]]+\]|[^:,\s]+):\d{1,5}\s*(,\s*(\[[^\]]+\]|[^:,\s]+):\d{1,5}\s*)*$/)
    .default('127.0.0.1:9092')
    .describe('HOST:PORT[,HOST:PORT] of the brokers to start from'),
  requestTimeoutMs: ms(100, 10 * 60 * SECOND)
    .default(30 * SECOND)
    .describe('a request without an answer for this long fails'),
  connectTimeoutMs: ms(100, 10 * 60 * SECOND)
    .default(10 * SECOND)
    .describe('a connection not made in this time fails'),
  retries: z
    .int()
    .min(0)
    .max(1_000)
    .default(12)
    .describe('attempts after the first, for errors that may pass'),
  retryBackoffMs: ms(1, 60 * SECOND)
    .default(100)
    .describe('first wait between attempts; doubles, with jitter, up to 5 s'),
});

const producer = z.strictObject({
  compression: z
    .enum(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    .default('lz4')
    .describe('codec of the batches'),
  batchBytes: bytes(KiB, 16 * MiB)
    .default(256 * KiB)
    .describe('a batch is sent when its records reach this, uncompressed'),
  lingerMs: ms(0, 60 * SECOND)
    .default(5)
    .describe('a batch is sent at the latest after this'),
  maxInFlight: z
    .int()
    .min(1)
    .max(5)
    .default(5)
    .describe('batches under way per partition; at most 5 keeps an idempotent producer in order'),
  maxBufferedBytes: bytes(MiB, 4 * GiB)
    .default(32 * MiB)
    .describe('records waiting to be sent; send() waits above it'),
});

const loader = z.strictObject({
  warehouse: z
    .string()
    .min(1)
    .default('file:./warehouse')
    .describe(
      'URL of the table root: file:PATH, or webhdfs://USER@HOST:9870[,HOST:9870]/path (swebhdfs: over TLS)',
    ),
  workers: z.int().min(0).max(256).default(0).describe('worker threads; 0: one per core'),
  startPolicy: z
    .enum(['earliest', 'latest'])
    .default('earliest')
    .describe('where the first load of a topic begins'),
  targetFileBytes: bytes(64 * KiB, 8 * GiB)
    .default(128 * MiB)
    .describe('Parquet files are cut near this size (HDFS block size)'),
  compression: z
    .enum(['snappy', 'zstd', 'uncompressed'])
    .default('snappy')
    .describe('codec of the Parquet files'),
  rowGroupRows: z.int().min(2_048).max(10_000_000).default(61_440).describe('rows of a Parquet row group'),
  duckdbMemoryBytes: bytes(64 * MiB, 64 * GiB)
    .default(192 * MiB)
    .describe('memory limit of the DuckDB instance of one worker'),
  spoolDir: z
    .string()
    .default('')
    .describe('local directory for spools; empty: .millrace-spool beside a file: warehouse'),
  spoolBytes: bytes(MiB, 1024 * GiB)
    .default(GiB)
    .describe('largest spool of one worker; a longer range is cut into parts'),
  fetchBytes: bytes(64 * KiB, 64 * MiB)
    .default(MiB)
    .describe('bytes asked per fetch'),
  graceMs: ms(0, DAY)
    .default(5 * 60 * SECOND)
    .describe('an hour may be complete this long after its end: flush interval + replica lag + clock error'),
  lateHorizonHours: z
    .int()
    .min(0)
    .max(100 * 366 * 24)
    .default(30 * 24)
    .describe('rows of an hour marked longer ago go to _late/'),
  eventTimeMin: z.iso.datetime().default('1990-01-01T00:00:00Z').describe('earlier event times are refused'),
  eventTimeMaxAheadMs: ms(0, 365 * DAY)
    .default(DAY)
    .describe('event times further in the future are refused'),
  emptyHoursPerRun: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(10_000)
    .describe('most empty hours marked by one run'),
  sealAfterRecords: z
    .int()
    .min(2)
    .max(1_000_000)
    .default(4_096)
    .describe('a chain of so many commit records is sealed, and the next generation begun'),
  dataKeepHours: orOff(z.int().min(1))
    .default(-1)
    .describe('expire deletes older hours of the table; -1: never'),
  trashKeepHours: z
    .int()
    .min(0)
    .default(7 * 24)
    .describe('how long a replay or compaction can be taken back, before expire deletes what it removed'),
  historyKeepHours: z
    .int()
    .min(24)
    .default(90 * 24)
    .describe('how long expire leaves the history of runs'),
});

const userName = z.string().default('');

const webhdfs = z.strictObject({
  user: userName.describe('user.name of every call, unless the URL names one; needed with auth=simple'),
  doAs: userName.describe('user to act for; the NameNode must allow it (hadoop.proxyuser.*)'),
  auth: z
    .enum(['simple', 'kerberos'])
    .default('simple')
    .describe('kerberos: SPNEGO with the ticket of kinit, by the optional package kerberos'),
  delegationTokenFile: z
    .string()
    .default('')
    .describe(
      'file with the urlString of a delegation token, sent in place of the user; read again when it changes',
    ),
  basicAuthFile: z.string().default('').describe('file with USER:PASSWORD for a gateway such as Knox'),
  caFile: z
    .string()
    .default('')
    .describe('PEM certificates to trust for swebhdfs:; empty: those of the system'),
  apiPath: z
    .string()
    .default('/webhdfs/v1')
    .describe('path of the REST API; behind Knox /gateway/NAME/webhdfs/v1'),
  replication: z.int().min(0).max(512).default(0).describe('replicas of each file; 0: as HDFS is set'),
  minBlockBytes: z
    .int()
    .min(512)
    .max(GiB)
    .multipleOf(512)
    .default(MiB)
    .describe('smallest block size asked for: dfs.namenode.fs-limits.min-block-size of the NameNode'),
  maxBlockBytes: z
    .int()
    .min(MiB)
    .max(64 * GiB)
    .multipleOf(512)
    .default(8 * GiB)
    .describe('largest block size asked for; smaller files get one block of their own size'),
  connectTimeoutMs: ms(100, 10 * 60 * SECOND)
    .default(10 * SECOND)
    .describe('a connection not made in this time fails'),
  idleTimeoutMs: ms(100, HOUR)
    .default(60 * SECOND)
    .describe('a request without a byte in either direction for this long fails'),
  deadlineMs: ms(0, HOUR)
    .default(2 * 60 * SECOND)
    .describe('no further attempt is begun this long after the first failed'),
  retries: z.int().min(0).max(1_000).default(30).describe('rounds over the NameNodes after the first'),
  retryBackoffMs: ms(1, 60 * SECOND)
    .default(200)
    .describe('first wait between rounds; doubles, with jitter, up to 5 s'),
});

const topic = z.strictObject({
  schema: z
    .string()
    .min(1)
    .optional()
    .describe('name of the event schema; default: the schema named like the topic, else raw'),
  tombstones: z
    .enum(['quarantine', 'skip'])
    .optional()
    .describe('what becomes of records without a value; default: skip where the topic is compacted'),
});

/** All settings. `z.infer` of it is the type every part takes its own branch of. */
export const settingsSchema = z.strictObject({
  broker: broker.prefault({}),
  client: client.prefault({}),
  producer: producer.prefault({}),
  loader: loader.prefault({}),
  webhdfs: webhdfs.prefault({}),
  topics: z.record(z.string(), topic).default({}).describe('settings of single topics, by name'),
  schemas: z
    .strictObject({
      dir: z
        .string()
        .default('')
        .describe('directory of further event schemas, NAME.json; they win over the built-in ones'),
    })
    .prefault({}),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('warn')
    .describe('least level of the log lines on stderr'),
});

/** The effective settings, every default filled in. */
export type Settings = z.infer<typeof settingsSchema>;
