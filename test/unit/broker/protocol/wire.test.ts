import fc from 'fast-check';
import { expect, test } from 'vitest';
import { REFERENCE_BYTES_MIN, Reader, WireError, Writer } from '../../../../broker/protocol/wire.ts';

const UUID = '0fea0711-6b52-40a9-b2e1-7faad4bf7925';

test('a writer that starts with one byte writes what one with room writes', () => {
  const fill = (writer: Writer) => {
    writer.int8(-1);
    writer.int16(-2);
    writer.int32(-3);
    writer.uint32(0xfffffffe);
    writer.int64(-(2 ** 40) - 5);
    writer.boolean(true);
    writer.uvarint(300);
    writer.text('grün', false);
    writer.text(null, true);
    writer.uuid(UUID);
    writer.bytes(Buffer.from('abc'), true);
    writer.bytes([Buffer.alloc(REFERENCE_BYTES_MIN, 7), Buffer.from('tail')], false);
    writer.bytes(null, false);
    writer.count(3, true);
    return Buffer.concat(writer.finish());
  };
  const tight = fill(new Writer(1));
  expect(tight).toEqual(fill(new Writer(4096)));
  const reader = new Reader(tight);
  expect([reader.int8(), reader.int16(), reader.int32(), reader.uint32()]).toEqual([-1, -2, -3, 0xfffffffe]);
  expect([reader.int64(), reader.boolean(), reader.uvarint()]).toEqual([-(2 ** 40) - 5, true, 300]);
  expect([reader.text(reader.int16()), reader.uvarint(), reader.uuid()]).toEqual(['grün', 0, UUID]);
  expect(reader.bytes(reader.uvarint() - 1).toString()).toBe('abc');
  expect(reader.bytes(reader.int32()).subarray(REFERENCE_BYTES_MIN).toString()).toBe('tail');
  expect([reader.int32(), reader.count(true, 0), reader.remaining]).toEqual([-1, 3, 0]);
});

test('large byte fields are in the output themselves, not copies', () => {
  const large = Buffer.alloc(REFERENCE_BYTES_MIN);
  const writer = new Writer();
  writer.int32(1);
  writer.raw(large);
  writer.int32(2);
  const chunks = writer.finish();
  expect(writer.size).toBe(large.length + 8);
  large.fill(9);
  expect(chunks.map((chunk) => chunk.length)).toEqual([4, large.length, 4]);
  expect(chunks[1]?.[0]).toBe(9);
});

test('every safe int64 comes back, and what lies beyond is refused both ways', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const writer = new Writer(1);
      writer.int64(value);
      expect(new Reader(Buffer.concat(writer.finish())).int64()).toBe(value);
    }),
  );
  const beyond = Buffer.alloc(8);
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n]) {
    beyond.writeBigInt64BE(value);
    expect(() => new Reader(beyond).int64()).toThrow(WireError);
  }
  expect(() => new Writer().int64(2 ** 53)).toThrow(WireError);
  expect(() => new Writer().int64(0.5)).toThrow(WireError);
});

test('every uvarint of 32 bits comes back, longer ones are refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
      const writer = new Writer(1);
      writer.uvarint(value);
      expect(new Reader(Buffer.concat(writer.finish())).uvarint()).toBe(value);
    }),
  );
  for (const hex of ['8080808010', 'ffffffffff01', '80']) {
    expect(() => new Reader(Buffer.from(hex, 'hex')).uvarint()).toThrow(WireError);
  }
});

test('nothing is read past the end', () => {
  const reads: ((reader: Reader) => unknown)[] = [
    (r) => r.int8(),
    (r) => r.int16(),
    (r) => r.int32(),
    (r) => r.int64(),
    (r) => r.uuid(),
    (r) => r.text(1),
    (r) => r.bytes(1),
    (r) => r.bytes(-1),
    (r) => r.skipTags(),
  ];
  for (const read of reads) expect(() => read(new Reader(Buffer.alloc(20), 4, 4))).toThrow(WireError);
  expect(() => new Reader(Buffer.from('01057f', 'hex')).skipTags()).toThrow(WireError);
});
