/**
 * The faults that tests plant in rows (event-rows.ts), as a table: each kind with the reason it must be refused for.
 */
import type { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import type { Reason } from '../../schemas/reasons.ts';
import { type Members, pick, rowText, STRINGS } from './event-rows.ts';

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
