/**
 * What an answer without records means, from a made-up broker: millrace's own never gives one where there are records.
 */
import { expect, test } from 'vitest';
import type { KafkaClient } from '../../../../broker/client/client.ts';
import { fetchRange } from '../../../../broker/client/fetch-range.ts';
import { batchesOf, encodeBatch } from '../../../../broker/protocol/record-batch.ts';

const [PART, RANGE] = [
  { topic: 't', partition: 0 },
  { from: 0, until: 10 },
];
const END = 20;

/** A batch of five records. */
const batchAt = (baseOffset: number) =>
  encodeBatch(
    Array.from({ length: 5 }, (_, n) => ({ key: null, value: Buffer.from(`${n}`), timestampMs: 1 })),
    { codec: 'none', baseOffset },
  );

/** A client of a broker that gives the bytes which `answer` finds for an offset; `committed` as it was asked. */
function clientOf(answer: (offset: number, committed: boolean) => Buffer): KafkaClient {
  interface Asked {
    isolationLevel: number;
    topics: { partitions: { fetchOffset: number }[] }[];
  }
  const send = async (_: unknown, { isolationLevel, topics }: Asked) => {
    const records = answer(topics[0]!.partitions[0]!.fetchOffset, isolationLevel === 1);
    const offsets = { highWatermark: END, lastStableOffset: END, abortedTransactions: [] };
    return { errorCode: 0, responses: [{ partitions: [{ errorCode: 0, records, ...offsets }] }] };
  };
  const connection = { isOpen: true, send, giveBack: () => {}, close: async () => {} };
  // All that fetching asks of a client.
  return { connectToLeader: async () => connection, retryPolicy: { retries: 0 } } as unknown as KafkaClient;
}

async function read(client: KafkaClient) {
  const found: number[] = [];
  let next = 0;
  const options = { maxBytes: 1_000, isolation: 'read_committed' } as const;
  for await (const { bytes, nextOffset } of fetchRange(client, PART, RANGE, options)) {
    for (const { header } of batchesOf(bytes)) found.push(header.baseOffset);
    next = nextOffset;
  }
  return { found, next };
}

const NOTHING = Buffer.alloc(0);

test('an answer without records, as from a broker that waits for remote storage, skips nothing', async () => {
  let empty = 3;
  const client = clientOf((offset) => (offset === 5 && empty-- > 0 ? NOTHING : batchAt(offset)));
  expect(await read(client)).toEqual({ found: [0, 5], next: 10 });
});

test('a range whose end was compacted away ends there, once a batch from above proves it', async () => {
  const client = clientOf((offset, committed) => {
    if (offset === 0) return batchAt(0);
    return committed ? NOTHING : batchAt(15);
  });
  expect(await read(client)).toEqual({ found: [0], next: 10 });
});

test('records that the broker has and never gives are an error, not a gap', async () => {
  const client = clientOf((offset) => (offset === 0 ? batchAt(0) : NOTHING));
  await expect(read(client)).rejects.toThrow('offset 5: the log goes on to 10, but 20 answers were empty');
});
