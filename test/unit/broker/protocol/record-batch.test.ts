import { expect, test } from 'vitest';
import { CODECS, type CodecName } from '../../../../broker/protocol/compression.ts';
import { KafkaError } from '../../../../broker/protocol/errors.ts';
import type { RecordInput } from '../../../../broker/protocol/record.ts';
import {
  BATCH_HEADER_BYTES,
  batchesOf,
  eachRecord,
  encodeBatch,
  isCrcValid,
  readBatchHeader,
  recordsOf,
  stampBatch,
} from '../../../../broker/protocol/record-batch.ts';

const codecs = Object.keys(CODECS) as CodecName[];

function someRecords(count: number): RecordInput[] {
  return Array.from({ length: count }, (_, index) => ({
    timestampMs: 1_700_000_000_000 + (index % 3 === 0 ? -index : index * 40_000_000),
    key: index % 4 === 0 ? null : Buffer.from(`key ${index % 7}`),
    value: index % 5 === 0 ? null : Buffer.from(`value ${index} `.repeat(index % 40)),
    headers:
      index % 2 === 0
        ? []
        : [
            { key: 'ü', value: Buffer.from([index % 256]) },
            { key: 'none', value: null },
          ],
  }));
}

test.each(codecs)('records come back from a batch with codec %s', (codec) => {
  const records = someRecords(1000);
  const batch = encodeBatch(records, {
    codec,
    producerId: 7,
    producerEpoch: 1,
    baseSequence: 40,
    baseOffset: 2 ** 40,
  });
  const header = readBatchHeader(batch, 0);
  expect(header).toMatchObject({
    baseOffset: 2 ** 40,
    lastOffset: 2 ** 40 + 999,
    sizeBytes: batch.length,
    codec: CODECS[codec],
    producerId: 7,
    producerEpoch: 1,
    baseSequence: 40,
    recordCount: 1000,
    isTransactional: false,
    isControl: false,
  });
  expect(isCrcValid(batch, 0, header)).toBe(true);
  const read = recordsOf(batch, 0, header);
  expect(read).toEqual(records.map((record, index) => ({ offset: 2 ** 40 + index, ...record })));
});

test('stamping base offset and leader epoch leaves the checksum right', () => {
  const batch = encodeBatch(someRecords(3), { codec: 'lz4' });
  stampBatch(batch, 0, { baseOffset: 2 ** 33 + 5, leaderEpoch: 12 });
  const header = readBatchHeader(batch, 0);
  expect(header).toMatchObject({ baseOffset: 2 ** 33 + 5, leaderEpoch: 12, lastOffset: 2 ** 33 + 7 });
  expect(isCrcValid(batch, 0, header)).toBe(true);
});

test('any flipped bit behind the checksum is noticed', () => {
  const batch = encodeBatch(someRecords(2), { codec: 'none' });
  const header = readBatchHeader(batch, 0);
  for (let at = 21; at < batch.length; at++) {
    batch[at] = (batch[at] as number) ^ 0x10;
    expect(isCrcValid(batch, 0, header)).toBe(false);
    batch[at] = (batch[at] as number) ^ 0x10;
  }
});

test('whole batches are found one after the other, a torn last one is left out', () => {
  const batches = [3, 1, 5].map((count, index) =>
    encodeBatch(someRecords(count), { codec: 'none', baseOffset: index * 100 }),
  );
  const log = Buffer.concat(batches);
  const offsets = (buffer: Buffer) => [...batchesOf(buffer)].map(({ header }) => header.baseOffset);
  expect(offsets(log)).toEqual([0, 100, 200]);
  expect(offsets(log.subarray(0, log.length - 1))).toEqual([0, 100]);
  expect(offsets(log.subarray(0, (batches[0] as Buffer).length + 20))).toEqual([0]);
  expect(offsets(Buffer.alloc(0))).toEqual([]);
});

test('impossible headers are refused', () => {
  const good = encodeBatch(someRecords(2), { codec: 'none' });
  const broken = (change: (batch: Buffer) => void) => {
    const batch = Buffer.from(good);
    change(batch);
    return () => readBatchHeader(batch, 0);
  };
  expect(broken((b) => b.writeInt32BE(48, 8))).toThrow(/length 48/);
  expect(broken((b) => b.writeInt8(1, 16))).toThrow(/message format 1/);
  expect(broken((b) => b.writeInt32BE(-1, 23))).toThrow(/last offset delta/);
  expect(broken((b) => b.writeInt32BE(3, 57))).toThrow(/record count/);
  expect(broken((b) => b.writeInt32BE(0x7fffffff, 0))).toThrow(/base offset/);
  expect(() => readBatchHeader(good.subarray(0, 60), 0)).toThrow(/torn header/);
});

test('whatever does not fit together inside a batch is refused, never read past', () => {
  const good = encodeBatch(someRecords(20), { codec: 'none' });
  const header = readBatchHeader(good, 0);
  let refused = 0;
  let outside = 0;
  for (let at = BATCH_HEADER_BYTES; at < good.length; at++) {
    for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
      const batch = Buffer.from(good);
      batch[at] = value;
      try {
        outside += recordsOf(batch, 0, header).filter(({ offset }) => offset < 0 || offset > 19).length;
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        refused++;
      }
    }
  }
  expect(refused).toBeGreaterThan(100);
  expect(outside).toBe(0);
});

test('a batch that grows beyond the limit when decompressed is refused', () => {
  const value = Buffer.alloc(1_000_000);
  for (const codec of codecs.filter((name) => name !== 'none')) {
    const batch = encodeBatch([{ timestampMs: 0, key: null, value }], { codec });
    const header = readBatchHeader(batch, 0);
    let visited = 0;
    const walk = (maxBytes: number) => () => eachRecord(batch, 0, header, () => visited++, maxBytes);
    expect(walk(999_999)).toThrow(/CORRUPT_MESSAGE/);
    expect(visited).toBe(0);
    walk(1_000_100)();
    expect(visited).toBe(1);
  }
});

test('compressed bytes that are cut or garbled are refused with the codec named', () => {
  for (const codec of codecs.filter((name) => name !== 'none')) {
    const batch = encodeBatch(someRecords(200), { codec });
    const header = readBatchHeader(batch, 0);
    for (const cut of [1, 10, 50, batch.length - BATCH_HEADER_BYTES - 2]) {
      const torn = batch.subarray(0, batch.length - cut);
      expect(() => recordsOf(torn, 0, { ...header, sizeBytes: torn.length })).toThrow(/CORRUPT_MESSAGE/);
    }
  }
});

test('a batch stamped with the time of the log gives that time to every record', () => {
  const batch = encodeBatch(someRecords(3), { codec: 'none' });
  const header = { ...readBatchHeader(batch, 0), logAppendTime: true, maxTimestamp: 42 };
  expect(recordsOf(batch, 0, header).map((record) => record.timestampMs)).toEqual([42, 42, 42]);
});

test('a codec number without a codec is refused', () => {
  const batch = encodeBatch(someRecords(1), { codec: 'none' });
  const header = { ...readBatchHeader(batch, 0), codec: 5 };
  expect(() => recordsOf(batch, 0, header)).toThrow(/UNSUPPORTED_COMPRESSION_TYPE/);
});
