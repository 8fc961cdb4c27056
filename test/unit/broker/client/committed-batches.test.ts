import { expect, test } from 'vitest';
import { committedBatches } from '../../../../broker/client/committed-batches.ts';
import { batchesOf, encodeBatch, recordsOf } from '../../../../broker/protocol/record-batch.ts';

const ABORT = 0;
const COMMIT = 1;

/** A batch whose values are its offsets; `producer` makes it part of a transaction. */
function data(baseOffset: number, count: number, producer?: number, codec: 'none' | 'lz4' = 'none'): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampMs: 1,
    key: null,
    value: Buffer.from(String(baseOffset + index)),
  }));
  const identity =
    producer === undefined ? {} : { producerId: producer, isTransactional: true, baseSequence: 0 };
  return encodeBatch(records, { codec, baseOffset, ...identity });
}

function marker(offset: number, producerId: number, type: number): Buffer {
  const key = Buffer.from([0, 0, 0, type]);
  return encodeBatch([{ timestampMs: 1, key, value: Buffer.alloc(6) }], {
    codec: 'none',
    baseOffset: offset,
    producerId,
    isTransactional: true,
    isControl: true,
  });
}

const END = Number.MAX_SAFE_INTEGER;

function offsetsOf(bytes: Buffer): number[] {
  return [...batchesOf(bytes)].flatMap(({ at, header }) =>
    recordsOf(bytes, at, header).map(({ offset, value }) => {
      expect(value?.toString()).toBe(String(offset));
      return offset;
    }),
  );
}

function taken(batches: Buffer[], options: Partial<Parameters<typeof committedBatches>[1]> = {}) {
  const { bytes, nextOffset } = committedBatches(Buffer.concat(batches), {
    from: 0,
    until: END,
    aborted: [],
    ...options,
  });
  return { offsets: offsetsOf(bytes), nextOffset };
}

test('a response without transactions is delivered as it is, uncopied', () => {
  const records = Buffer.concat([data(0, 3), data(3, 2)]);
  const { bytes, nextOffset } = committedBatches(records, { from: 0, until: END, aborted: [] });
  expect([bytes.buffer, bytes.byteOffset, bytes.length]).toEqual([
    records.buffer,
    records.byteOffset,
    records.length,
  ]);
  expect(nextOffset).toBe(5);
});

test('a producer id that aborts twice and then commits: only what it committed is seen', () => {
  const log = [
    data(0, 2, 7),
    marker(2, 7, ABORT),
    data(3, 2, 7),
    marker(5, 7, ABORT),
    data(6, 2, 7),
    marker(8, 7, COMMIT),
  ];
  const aborted = [
    { producerId: 7, firstOffset: 0 },
    { producerId: 7, firstOffset: 3 },
  ];
  expect(taken(log, { aborted })).toEqual({ offsets: [6, 7], nextOffset: 9 });
  expect(taken(log, { aborted: aborted.toReversed() })).toEqual({ offsets: [6, 7], nextOffset: 9 });
});

test('the same, one batch per response, as a byte limit would cut it', () => {
  const log = [
    data(0, 2, 7),
    marker(2, 7, ABORT),
    data(3, 2, 7),
    marker(5, 7, ABORT),
    data(6, 2, 7),
    marker(8, 7, COMMIT),
  ];
  const ranges = [
    { producerId: 7, firstOffset: 0, lastOffset: 2 },
    { producerId: 7, firstOffset: 3, lastOffset: 5 },
  ];
  const seen: number[] = [];
  let from = 0;
  for (const batch of log) {
    // A broker lists the transactions that end at or after the offset asked for and begin before the response ends.
    const last = [...batchesOf(batch)][0]?.header.lastOffset ?? 0;
    const aborted = ranges.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset <= last);
    const { offsets, nextOffset } = taken([batch], { from, aborted });
    seen.push(...offsets);
    from = nextOffset;
  }
  expect([seen, from]).toEqual([[6, 7], 9]);
});

