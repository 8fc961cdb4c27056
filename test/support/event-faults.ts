/**
 * Rows for the tests of guard and judge: a schema with every column type, a seeded maker of valid rows in many spellings,
 * and a table of faults to plant in them, each with the reason it must be refused for.
 */
import type { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import { type EventSchema, parseSchema } from '../../schemas/event-schema.ts';
import type { Reason } from '../../schemas/reasons.ts';

/** Every column type, required and optional. */
export const PROBE_SCHEMA: EventSchema = parseSchema(
  'probe',
  JSON.stringify({
    type: 'object',
    'x-event-time': 'at',
    required: ['at', 'host', 'status', 'ok'],
    properties: {
      at: { type: 'string', format: 'date-time' },
      host: { type: 'string' },
      status: { type: 'integer', format: 'int32' },
      ok: { type: 'boolean' },
      note: { type: ['string', 'null'] },
      bytes: { type: ['integer', 'null'], format: 'int64' },
      score: { type: ['number', 'null'] },
      seen_at: { type: ['string', 'null'], format: 'date-time' },
      is_new: { type: ['boolean', 'null'] },
      level: { type: ['integer', 'null'], format: 'int32' },
    },
  }),
);

/** What the event times of the tests must lie in. */
export const PROBE_BOUNDS = {
  minTimeUs: Date.UTC(1990, 0) * 1000,
  maxTimeUs: Date.UTC(2026, 10, 23, 12) * 1000,
};

/** A row as its members, name and value both raw JSON text. */
export type Members = [rawName: string, rawValue: string][];

const pick = <T>(random: SeededRandom, list: readonly T[]): T => list[random.below(list.length)]!;

const STRINGS = [
  '""',
  '"GET"',
  '"/2016/02/a-page/?s=some+words&x=%20"',
  '"Mozilla/5.0 (X11; Linux x86_64) \\"quoted\\" \\\\ \\/ \\b\\f\\n\\r\\t"',
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\u00e9\\u20AC"',
  '"\\ud83d\\ude00"',
  '"\\uD83D\\uDE00 tail"',
  '"é€😀"',
  '"\u007f\u0080\u2028\ufeff"',
  '"\\ufeff\\uffff"',
  '"null"',
  '"{}"',
  '"[1,2]"',
  '"\\\\u0041"',
  '"\\\\\\\\"',
  '"123"',
] as const;
const INTEGERS32 = [
  '0',
  '-0',
  '200',
  '404',
  '-1',
  '2147483647',
  '-2147483648',
  '1.0',
  '2e2',
  '-3.00',
  '12E1',
  '50e-1',
  '0.0',
  '0e5',
  '2000000000.0',
];
const INTEGERS64 = [
  ...INTEGERS32,
  '9007199254740993',
  '-9007199254740993',
  '9007199254740993.0',
  '999999999999999999',
  '1000000000000000000',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775807.0',
  '9.223372036854775807e18',
  '92233720368547758070e-1',
];
const NUMBERS = [
  ...INTEGERS64,
  '0.1',
  '-0.0',
  '1.5',
  '0.30000000000000004',
  '1e23',
  '8.5e22',
  '5e-324',
  '1e-400',
  '2.2250738585072011e-308',
  '1.7976931348623157e308',
  '3.141592653589793238462643383279502884197',
  '123456789012345678901234567890',
  '18446744073709551615',
  '18446744073709551616',
  '4503599627370497.5',
  '100000000000000.1',
  '9007199254740992.9',
];
const TIMES = [
  '"2016-02-29T05:00:45Z"',
  '"2016-02-20T05:00:45.1Z"',
  '"2016-02-20T05:00:45.123456Z"',
  '"2016-02-20T05:00:45+05:30"',
  '"2016-02-20T05:00:45-14:00"',
  '"2016-02-20T05:00:45.000001+14:00"',
  '"2016-02-20T05:00:45-00:00"',
  '"2016-02-20T05:00:45+23:59"',
  '"2000-02-29t23:59:59z"',
  '"2016-12-31T23:59:59.999999Z"',
  '"2016-02-20T05:00:45\\u005a"',
] as const;
/** Fit for a column that isn't the event time. */
const FAR_TIMES = [
  ...TIMES,
  '"0000-01-01T00:00:00Z"',
  '"0000-02-29T00:00:00Z"',
  '"0001-01-01T00:00:00+14:00"',
  '"1600-02-29T12:00:00.5Z"',
  '"1969-12-31T23:59:59.999999Z"',
  '"9999-12-31T23:59:59.999999-14:00"',
] as const;

function randomTime(random: SeededRandom): string {
  const ms =
    Date.UTC(1990, 0, 2) + Math.floor(random.fraction() * (Date.UTC(2026, 10, 22) - Date.UTC(1990, 0, 2)));
  const text = new Date(ms).toISOString();
  const shape = random.below(4);
  if (shape === 0) return `"${text}"`;
  if (shape === 1) return `"${text.slice(0, 19)}Z"`;
  const digits = String(random.below(1_000_000))
    .padStart(6, '0')
    .slice(0, 1 + random.below(6));
  const zone = `${random.chance(0.5) ? '+' : '-'}${String(random.below(15)).padStart(2, '0')}:${random.chance(0.5) ? '00' : '45'}`;
  return `"${text.slice(0, 19)}.${digits}${shape === 2 ? 'Z' : zone}"`;
}

function randomString(random: SeededRandom): string {
  const length = random.below(60);
  let text = '';
  for (let i = 0; i < length; i++) {
    const kind = random.below(20);
    if (kind === 0)
      text += String.fromCodePoint(pick(random, [0x09, 0x22, 0x5c, 0x00, 0x1f, 0x7f, 0x80, 0xff, 0x7ff]));
    else if (kind === 1)
      text += String.fromCodePoint(pick(random, [0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff]));
    else text += String.fromCharCode(0x20 + random.below(95));
  }
  return JSON.stringify(text);
}

function randomNumber(random: SeededRandom): string {
  const digits = Array.from({ length: 1 + random.below(20) }, () => random.below(10)).join('');
  const whole = digits.replace(/^0+(?=\d)/, '');
  const fraction = random.chance(0.7) ? `.${random.uint32()}` : '';
  const exponent = random.chance(0.3) ? `e${random.below(500) - 250}` : '';
  return `${random.chance(0.3) ? '-' : ''}${whole}${fraction}${exponent}`;
}

const orNull = (random: SeededRandom, raw: string) => (random.chance(0.1) ? 'null' : raw);

/** The members of a valid row of the probe schema, in order of the schema or not. */
export function validMembers(random: SeededRandom): Members {
  const string = () => (random.chance(0.5) ? pick(random, STRINGS) : randomString(random));
  const time = (list: readonly string[]) => (random.chance(0.5) ? pick(random, list) : randomTime(random));
  const members: Members = [
    ['"at"', time(TIMES)],
    ['"host"', string()],
    ['"status"', random.chance(0.7) ? String(random.uint32() | 0) : pick(random, INTEGERS32)],
    ['"ok"', random.chance(0.5) ? 'true' : 'false'],
  ];
  const optional: Members = [
    ['"note"', orNull(random, string())],
    [
      '"bytes"',
      orNull(
        random,
        random.chance(0.5)
          ? String(BigInt(random.uint32()) * BigInt(random.below(2 ** 31)))
          : pick(random, INTEGERS64),
      ),
    ],
    ['"score"', orNull(random, random.chance(0.5) ? randomNumber(random) : pick(random, NUMBERS))],
    ['"seen_at"', orNull(random, time(FAR_TIMES))],
    ['"is_new"', orNull(random, random.chance(0.5) ? 'true' : 'false')],
    ['"level"', orNull(random, pick(random, INTEGERS32))],
  ];
  for (const member of optional) if (random.chance(0.7)) members.push(member);
  if (random.chance(0.3)) members.reverse();
  return members;
}

/** Writes members as JSON, with or without white space. */
export function rowText(random: SeededRandom, members: Members): string {
  const space = random.chance(0.2) ? () => pick(random, ['', ' ', '\n', '\t', '\r\n', '  ']) : () => '';
  const inner = members.map(([name, value]) => `${space()}${name}${space()}:${space()}${value}${space()}`);
  return `${space()}{${inner.length === 0 ? space() : inner.join(',')}}${space()}`;
}

/** Unknown members: what a row may carry without harm. */
export const EXTRAS: Members = [
  ['"tail"', '"rest of the line"'],
  ['"_offset"', '7'],
  ['"big"', '12345678901234567890.123456789e5'],
  ['"nested"', '{"a": [1, {"b": "}]\\"{"}, null], "a": 2}'],
  ['"HOST"', '"upper case is another member"'],
  ['"h\\u006fst2"', 'true'],
  ['""', '[]'],
  ['"__proto__"', '{"x":1}'],
  ['"constructor"', 'null'],
  ['"deep"', `${'['.repeat(3_000)}${']'.repeat(3_000)}`],
];

/** One way to spoil a row. `plant` answers the bytes; `reason`: what they must be refused for, and `field`. */
export interface Fault {
  name: string;
  reason: Reason;
  field: string | null;
  plant(random: SeededRandom, members: Members): Buffer;
}

const without = (members: Members, name: string): Members => members.filter(([raw]) => raw !== `"${name}"`);
const setTo = (members: Members, name: string, raw: string): Members => [
  ...without(members, name),
  [`"${name}"`, raw],
];

function value(name: string, reason: Reason, field: string, values: readonly string[]): Fault {
  return {
    name,
    reason,
    field,
    plant: (random, members) => Buffer.from(rowText(random, setTo(members, field, pick(random, values)))),
  };
}

function text(
  name: string,
  reason: Reason,
  spoil: (row: string, random: SeededRandom) => string | Buffer,
): Fault {
  return {
    name,
    reason,
    field: null,
    plant: (random, members) => Buffer.from(spoil(rowText(random, members).trim(), random)),
  };
}

const OTHER_THAN_STRING = ['1', 'true', '{"a":1}', '["a"]', '1.5e3'];
const OTHER_THAN_NUMBER = ['"200"', 'true', 'false', '{}', '[]', '[200]', '""'];
const BAD_TIMES = [
  '2015-02-29T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2016-02-30T00:00:00Z',
  '2016-04-31T00:00:00Z',
  '2016-13-01T00:00:00Z',
  '2016-00-10T00:00:00Z',
  '2016-01-00T00:00:00Z',
  '2016-01-32T00:00:00Z',
  '2016-02-20T24:00:00Z',
  '2016-02-20T05:60:00Z',
  '2016-02-20T05:00:60Z',
  '2016-12-31T23:59:60Z',
  '2016-02-20T05:00:45',
  '2016-02-20 05:00:45Z',
  '2016-02-20T05:00:45.Z',
  '2016-02-20T05:00:45.1234567Z',
  '2016-02-20T05:00:45,123Z',
  '2016-02-20T05:00:45+0530',
  '2016-02-20T05:00:45+05',
  '2016-02-20T05:00:45+24:00',
  '2016-02-20T05:00:45+05:60',
  '2016-02-20T05:00Z',
  '2016-02-20',
  '20160220T050045Z',
  '2016-2-20T05:00:45Z',
  '+2016-02-20T05:00:45Z',
  '-016-02-20T05:00:45Z',
  '12016-02-20T05:00:45Z',
  ' 2016-02-20T05:00:45Z',
  '2016-02-20T05:00:45Z ',
  '2016-02-20T05:00:45ZZ',
  '2016-02-20T05:00:45 Z',
  '2016-02-20T05:00:45UTC',
  'infinity',
  'epoch',
  '',
  '1455944445',
  '2016-02-20T05:00:4５Z',
  '2016/02/20T05:00:45Z',
  '2016-02-20T05.00.45Z',
  '2016-02-20T0a:00:45Z',
  '2016-02-20T05:00:45.12e4Z',
  '2016-02-20T05:00:45\\n',
].map((time) => `"${time}"`); // prettier rows: one fault each

/** All kinds of faults. */
export const FAULTS: readonly Fault[] = [
  value('a string column of another type', 'type', 'host', OTHER_THAN_STRING),
  value('an optional string column of another type', 'type', 'note', OTHER_THAN_STRING),
  value('an int32 column of another type', 'type', 'status', OTHER_THAN_NUMBER),
  value('an int64 column of another type', 'type', 'bytes', OTHER_THAN_NUMBER),
  value('a double column of another type', 'type', 'score', OTHER_THAN_NUMBER),
  value('a boolean column of another type', 'type', 'ok', ['"true"', '1', '0', '"t"', '{}', '[]', '[true]']),
  value('an event time of another type', 'type', 'at', [
    '1455944445',
    '1455944445000',
    'true',
    '{}',
    '["2016-02-20T05:00:45Z"]',
  ]),
  value('a fraction in an int32', 'not an integer', 'status', [
    '1.5',
    '200.1',
    '-0.5',
    '1e-1',
    '2147483647.5',
    '1e-999',
  ]),
  value('a fraction in an int64', 'not an integer', 'bytes', [
    '1.5',
    '9007199254740993.5',
    '5e-1',
    '-1e-400',
    '1234567890123456789012e-4',
  ]),
  value('an int32 out of range', 'range', 'status', [
    '2147483648',
    '-2147483649',
    '1e10',
    '99999999999',
    '1e400',
    '1e999999999999999999999',
  ]),
  value('an int64 out of range', 'range', 'bytes', [
    '9223372036854775808',
    '-9223372036854775809',
    '1e19',
    '12345678901234567890',
    '1e400',
    '9223372036854775808.0',
  ]),
  value('a double out of range', 'range', 'score', [
    '1e400',
    '-1e999',
    '1.7976931348623159e308',
    `1${'0'.repeat(400)}`,
  ]),
  value('an event time that is none', 'time', 'at', BAD_TIMES),
  value('an optional time that is none', 'time', 'seen_at', BAD_TIMES),
  value('an event time out of bounds', 'time out of bounds', 'at', [
    '"1989-12-31T23:59:59.999999Z"',
    '"1990-01-01T00:00:00+00:01"',
    '"2026-11-23T12:00:00.000001Z"',
    '"9999-12-31T23:59:59Z"',
    '"0000-01-01T00:00:00Z"',
    '"1969-12-31T23:59:59Z"',
  ]),
  value('null in a required string', 'missing', 'host', ['null']),
  value('null as the event time', 'missing', 'at', ['null']),
  value('a lone surrogate in a string', 'lone surrogate', 'host', [
    '"\\ud83d"',
    '"\\ude00"',
    '"\\ud83dx\\ude00"',
    '"\\ude00\\ud83d"',
    '"a\\uD83D\\n"',
    '"\\ud83d\\ud83d\\ude00"',
    '"\\\\\\udfff"',
  ]),
  {
    name: 'a lone surrogate in an unknown member',
    reason: 'lone surrogate',
    field: 'other',
    plant: (random, members) => Buffer.from(rowText(random, [...members, ['"other"', '{"a":["\\ud800"]}']])),
  },
  {
    name: 'a required member left out',
    reason: 'missing',
    field: 'status',
    plant: (random, members) => Buffer.from(rowText(random, without(members, 'status'))),
  },
  {
    name: 'the event time left out',
    reason: 'missing',
    field: 'at',
    plant: (random, members) => Buffer.from(rowText(random, without(members, 'at'))),
  },
  {
    name: 'a member twice',
    reason: 'repeated',
    field: 'host',
    plant: (random, members) => Buffer.from(rowText(random, [...members, ['"host"', pick(random, STRINGS)]])),
  },
  {
    name: 'a member twice, once with an escaped name',
    reason: 'repeated',
    field: 'host',
    plant: (random, members) => Buffer.from(rowText(random, [['"\\u0068ost"', '"x"'], ...members])),
  },
  text('cut short', 'not json', (row, random) => row.slice(0, random.below(row.length - 1) + 1)),
  text('nothing at all', 'not json', (_, random) => pick(random, ['', ' ', '\n'])),
  text('plain text', 'not json', (_, random) =>
    pick(random, ['hello', 'NaN', 'undefined', "{'at':1}", '{at:1}']),
  ),
  text(
    'something after the object',
    'not json',
    (row, random) => row + pick(random, ['x', '{}', ',', ']', '\0', '\u00a0', '\ufeff']),
  ),
  text('two objects', 'not json', (row) => `${row}\n${row}`),
  text('a byte order mark', 'not json', (row) => `\ufeff${row}`),
  text('a comment', 'not json', (row) => row.replace('{', '{/* no */')),
  text('a comma too many', 'not json', (row, random) =>
    random.chance(0.5) ? row.replace(/\}$/, ',}') : row.replace('{', '{,'),
  ),
  text('a comma too few', 'not json', (row) => row.replace('{', '{"a":1 ')),
  text('a number that JSON does not know', 'not json', (row, random) =>
    row.replace(
      /\}$/,
      `,"x":${pick(random, ['01', '+1', '.5', '1.', '1e', '-', '0x1', 'NaN', 'Infinity', '-Infinity', '1_000', '--1', '1e+'])}}`,
    ),
  ),
  text('a bad number in a column', 'not json', (row, random) =>
    row.replace(/\}$/, `,"level":${pick(random, ['01', '+1', '-', '-01', '00', '1.', '1.e1', '- 1'])}}`),
  ),
  text('a control character in a string', 'not json', (row, random) =>
    row.replace(/\}$/, `,"x":"a${String.fromCharCode(random.below(32))}b"}`),
  ),
  text('a raw control character in a known string', 'not json', (row, random) =>
    row.replace(/"host"(\s*):/, `"host"$1:"${String.fromCharCode(random.below(32))}","x":`),
  ),
  text('an escape that JSON does not know', 'not json', (row, random) =>
    row.replace(
      /"host"(\s*):/,
      `"host"$1:"${pick(random, ['\\x41', '\\u12g4', '\\u12', "\\'", '\\0', '\\U0041', '\\'])}","x":`,
    ),
  ),
  text('a literal in another case', 'not json', (row, random) =>
    row.replace(/\}$/, `,"x":${pick(random, ['True', 'NULL', 'nul', 'fals', 'truee'])}}`),
  ),
  text('invalid UTF-8', 'not utf-8', (row, random) => {
    const bad = pick(random, [
      [0xff],
      [0xc0, 0xaf],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0x80],
      [0xf0, 0x9f, 0x98],
      [0xfe],
    ]);
    const at = row.search(/"host"\s*:\s*"/) + /"host"\s*:\s*"/.exec(row)![0].length;
    return Buffer.concat([Buffer.from(row.slice(0, at)), Buffer.from(bad), Buffer.from(row.slice(at))]);
  }),
  text('JSON, but no object', 'not an object', (row, random) =>
    pick(random, [`[${row}]`, '[]', '42', '"text"', 'null', 'true', '-0']),
  ),
  {
    name: 'an empty object',
    reason: 'missing',
    field: 'at',
    plant: () => Buffer.from('{}'),
  },
];
