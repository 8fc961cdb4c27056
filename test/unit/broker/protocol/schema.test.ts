import { expect, expectTypeOf, test } from 'vitest';
import { fetch } from '../../../../broker/protocol/apis/fetch.ts';
import { listOffsets } from '../../../../broker/protocol/apis/list-offsets.ts';
import { metadata } from '../../../../broker/protocol/apis/metadata.ts';
import {
  type AnyApi,
  api,
  array,
  type Codec,
  int32,
  int64,
  nullableBytes,
  type Request,
  type RequestInput,
  type Response,
  type ResponseInput,
  string,
  struct,
} from '../../../../broker/protocol/schema.ts';
import { Reader, Writer } from '../../../../broker/protocol/wire.ts';

function written<W>(codec: Codec<unknown, W>, value: W): Buffer {
  const writer = new Writer(1);
  codec.write(writer, value);
  return Buffer.concat(writer.finish());
}

test('types come out of the table: read has every field, write leaves out those with a default', () => {
  type Read = Request<typeof listOffsets>;
  expectTypeOf<Read['isolationLevel']>().toEqualTypeOf<number>();
  expectTypeOf<Read['topics'][number]['partitions'][number]['timestamp']>().toEqualTypeOf<number>();
  expectTypeOf<
    Response<typeof fetch>['responses'][number]['partitions'][number]['records']
  >().toEqualTypeOf<Buffer | null>();
  const least: RequestInput<typeof listOffsets> = {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  };
  // @ts-expect-error: topics has no default
  const missing: RequestInput<typeof listOffsets> = {};
  // @ts-expect-error: a number, not a text
  const wrong: RequestInput<typeof listOffsets> = { topics: [], isolationLevel: 'committed' };
  // @ts-expect-error: no such field
  const unknown: RequestInput<typeof listOffsets> = { topics: [], level: 1 };
  // @ts-expect-error: read as a number
  const read: string = ({} as Read).replicaId;
  const answer: ResponseInput<typeof metadata> = { brokers: [], topics: [] };
  const list: AnyApi[] = [listOffsets, metadata, fetch];
  expect([...list.slice(2), least, missing, wrong, unknown, read, answer]).toHaveLength(7);
});

test('a field that a version lacks reads as its default', () => {
  const input = {
    topics: [{ name: 't', partitions: [{ partitionIndex: 1, timestamp: -2 }] }],
    isolationLevel: 1,
  };
  const version1 = listOffsets.requestCodec(1);
  expect(version1.read(new Reader(written(version1, input)))).toEqual({
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [{ partitionIndex: 1, currentLeaderEpoch: -1, timestamp: -2 }] }],
  });
});

test('values survive every version of every direction', () => {
  for (let version = 4; version <= 12; version++) {
    const codec = fetch.responseCodec(version);
    const records = Buffer.alloc(2000, version);
    const partition = {
      partitionIndex: 3,
      errorCode: 0,
      highWatermark: 2 ** 40,
      lastStableOffset: 17,
      records,
    };
    const bytes = written(codec, { responses: [{ topic: 'events', partitions: [partition] }] });
    const read = codec.read(new Reader(bytes));
    expect(read.responses[0]?.partitions[0]).toMatchObject(partition);
    expect(read.responses[0]?.partitions[0]?.abortedTransactions).toBeNull();
  }
});

const tagged = api({
  key: 99,
  name: 'Tagged',
  versions: [0, 0],
  flexible: 0,
  request: {
    plain: int32,
    late: struct({ a: int32, b: string }).tagged(7).default({ a: 0, b: '' }),
    early: int64.tagged(2).default(-1),
  },
  response: { records: nullableBytes },
});

test('tagged fields are written in the order of their tags, defaults are not sent, unknown tags are passed over', () => {
  const codec = tagged.requestCodec(0);
  const set = { plain: 1, late: { a: 5, b: 'x' }, early: 9 };
  const bytes = written(codec, set);
  expect(bytes.toString('hex')).toBe(`00000001${'02'}${'0208'}0000000000000009${'0707'}00000005${'0278'}00`);
  expect(codec.read(new Reader(bytes))).toEqual(set);
  expect(written(codec, { plain: 1, early: -1 }).toString('hex')).toBe('0000000100');
  const withUnknown = Buffer.from('00000001' + '01' + '6303aabbcc', 'hex');
  expect(codec.read(new Reader(withUnknown))).toEqual({ plain: 1, late: { a: 0, b: '' }, early: -1 });
});

test('an array that claims more elements than bytes are left is refused before anything is allocated', () => {
  for (const [version, hex] of [
    [1, 'ffffffff7fffffff'],
    [6, 'ffffffff00ffffffff0f'],
  ] as const) {
    expect(() => listOffsets.requestCodec(version).read(new Reader(Buffer.from(hex, 'hex')))).toThrow(
      /array of/,
    );
  }
});

test('null where an array is required is refused, and read where it is allowed', () => {
  expect(() => listOffsets.requestCodec(1).read(new Reader(Buffer.from('ffffffffffffffff', 'hex')))).toThrow(
    /null/,
  );
  expect(metadata.requestCodec(1).read(new Reader(Buffer.from('ffffffff', 'hex'))).topics).toBeNull();
});

test('a version that the table lacks is a bug, not an answer', () => {
  expect(() => fetch.requestCodec(3)).toThrow(/Fetch has no version 3/);
  expect(() => fetch.responseCodec(13)).toThrow(/Fetch has no version 13/);
});

test('an array of plain fields is read and written', () => {
  const list = api({
    key: 98,
    name: 'List',
    versions: [0, 1],
    flexible: 1,
    request: { ids: array(int32) },
    response: {},
  });
  for (const version of [0, 1]) {
    const codec = list.requestCodec(version);
    expect(codec.read(new Reader(written(codec, { ids: [1, 2, 3] })))).toEqual({ ids: [1, 2, 3] });
  }
});
