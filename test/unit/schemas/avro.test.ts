/**
 * Avro's bytes are made by avsc, which has nothing to do with the code under test.
 */
import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { AvroSchemaError, compileAvro } from '../../../schemas/avro.ts';

/** avsc with longs as bigints, as it stands in its manual. */
const long = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => Number(a > b) - Number(a < b),
});

const typeOf = (schema: unknown) =>
  avro.Type.forSchema(schema as avro.Schema, { registry: { long }, wrapUnions: true });

/** The JSON of a value, encoded by avsc. */
function jsonOf(schema: unknown, value: unknown): string | undefined {
  // avsc looks for `long` in its registry only where it stands alone.
  const bare = (schema as { type?: string }).type === 'long' ? 'long' : schema;
  const bytes = typeOf(bare).toBuffer(value);
  return compileAvro(JSON.stringify(schema))(Buffer.concat([Buffer.from('xx'), bytes]), 2, bytes.length + 2);
}

const logical = (type: unknown, logicalType: string, more: object = {}) => ({ type, logicalType, ...more });

describe('an Avro value becomes the JSON of the same value', () => {
  it.each([
    ['null', null, 'null'],
    ['boolean', true, 'true'],
    ['boolean', false, 'false'],
    ['int', -2147483648, '-2147483648'],
    ['long', 9223372036854775807n, '9223372036854775807'],
    ['long', -9223372036854775808n, '-9223372036854775808'],
    ['long', 9007199254740993n, '9007199254740993'],
    ['float', 0.5, '0.5'],
    ['double', 5e-324, '5e-324'],
    ['double', -0, '-0.0'],
    ['double', Number.NaN, '"NaN"'],
    ['double', Number.NEGATIVE_INFINITY, '"-Infinity"'],
    ['string', 'ä "q" \u0000 😀', JSON.stringify('ä "q" \u0000 😀')],
    ['bytes', Buffer.from([0, 255]), '"AP8="'],
    [{ type: 'fixed', name: 'F', size: 2 }, Buffer.from([0, 255]), '"AP8="'],
    [{ type: 'enum', name: 'E', symbols: ['A', 'B'] }, 'B', '"B"'],
    [{ type: 'array', items: 'int' }, [1, 2], '[1,2]'],
    [{ type: 'map', values: 'string' }, { 'a"': 'b' }, '{"a\\"":"b"}'],
    [['null', 'string'], null, 'null'],
    [['null', 'string'], { string: 'a' }, '"a"'],
    [logical('long', 'timestamp-millis'), 1772323200001n, '"2026-03-01T00:00:00.001000Z"'],
    [logical('long', 'timestamp-micros'), 1772323200000001n, '"2026-03-01T00:00:00.000001Z"'],
    [logical('long', 'timestamp-micros'), -1n, '"1969-12-31T23:59:59.999999Z"'],
    [logical('long', 'timestamp-nanos'), 1n, '"1970-01-01T00:00:00.000000001Z"'],
    [logical('long', 'local-timestamp-millis'), 0n, '"1970-01-01T00:00:00.000000"'],
    [logical('int', 'date'), 20513, '"2026-03-01"'],
    [logical('int', 'date'), -1, '"1969-12-31"'],
    [logical('int', 'time-millis'), 46_800_001, '"13:00:00.001000"'],
    [logical('long', 'time-micros'), 46_800_000_001n, '"13:00:00.000001"'],
    [
      logical('string', 'uuid'),
      '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      '"6f9619ff-8b86-d011-b42d-00c04fc964ff"',
    ],
    [
      logical('fixed', 'uuid', { name: 'U', size: 16 }),
      Buffer.from('6f9619ff8b86d011b42d00c04fc964ff', 'hex'),
      '"6f9619ff-8b86-d011-b42d-00c04fc964ff"',
    ],
    [logical('bytes', 'decimal', { precision: 6, scale: 2 }), Buffer.from([0x04, 0xe2]), '12.50'],
    [logical('bytes', 'decimal', { precision: 6, scale: 2 }), Buffer.from([0xff]), '-0.01'],
    [logical('bytes', 'decimal', { precision: 6, scale: 0 }), Buffer.from([]), '0'],
    [
      logical('fixed', 'decimal', { name: 'D', size: 3, precision: 6, scale: 3 }),
      Buffer.from([0xff, 0xff, 0x85]),
      '-0.123',
    ],
    [logical('string', 'nobody-knows'), 'x', '"x"'],
  ])('%j %s', (schema, value, json) => {
    expect(jsonOf(schema, value)).toBe(json);
  });

  it('with named types, namespaces, and records inside themselves', () => {
    const schema = {
      type: 'record',
      name: 'a.b.Node',
      fields: [
        { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['X', 'Y'] } },
        { name: 'same', type: 'Kind' },
        { name: 'full', type: 'a.b.Kind' },
        { name: 'next', type: ['null', 'Node'] },
      ],
    };
    const leaf = { kind: 'Y', same: 'X', full: 'Y', next: null };
    const value = { ...leaf, next: { 'a.b.Node': leaf } };
    expect(JSON.parse(jsonOf(schema, value)!)).toEqual({ ...leaf, next: leaf });
  });

  it('with types that another schema of the registry defines', () => {
    const place = { type: 'record', name: 'x.Place', fields: [{ name: 'lat', type: 'double' }] };
    const event = { type: 'record', name: 'x.Event', fields: [{ name: 'place', type: 'x.Place' }] };
    const bytes = typeOf({ ...event, fields: [{ name: 'place', type: place }] }).toBuffer({
      place: { lat: 1.5 },
    });
    const decode = compileAvro(JSON.stringify(event), [{ name: 'x.Place', text: JSON.stringify(place) }]);
    expect(decode(bytes, 0, bytes.length)).toBe('{"place":{"lat":1.5}}');
    expect(() => compileAvro(JSON.stringify(event))).toThrow(AvroSchemaError);
  });

  it('in blocks with and without their length', () => {
    const decode = compileAvro('{"type":"array","items":"int"}');
    expect(decode(Buffer.from([2, 2, 1, 2, 4, 0]), 0, 6)).toBe('[1,2]');
  });

  it('or nothing, if bytes are missing, left over, or changed at random', () => {
    const schema = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'n', type: 'long' },
        { name: 't', type: ['null', 'string'] },
        { name: 'l', type: { type: 'array', items: 'double' } },
        { name: 'm', type: { type: 'map', values: 'boolean' } },
      ],
    };
    const bytes = typeOf(schema).toBuffer({ n: 77n, t: { string: 'text' }, l: [1.5, 2], m: { a: true } });
    const decode = compileAvro(JSON.stringify(schema));
    expect(decode(bytes, 0, bytes.length)).toBe('{"n":77,"t":"text","l":[1.5,2],"m":{"a":true}}');
    for (let end = 0; end < bytes.length; end++) expect(decode(bytes, 0, end)).toBeUndefined();
    expect(decode(Buffer.concat([bytes, Buffer.of(0)]), 0, bytes.length + 1)).toBeUndefined();
    const random = new SeededRandom(3);
    for (let n = 0; n < 3_000; n++) {
      const spoiled = Buffer.from(bytes);
      spoiled[random.below(bytes.length)] = random.below(256);
      const json = decode(spoiled, 0, spoiled.length);
      if (json !== undefined) expect(() => JSON.parse(json) as unknown).not.toThrow();
    }
  });

  it('or nothing, if it would take no end of memory', () => {
    const nulls = compileAvro('{"type":"array","items":"null"}');
    const huge = Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f, 0]);
    expect(nulls(huge, 0, huge.length)).toBeUndefined();
    const count = [0x80, 0x9f, 0x49]; // 600,000
    const once = Buffer.from([...count, 0]);
    expect(nulls(once, 0, once.length)).toHaveLength(5 * 600_000 + 1);
    const twice = Buffer.from([...count, ...count, 0]);
    expect(nulls(twice, 0, twice.length)).toBeUndefined();
    const self = compileAvro(
      JSON.stringify({ type: 'record', name: 'S', fields: [{ name: 's', type: ['null', 'S'] }] }),
    );
    const deep = Buffer.concat([Buffer.alloc(10_000, 2), Buffer.of(0)]);
    expect(self(deep, 0, deep.length)).toBeUndefined();
  });
});
