/**
 * The files of the built-in schemas and of a raw table, read by three independent readers: every column with its type and
 * exactly the values that were sent.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { visibleFiles } from '../../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords, type TestRecord } from '../../support/load-topic.ts';
import {
  codecsOf,
  type NeutralRow,
  neutralBytes,
  neutralTime,
  readByDuckDb,
  readByHyparquet,
  readByParquetjs,
} from '../../support/parquet-readers.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

let dir: TempDir;
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('readers');
  broker = await startBroker(dir.join('data'));
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const SENT_MS = Date.parse('2026-03-01T05:00:00.123Z');
const TEXT = 'ä 日本 😀 "q" \\ \u0000 \t\r\n \u2028 /';
const HEADERS = [
  { key: 'träce', value: Buffer.from([0, 255]) },
  { key: '', value: Buffer.alloc(0) },
  { key: 'none', value: null },
];

interface Member {
  type: string | string[];
  format?: string;
}
const members = (schema: string) =>
  (
    JSON.parse(readFileSync(join(import.meta.dirname, `../../../schemas/${schema}.json`), 'utf8')) as {
      properties: Record<string, Member>;
    }
  ).properties;

/** Each kind of column as the readers call it: DuckDB, hyparquet, parquetjs-lite. */
const KINDS = {
  int32: ['INTEGER', 'INT32 INT_32', 'INT32 INT_32'],
  int64: ['BIGINT', 'INT64 INT_64', 'INT64 INT_64'],
  string: ['VARCHAR', 'BYTE_ARRAY UTF8', 'BYTE_ARRAY UTF8'],
  bytes: ['BLOB', 'BYTE_ARRAY', 'BYTE_ARRAY'],
  time: ['TIMESTAMP WITH TIME ZONE', 'INT64 TIMESTAMP_MICROS UTC', 'INT64 TIMESTAMP_MICROS'],
  headers: ['STRUCT("key" VARCHAR, "value" BLOB)[]', 'group LIST', 'group'],
} as const;
type Kind = keyof typeof KINDS;
const ENVELOPE: [string, Kind][] = [
  ['_partition', 'int32'],
  ['_offset', 'int64'],
  ['_timestamp', 'time'],
  ['_key', 'bytes'],
  ['_headers', 'headers'],
  ['_extra', 'string'],
];
const kindOf = ({ type, format }: Member): Kind =>
  format === 'date-time' ? 'time' : [type].flat()[0] === 'string' ? 'string' : (format as 'int32' | 'int64');

/** Columns of a topic's table in the order of its files. */
function columnsOf(topic: string): [string, Kind][] {
  if (topic === 'raw') return [...ENVELOPE, ['_value', 'bytes']];
  return [
    ...ENVELOPE,
    ...Object.entries(members(topic)).map(([name, m]): [string, Kind] => [name, kindOf(m)]),
  ];
}

/** What was sent with each of the three records, and stands before the schema's columns. */
const ENVELOPES: { record: Omit<TestRecord, 'value'>; row: NeutralRow }[] = [
  {
    record: { key: Buffer.from([0xff, 0]), timestampMs: SENT_MS, headers: HEADERS },
    row: {
      _timestamp: neutralTime(BigInt(SENT_MS) * 1_000n),
      _key: '0xff00',
      _headers: HEADERS.map(({ key, value }) => ({ key, value: value && neutralBytes(value) })),
      _extra: null,
    },
  },
  {
    record: { key: '', timestampMs: SENT_MS },
    row: { _timestamp: neutralTime(BigInt(SENT_MS) * 1_000n), _key: '0x', _headers: null, _extra: null },
  },
  {
    record: { timestampMs: SENT_MS + 1 },
    row: { _timestamp: neutralTime(BigInt(SENT_MS + 1) * 1_000n), _key: null, _headers: null, _extra: null },
  },
];

