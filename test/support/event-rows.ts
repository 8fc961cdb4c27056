/**
 * Rows for the tests of guard and judge: a schema with every column type and a seeded maker of valid rows in many
 * spellings. What spoils them is in event-faults.ts.
 */
import type { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import { type EventSchema, parseSchema } from '../../schemas/event-schema.ts';

/** A schema with every column type, required and optional, as the text of its file. */
export const PROBE_TEXT = JSON.stringify({
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
});
export const PROBE_SCHEMA: EventSchema = parseSchema('probe', PROBE_TEXT);

/** What the event times of the tests must lie in. */
export const PROBE_BOUNDS = {
  minTimeUs: Date.UTC(1990, 0) * 1000,
  maxTimeUs: Date.UTC(2026, 10, 23, 12) * 1000,
};

/** A row as its members, name and value both raw JSON text. */
export type Members = [rawName: string, rawValue: string][];

/** One of a list. */
export const pick = <T>(random: SeededRandom, list: readonly T[]): T => list[random.below(list.length)]!;

/** Valid strings, raw. */
export const STRINGS = [
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

/** The members of a row that the guard proves: a fault planted in it is all that keeps it from doing so. */
export function plainMembers(random: SeededRandom): Members {
  return [
    ['"at"', randomTime(random)],
    ['"host"', '"10.0.0.1"'],
    ['"status"', String(random.below(600))],
    ['"ok"', 'true'],
    ['"note"', '"plain"'],
    ['"bytes"', String(random.uint32())],
  ];
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
