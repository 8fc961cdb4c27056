/** The branches `client` and `producer` of the settings: how brokers are spoken to. */
import { z } from 'zod';
import { bytes, GiB, HOUR, KiB, MiB, ms, SECOND } from './setting-kinds.ts';

export const client = z.strictObject({
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

export const producer = z.strictObject({
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
  auditCounts: z
    .boolean()
    .default(false)
    .describe('ingest and generate tell the topic _audit what they sent, by hour; audit compares it'),
  auditIntervalMs: ms(100, HOUR)
    .default(10 * SECOND)
    .describe('time between two such counts of a producer that is at work'),
});