/** Values of the schema's columns for the three records: the most, the least, and all that may be null. */
function eventOf(topic: string, n: number): { text: string; row: NeutralRow } {
  const parts: string[] = [];
  const row: NeutralRow = {};
  for (const [name, member] of Object.entries(members(topic))) {
    const kind = kindOf(member);
    const isNull = n === 2 && [member.type].flat().includes('null');
    const [raw, value] = isNull ? ['null', null] : VALUES[kind as 'time'][n % 2]!;
    if (!isNull || kind === 'int64') parts.push(`"${name}":${raw}`); // null, or not there at all
    row[name] = value;
  }
  return { text: `{${parts.join(',')}}`, row };
}
const JSON_TEXT = JSON.stringify(TEXT);
const VALUES = {
  time: [
    [
      '"2026-03-01T07:30:00.123456+02:30"',
      neutralTime(BigInt(Date.parse('2026-03-01T05:00:00Z')) * 1_000n + 123_456n),
    ],
    ['"2026-03-01T05:59:59.999999Z"', neutralTime(BigInt(Date.parse('2026-03-01T06:00:00Z')) * 1_000n - 1n)],
  ],
  string: [
    [JSON_TEXT, TEXT],
    ['"\\u00e9\\ud83d\\ude00\\/"', 'é😀/'],
  ],
  int32: [
    ['2147483647', 2_147_483_647],
    ['-2147483648', -2_147_483_648],
  ],
  int64: [
    ['9223372036854775807', 9_223_372_036_854_775_807n],
    ['-9223372036854775808', -9_223_372_036_854_775_808n],
  ],
} as const satisfies Partial<Record<Kind, unknown>>;

/** Sends three records, loads them into one file, and tells the rows that must be in it. */
async function oneFile(topic: string, compression: 'snappy' | 'zstd') {
  const name = `${topic}-${compression}`;
  await createTopic(addressOf(broker), name, 1);
  const events = ENVELOPES.map(({ record, row }, n) => {
    const { text, row: values } =
      topic === 'raw' ? { text: TEXT, row: { _value: neutralBytes(Buffer.from(TEXT)) } } : eventOf(topic, n);
    const hasExtra = topic !== 'raw' && n === 0;
    return {
      record: { ...record, value: hasExtra ? text.replace('{', '{"more":[1,"ä"],') : text },
      row: {
        _partition: 0,
        _offset: BigInt(n),
        ...row,
        ...values,
        ...(hasExtra && { _extra: '{"more":[1,"ä"]}' }),
      },
    };
  });
  await sendRecords(
    addressOf(broker),
    name,
    events.map(({ record }) => record),
  );
  const warehouse = dir.join(name);
  const topics = topic === 'raw' ? {} : { [name]: { schema: topic } };
  const loaded = await loadTopics(
    { address: addressOf(broker), warehouse, topics, loader: { compression } },
    name,
  );
  expect(loaded).toMatchObject({ rows: 3, files: 1 });
  const [file] = visibleFiles(warehouse, name);
  return { path: join(warehouse, name, file!), rows: events.map(({ row }): NeutralRow => row) };
}

/** The rows as a reader sees them that cuts times to milliseconds. */
const inMilliseconds = (rows: NeutralRow[]) =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'string' ? value.replace(/^(\d+)\d{3}µs$/, '$1000µs') : value,
      ]),
    ),
  );

function expectTypes(topic: string, types: Record<string, string>, reader: 0 | 1 | 2): void {
  const columns = columnsOf(topic);
  expect(Object.keys(types)).toEqual(columns.map(([name]) => name));
  expect(types).toEqual(Object.fromEntries(columns.map(([name, kind]) => [name, KINDS[kind][reader]])));
}

describe.each(['web_request', 'activity', 'raw'])('a file of table %s', (topic) => {
  test.each(['snappy', 'zstd'] as const)(
    'in %s is read alike, and right, by all who read that',
    async (compression) => {
      const { path, rows } = await oneFile(topic, compression);
      expect(await codecsOf(path)).toEqual(new Set([compression.toUpperCase()]));
      const duckdb = await readByDuckDb(path);
      expectTypes(topic, duckdb.types, 0);
      expect(duckdb.rows).toEqual(rows);
      const hyparquet = await readByHyparquet(path);
      expectTypes(topic, hyparquet.types, 1);
      expect(hyparquet.rows).toEqual(rows);
      if (compression !== 'snappy') return;
      const parquetjs = await readByParquetjs(path);
      expectTypes(topic, parquetjs.types, 2);
      const withoutNulls = inMilliseconds(rows).map((row) => ({
        ...row,
        // It leaves out what is null, in structs too.
        _headers:
          (row['_headers'] as NeutralRow[] | null)?.map(({ key, value }) =>
            value === null ? { key } : { key, value },
          ) ?? null,
      }));
      expect(parquetjs.rows).toEqual(withoutNulls);
    },
  );
});
