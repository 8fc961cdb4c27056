/**
 * Record batches against the encoder and decoder of @platformatic/kafka, with all codecs it has.
 */
import * as platformatic from '@platformatic/kafka';
import { expect, test } from 'vitest';
import { CODECS, type CodecName } from '../../../broker/protocol/compression.ts';
import {
  encodeBatch,
  isCrcValid,
  readBatchHeader,
  recordsOf,
} from '../../../broker/protocol/record-batch.ts';

const codecs = Object.keys(CODECS) as CodecName[];

const records = Array.from({ length: 400 }, (_, index) => ({
  timestampMs: 1_700_000_000_000 + (index % 11) * 86_400_000,
  key: index % 3 === 0 ? null : Buffer.from(`key ${index % 5}`),
  value: Buffer.from(`{"path":"/a/${index % 17}","agent":"Mozilla/5.0"}`.repeat(1 + (index % 4))),
  headers: index % 2 === 0 ? [] : [{ key: 'trace', value: Buffer.from([index % 256]) }],
}));

const messages = () =>
  records.map(({ timestampMs, key, value, headers }) => ({
    topic: 'events',
    timestamp: BigInt(timestampMs),
    ...(key ? { key } : {}),
    value,
    headers: new Map(headers.map((header) => [Buffer.from(header.key), header.value])),
  }));

const identity = { producerId: 12, producerEpoch: 3 };

test('an uncompressed batch has the same bytes', () => {
  const ours = encodeBatch(records, { codec: 'none', ...identity, baseSequence: 0, leaderEpoch: 0 });
  const theirs = platformatic.createRecordsBatch(messages(), {
    producerId: 12n,
    producerEpoch: 3,
    compression: 'none',
    partitionLeaderEpoch: 0,
  });
  expect(ours.toString('hex')).toBe(Buffer.from(theirs.buffer).toString('hex'));
});

test.each(codecs)('their batch with codec %s is read', async (codec) => {
  const theirs = await platformatic.createRecordsBatchAsync(messages(), {
    compression: codec,
    producerId: 12n,
  });
  const batch = Buffer.from(theirs.buffer);
  const header = readBatchHeader(batch, 0);
  expect(header).toMatchObject({
    codec: CODECS[codec],
    sizeBytes: batch.length,
    recordCount: records.length,
  });
  expect(isCrcValid(batch, 0, header)).toBe(true);
  expect(recordsOf(batch, 0, header)).toEqual(records.map((record, offset) => ({ offset, ...record })));
});

test.each(codecs)('they read our batch with codec %s', (codec) => {
  const ours = encodeBatch(records, {
    codec,
    ...identity,
    baseSequence: 7,
    baseOffset: 1000,
    isTransactional: true,
  });
  const theirs = platformatic.readRecordsBatch(platformatic.Reader.from(ours));
  expect(theirs).toMatchObject({
    firstOffset: 1000n,
    producerId: 12n,
    producerEpoch: 3,
    firstSequence: 7,
    lastOffsetDelta: records.length - 1,
    attributes: CODECS[codec] | platformatic.IS_TRANSACTIONAL,
  });
  expect(theirs.records).toHaveLength(records.length);
  for (const [index, { timestampMs, key, value, headers }] of records.entries()) {
    const read = theirs.records[index];
    expect(Number(theirs.firstTimestamp + (read?.timestampDelta ?? 0n))).toBe(timestampMs);
    expect([read?.key, read?.value]).toEqual([key, value]);
    expect(read?.headers.map(([name, content]) => [name?.toString(), content])).toEqual(
      headers.map((header) => [header.key, header.value]),
    );
  }
});