test('an aborted transaction that began before the response, and whose marker lies behind it, is left out', () => {
  const aborted = [{ producerId: 7, firstOffset: 90 }];
  expect(taken([data(100, 2, 7), data(102, 1), data(103, 2, 7)], { from: 100, aborted })).toEqual({
    offsets: [102],
    nextOffset: 105,
  });
});

test('transactions of several producers, interleaved, are told apart', () => {
  const log = [
    data(0, 1, 7),
    data(1, 1, 8),
    data(2, 1),
    data(3, 1, 7),
    marker(4, 7, ABORT),
    data(5, 1, 8),
    data(6, 1, 7),
    marker(7, 8, COMMIT),
    marker(8, 7, COMMIT),
  ];
  expect(taken(log, { aborted: [{ producerId: 7, firstOffset: 0 }] })).toEqual({
    offsets: [1, 2, 5, 6],
    nextOffset: 9,
  });
});

test('a commit marker of an aborting producer does not end the abort, an abort marker does', () => {
  const aborted = [{ producerId: 7, firstOffset: 1 }];
  expect(
    taken([marker(0, 7, COMMIT), data(1, 1, 7), marker(2, 7, ABORT), data(3, 1, 7)], { aborted }).offsets,
  ).toEqual([3]);
});

test('batches outside a transaction are kept though their producer id aborts', () => {
  const plain = encodeBatch([{ timestampMs: 1, key: null, value: Buffer.from('5') }], {
    codec: 'none',
    baseOffset: 5,
    producerId: 7,
  });
  expect(taken([plain], { aborted: [{ producerId: 7, firstOffset: 0 }] }).offsets).toEqual([5]);
});

test('control batches are never delivered, but their offsets are passed', () => {
  expect(taken([data(0, 1, 7), marker(1, 7, COMMIT)])).toEqual({ offsets: [0], nextOffset: 2 });
  expect(taken([marker(4, 7, ABORT)], { from: 3 })).toEqual({ offsets: [], nextOffset: 5 });
});

test('first and last batch may overlap the range; what lies wholly outside is left out', () => {
  const log = [data(0, 10), data(10, 10), data(20, 10), data(30, 10)];
  expect(taken(log, { from: 15, until: 25 })).toEqual({
    offsets: Array.from({ length: 20 }, (_, index) => index + 10),
    nextOffset: 30,
  });
});

test('gaps that compaction left are passed over, and a gap up to the end of the range ends it', () => {
  expect(taken([data(3, 1), data(10, 2)], { from: 0, until: 11 })).toEqual({
    offsets: [3, 10, 11],
    nextOffset: 12,
  });
  expect(taken([data(3, 1), data(50, 2)], { from: 0, until: 20 })).toEqual({ offsets: [3], nextOffset: 20 });
  expect(taken([data(50, 2)], { from: 0, until: 50 })).toEqual({ offsets: [], nextOffset: 50 });
});

test('a torn last batch is left for the next fetch', () => {
  const log = Buffer.concat([data(0, 2), data(2, 50)]);
  expect(taken([log.subarray(0, log.length - 1)])).toEqual({ offsets: [0, 1], nextOffset: 2 });
  expect(taken([])).toEqual({ offsets: [], nextOffset: 0 });
});

test('a wrong checksum is refused with the offset named, also in a batch that would be left out', () => {
  for (const codec of ['none', 'lz4'] as const) {
    const bad = data(7, 3, 9, codec);
    bad[bad.length - 1] = (bad.at(-1) as number) ^ 1;
    expect(() => taken([data(0, 7), bad])).toThrow(/offset 7, wrong checksum/);
    expect(() => taken([bad], { aborted: [{ producerId: 9, firstOffset: 0 }] })).toThrow(/wrong checksum/);
  }
});

test('a control record without a type is refused', () => {
  const bad = encodeBatch([{ timestampMs: 1, key: null, value: null }], {
    codec: 'none',
    producerId: 7,
    isTransactional: true,
    isControl: true,
  });
  expect(() => taken([bad], { aborted: [{ producerId: 7, firstOffset: 0 }] })).toThrow(/without a type/);
});
