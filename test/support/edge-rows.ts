/**
 * Records at the edges of every column type, and the rows that any reader must make of them, in the neutral form of
 * parquet-readers.ts. One array is what is sent, in order; two records in it hold whole numbers that no column takes.
 */
import type { TestRecord } from './load-topic.ts';
import { type NeutralRow, neutralBytes, neutralTime } from './parquet-readers.ts';

/** Each column of the topic by its kind, in the order of the files. */
export const EDGE_COLUMNS = {
  _partition: 'int32',
  _offset: 'int64',
  _timestamp: 'time',
  _key: 'bytes',
  _headers: 'headers',
  _extra: 'string',
  at: 'time',
  host: 'string',
  status: 'int32',
  ok: 'boolean',
  note: 'string',
  bytes: 'int64',
  score: 'number',
  seen_at: 'time',
  is_new: 'boolean',
  level: 'int32',
} as const;
/** The same of a topic without a schema. */
export const RAW_COLUMNS = {
  _partition: 'int32',
  _offset: 'int64',
  _timestamp: 'time',
  _key: 'bytes',
  _headers: 'headers',
  _extra: 'string',
  _value: 'bytes',
} as const;

const SENT_MS = Date.UTC(2026, 2, 1, 5, 0, 0, 123);
/** Text with what texts trip over; no line separator, which would break the lines that Spark answers in. */
const TEXT = 'ä 日本 😀 "q" \\ \u0000 \t\r\n /';
const HEADERS = [
  { key: 'same', value: Buffer.from([0, 255]) },
  { key: 'same', value: null },
  { key: '', value: Buffer.alloc(0) },
  { key: 'same', value: Buffer.from('again') },
];

const us = (iso: string, rest = 0n) => neutralTime(BigInt(Date.parse(iso)) * 1_000n + rest);

interface Edge {
  record?: Omit<TestRecord, 'value'>;
  /** Members as JSON text, over those that are required. */
  json: Record<string, string>;
  /** What differs from a row of nulls; none: the record is refused. */
  row?: NeutralRow;
}

const EDGES: readonly Edge[] = [
  {
    record: { key: Buffer.from([0xff, 0]), headers: HEADERS },
    json: {
      host: '""',
      status: '2147483647',
      note: '""',
      bytes: '9223372036854775807',
      score: '1.7976931348623157e308',
      seen_at: '"9999-12-31T23:59:59.999999Z"',
      is_new: 'true',
      level: '2147483647',
    },
    row: {
      _key: '0xff00',
      _headers: HEADERS.map(({ key, value }) => ({ key, value: value && neutralBytes(value) })),
      host: '',
      status: 2_147_483_647,
      note: '',
      bytes: 9_223_372_036_854_775_807n,
      score: Number.MAX_VALUE,
      seen_at: us('9999-12-31T23:59:59.999Z', 999n),
      is_new: true,
      level: 2_147_483_647,
    },
  },
  {
    record: { key: '' },
    json: {
      status: '-2147483648',
      ok: 'false',
      bytes: '-9223372036854775808',
      score: '-1.7976931348623157e308',
      seen_at: '"0001-01-01T00:00:00Z"',
      is_new: 'false',
      level: '-2147483648',
    },
    row: {
      _key: '0x',
      status: -2_147_483_648,
      ok: false,
      bytes: -9_223_372_036_854_775_808n,
      score: -Number.MAX_VALUE,
      seen_at: us('0001-01-01T00:00:00Z'),
      is_new: false,
      level: -2_147_483_648,
    },
  },
  { json: { note: 'null', bytes: 'null', score: 'null', seen_at: 'null', is_new: 'null' }, row: {} },
  {
    // The greatest number of 32 bits without a sign; the last microsecond before 1970; the least number above 0.
    json: {
      more: '[1, "ä", {"a": null}]',
      note: JSON.stringify(TEXT),
      bytes: '4294967295',
      score: '5e-324',
      seen_at: '"1969-12-31T23:59:59.999999Z"',
      level: '-1',
    },
    row: {
      _extra: '{"more":[1, "ä", {"a": null}]}',
      note: TEXT,
      bytes: 4_294_967_295n,
      score: Number.MIN_VALUE,
      seen_at: neutralTime(-1n),
      level: -1,
    },
  },
  {
    // A day that the calendars of old readers do not have; a whole number that no double holds.
    json: { bytes: '9007199254740993', score: '-0.0', seen_at: '"1582-10-10T00:00:00.000001Z"', level: '0' },
    row: {
      bytes: 9_007_199_254_740_993n,
      score: -0,
      seen_at: us('1582-10-10T00:00:00Z', 1n),
      level: 0,
    },
  },
  { json: { bytes: '18446744073709551615' } },
  { json: { status: '4294967295' } },
  {
    record: { timestampMs: 0 },
    json: {
      at: '"1969-12-31T23:59:59.999999Z"',
      bytes: '2147483648',
      score: '0.1',
      seen_at: '"1970-01-01T00:00:00Z"',
    },
    row: {
      _timestamp: neutralTime(0n),
      at: neutralTime(-1n),
      bytes: 2_147_483_648n,
      score: 0.1,
      seen_at: neutralTime(0n),
    },
  },
];

const REQUIRED = { at: '"2026-03-01T05:59:59.999999Z"', host: '"10.0.0.1"', status: '0', ok: 'true' };

/** The records, all to partition 0. */
export const EDGE_RECORDS: TestRecord[] = EDGES.map(({ record, json }) => ({
  partition: 0,
  timestampMs: SENT_MS,
  ...record,
  value: `{${Object.entries({ ...REQUIRED, ...json })
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`,
}));

export const EDGE_REFUSED = EDGES.filter(({ row }) => row === undefined).length;

const NULLS = Object.fromEntries(Object.keys(EDGE_COLUMNS).map((name) => [name, null]));

/** The rows of the topic in order of their offsets. */
export const EDGE_ROWS: NeutralRow[] = EDGES.flatMap(({ row }, offset) =>
  row === undefined
    ? []
    : [
        {
          ...NULLS,
          _partition: 0,
          _offset: BigInt(offset),
          _timestamp: neutralTime(BigInt(SENT_MS) * 1_000n),
          at: us('2026-03-01T05:59:59.999Z', 999n),
          host: '10.0.0.1',
          status: 0,
          ok: true,
          ...row,
        },
      ],
);

/** Values for a topic without a schema: bytes that are no text, none, every byte. */
const VALUES = [
  Buffer.from([0, 0xff, 0xfe, 0xc3, 10, 13]),
  Buffer.alloc(0),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
];
export const RAW_RECORDS: TestRecord[] = VALUES.map((value) => ({
  value,
  key: value,
  headers: [{ key: 'raw', value }],
  partition: 0,
  timestampMs: SENT_MS,
}));
export const RAW_ROWS: NeutralRow[] = VALUES.map((value, offset) => ({
  _partition: 0,
  _offset: BigInt(offset),
  _timestamp: neutralTime(BigInt(SENT_MS) * 1_000n),
  _key: neutralBytes(value),
  _headers: [{ key: 'raw', value: neutralBytes(value) }],
  _extra: null,
  _value: neutralBytes(value),
}));
