/**
 * Rows with nested values for the tests of guard, judge and writer: a schema with every type made of others, and a seeded
 * maker of values that gives each as JSON text and, independently of the code under test, as what a reader must find.
 */
import type { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import { type EventSchema, parseSchema } from '../../schemas/event-schema.ts';
import { type Members, pick, STRINGS } from './event-rows.ts';
import { type Neutral, neutralTime } from './parquet-readers.ts';

const money = { type: 'number', 'x-decimal': { precision: 12, scale: 2 } };

/** The text of its file. */
export const NESTED_TEXT = JSON.stringify({
  type: 'object',
  'x-event-time': 'at',
  required: ['at', 'place'],
  properties: {
    at: { type: 'string', format: 'date-time' },
    id: { type: 'string', format: 'uuid' },
    price: money,
    total: { type: 'string', 'x-decimal': { precision: 38, scale: 6 } },
    units: { type: 'number', 'x-decimal': { precision: 3, scale: 0 } },
    place: {
      type: 'object',
      required: ['lat'],
      properties: {
        lat: { type: 'number' },
        name: { type: ['string', 'null'] },
        since: { type: 'string', format: 'date-time' },
        order: {
          type: 'object',
          properties: { id: { type: 'string', format: 'uuid' }, count: { type: 'integer' } },
        },
      },
    },
    tags: { type: 'array', items: { type: ['string', 'null'] } },
    counts: { type: 'array', items: { type: 'integer', format: 'int32' } },
    lines: {
      type: 'array',
      items: {
        type: 'object',
        required: ['sku'],
        properties: { sku: { type: 'string' }, price: money, gift: { type: 'boolean' } },
      },
    },
    attrs: { type: 'object', additionalProperties: { type: 'string' } },
    scores: {
      type: 'object',
      additionalProperties: {
        type: ['array', 'null'],
        items: { type: ['number', 'null'], 'x-decimal': { precision: 20, scale: 3 } },
      },
    },
  },
});
export const NESTED_SCHEMA: EventSchema = parseSchema('nested', NESTED_TEXT);

/** A value as JSON text and as any reader must see it. */
interface Made {
  raw: string;
  value: Neutral;
}

type Maker = (random: SeededRandom) => Made;

/** The binding of DuckDB drops a byte order mark at the beginning of a text. */
const TEXTS = STRINGS.filter((raw) => !(JSON.parse(raw) as string).startsWith('\ufeff'));

const string: Maker = (random) => {
  const raw = pick(random, TEXTS);
  return { raw, value: JSON.parse(raw) as string };
};
const int32: Maker = (random) => {
  const value = random.uint32() | 0;
  return { raw: pick(random, [String(value), `${value}.0`, `${value}0e-1`]), value };
};
const int64: Maker = (random) => {
  const value = BigInt(random.uint32() - 2 ** 31) * BigInt(random.uint32());
  return { raw: random.chance(0.8) ? String(value) : `${value}.0`, value };
};
const double: Maker = (random) => {
  const value = pick(random, [0.1, -2.5, 5e-324, 1.7976931348623157e308, 0, 48.8566, 1e21]);
  return { raw: String(value), value };
};
const boolean: Maker = (random) => {
  const value = random.chance(0.5);
  return { raw: String(value), value };
};
const time: Maker = (random) => {
  const ms = Date.UTC(1990, 0, 2) + random.uint32() * 200;
  const text = new Date(ms).toISOString();
  const raw = random.chance(0.5) ? `"${text}"` : `"${text.slice(0, 23)}456+00:00"`;
  return { raw, value: neutralTime(BigInt(ms) * 1_000n + (raw.includes('+') ? 456n : 0n)) };
};
const uuid: Maker = (random) => {
  const hex = Array.from({ length: 4 }, () => random.uint32().toString(16).padStart(8, '0')).join('');
  const value = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { raw: `"${random.chance(0.8) ? value : value.toUpperCase()}"`, value };
};
const decimal =
  (precision: number, scale: number, inText = false): Maker =>
  (random) => {
    const digits = Array.from({ length: 1 + random.below(precision) }, () => random.below(10)).join('');
    const units = digits.padStart(scale + 1, '0');
    const [whole, fraction] = [units.slice(0, units.length - scale), units.slice(units.length - scale)];
    const plain = whole.replace(/^0+(?=\d)/, '') + (scale > 0 ? `.${fraction}` : '');
    const isNegative = random.chance(0.3) && /[1-9]/.test(plain);
    const value = (isNegative ? '-' : '') + plain;
    const longer = scale > 0 ? `${value}00` : `${value}.0`;
    const exponent = `${isNegative ? '-' : ''}${whole.replace(/^0+(?=\d)/, '')}${fraction}e-${scale}`;
    const number = pick(
      random,
      inText ? [value, longer] : [value, value, longer, exponent.replace(/^(-?)0+(?=\d)/, '$1')],
    );
    return { raw: inText ? `"${number}"` : number, value };
  };
const orNull =
  (maker: Maker): Maker =>
  (random) =>
    random.chance(0.15) ? { raw: 'null', value: null } : maker(random);
const list =
  (maker: Maker): Maker =>
  (random) => {
    const items = Array.from({ length: random.below(5) }, () => maker(random));
    return {
      raw: `[${items.map(({ raw }) => raw).join(pick(random, [',', ' , ', ',\n']))}]`,
      value: items.map(({ value }) => value),
    };
  };
const map =
  (maker: Maker): Maker =>
  (random) => {
    const names = ['""', '"a"', '"A"', '"q\\"x"', '"\\u00e9"', '"日本"', '"a.b"', '"_x"', '"key"', '"value"'];
    const members = names.filter(() => random.chance(0.3)).map((name) => ({ name, ...maker(random) }));
    return {
      raw: `{${members.map(({ name, raw }) => `${name}:${raw}`).join(pick(random, [',', ', ']))}}`,
      value: members.map(({ name, value }) => ({ key: JSON.parse(name) as string, value })),
    };
  };
/** The required fields first; the others come, come as null, or don't. */
const struct =
  (required: Record<string, Maker>, optional: Record<string, Maker>): Maker =>
  (random) => {
    const must = Object.entries(required).map(([name, maker]) => ({ name, ...maker(random) }));
    const may = Object.entries(optional).map(([name, maker]) => ({
      name,
      ...orNull(maker)(random),
      isThere: random.chance(0.7),
    }));
    const there = [...must, ...may.filter(({ isThere }) => isThere)];
    if (random.chance(0.3)) there.reverse();
    return {
      raw: `{${there.map(({ name, raw }) => `"${name}" :${raw}`).join()}}`,
      value: Object.fromEntries([
        ...must.map(({ name, value }) => [name, value]),
        ...may.map(({ name, value, isThere }) => [name, isThere ? value : null]),
      ]) as Neutral,
    };
  };

const line = struct({ sku: string }, { price: decimal(12, 2), gift: boolean });
const MAKERS: Record<string, Maker> = {
  id: uuid,
  price: decimal(12, 2),
  total: decimal(38, 6, true),
  units: decimal(3, 0),
  tags: list(orNull(string)),
  counts: list(int32),
  lines: list(line),
  attrs: map(string),
  scores: map(orNull(list(orNull(decimal(20, 3))))),
};
const place = struct(
  { lat: double },
  { name: string, since: time, order: struct({}, { id: uuid, count: int64 }) },
);

/** A valid row: its members as JSON text, and its columns as a reader must see them, those that are absent as null. */
export function nestedRow(random: SeededRandom): { members: Members; row: Record<string, Neutral> } {
  const made: [string, Made][] = [
    ['at', time(random)],
    ['place', place(random)],
  ];
  for (const [name, maker] of Object.entries(MAKERS))
    if (random.chance(0.6)) made.push([name, orNull(maker)(random)]);
  const row = Object.fromEntries(NESTED_SCHEMA.columns.map(({ name }) => [name, null as Neutral]));
  for (const [name, { value }] of made) row[name] = value;
  return { members: made.map(([name, { raw }]) => [`"${name}"`, raw]), row };
}
