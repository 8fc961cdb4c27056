/**
 * Record batches for tests, and requests that carry them.
 */
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { produce } from '../../broker/protocol/apis/produce.ts';
import { type BatchOptions, batchesOf, encodeBatch, recordsOf } from '../../broker/protocol/record-batch.ts';
import type { RawClient } from './raw-client.ts';

/** A batch of these values, one millisecond apart. */
export function batchOf(
  values: readonly string[],
  { timestampMs = 1_000, ...options }: Partial<BatchOptions> & { timestampMs?: number } = {},
): Buffer {
  const records = values.map((value, i) => ({
    key: null,
    value: Buffer.from(value),
    timestampMs: timestampMs + i,
  }));
  return encodeBatch(records, { codec: 'none', ...options });
}

/** `[offset, value]` of all records in a sequence of batches. */
export function valuesIn(bytes: Buffer): Array<[number, string]> {
  return [...batchesOf(bytes)].flatMap(({ at, header }) =>
    recordsOf(bytes, at, header).map(({ offset, value }): [number, string] => [offset, String(value)]),
  );
}

export interface ProduceOptions {
  topic: string;
  partition?: number;
  acks?: number;
  version?: number;
}

/** Sends one batch; returns the partition's answer. */
export async function produceBatch(client: RawClient, records: Buffer | null, options: ProduceOptions) {
  const { topic, partition = 0, acks = -1, version = 9 } = options;
  const answer = await client.request(produce, version, {
    acks,
    timeoutMs: 10_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  });
  const result = answer.responses[0]?.partitionResponses[0];
  if (result === undefined) throw new Error('produce was answered without a partition');
  return result;
}

export interface FetchOptions {
  topic: string;
  partition?: number;
  offset: number;
  maxBytes?: number;
  partitionMaxBytes?: number;
  minBytes?: number;
  maxWaitMs?: number;
  version?: number;
  leaderEpoch?: number;
}

/** The fetch request for one partition. */
export function fetchBody(options: FetchOptions) {
  const { topic, partition = 0, offset, partitionMaxBytes = 1024 ** 2, maxBytes = 50 * 1024 ** 2 } = options;
  return {
    maxWaitMs: options.maxWaitMs ?? 0,
    minBytes: options.minBytes ?? 1,
    maxBytes,
    topics: [
      {
        topic,
        partitions: [
          {
            partition,
            fetchOffset: offset,
            partitionMaxBytes,
            currentLeaderEpoch: options.leaderEpoch ?? -1,
          },
        ],
      },
    ],
  };
}

/** Fetches from one partition; returns its answer. */
export async function fetchFrom(client: RawClient, options: FetchOptions) {
  const answer = await client.request(fetch, options.version ?? 12, fetchBody(options));
  const result = answer.responses[0]?.partitions[0];
  if (result === undefined) throw new Error('fetch was answered without a partition');
  return { ...result, records: result.records ?? Buffer.alloc(0) };
}
