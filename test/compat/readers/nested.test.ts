/**
 * Nested values and decimals from their JSON text to what readers find in the file: seeded rows in many spellings go
 * through guard or judge, spool and writer, and DuckDB and hyparquet must see what the makers of the rows say, not what
 * the code under test says. Guard and judge must agree on each.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { compileGuard } from '../../../schemas/guard.ts';
import { compileJudge } from '../../../schemas/judge.ts';
import type { Reason } from '../../../schemas/reasons.ts';
import { RowSlots } from '../../../schemas/row-slots.ts';
import { PROBE_BOUNDS, rowText } from '../../support/event-rows.ts';
import { NESTED_SCHEMA, nestedRow } from '../../support/nested-rows.ts';
import {
  type Neutral,
  type NeutralRow,
  readByDuckDb,
  readByHyparquet,
} from '../../support/parquet-readers.ts';
import { TempDir } from '../../support/temp-dir.ts';
import { writtenFile } from '../../support/written-file.ts';

const ROWS = 4_000;
const SEED = 5;
const OWN = new Set(NESTED_SCHEMA.columns.map(({ name }) => name));

function seededRows(seed: number) {
  const random = new SeededRandom(seed);
  return Array.from({ length: ROWS }, () => {
    const { members, row } = nestedRow(random);
    return { value: Buffer.from(rowText(random, members)), row };
  });
}

/** What the slots hold, decoded. */
function valuesOf(slots: RowSlots, value: Buffer): unknown[] {
  const heap = Buffer.concat([value, slots.tail.subarray(0, slots.tailLength)]);
  return slots.types.map((_, i) => {
    if (slots.there[i] === 0) return null;
    const [first, second] = [slots.first[i]!, slots.second[i]!];
    return slots.isText[i] === 1 ? heap.toString('utf8', first, first + second) : [first, second];
  });
}

/** hyparquet reads decimals as doubles, not always the nearest, and maps as objects. */
const toCents = (value: Neutral | undefined): unknown =>
  typeof value === 'number' ? value.toFixed(2) : value;
const asObject = (map: Neutral | undefined): unknown =>
  map && Object.fromEntries((map as { key: string; value: Neutral }[]).map(({ key, value }) => [key, value]));

function expectSame(found: unknown, wanted: unknown, value: Buffer): void {
  if (!isDeepStrictEqual(found, wanted)) expect(found, value.toString()).toEqual(wanted);
}

/** Column, its raw value, and what it must be refused for. */
const NESTED_FAULTS = [
  ['id', '"6f9619ff-8b86-d011-b42d-00c04fc964f"', 'uuid', 'id'],
  ['id', '"6f9619ff8b86d011b42d00c04fc964ff"', 'uuid', 'id'],
  ['id', '"6f9619ff-8b86-d011-b42d-00c04fc964fg"', 'uuid', 'id'],
  ['id', '"6f9619ff-8b86-d011-b42d-00c04fc964f-"', 'uuid', 'id'],
  ['id', '7', 'type', 'id'],
  ['price', '1.234', 'scale', 'price'],
  ['price', '1e-3', 'scale', 'price'],
  ['price', '12345678901', 'range', 'price'],
  ['price', '1e999999999', 'range', 'price'],
  ['price', '"1.20"', 'type', 'price'],
  ['total', '1.20', 'type', 'total'],
  ['total', '"1.2.0"', 'decimal', 'total'],
  ['total', '"1e3"', 'decimal', 'total'],
  ['total', '" 1"', 'decimal', 'total'],
  ['total', '"0.0000001"', 'scale', 'total'],
  ['total', '"100000000000000000000000000000000"', 'range', 'total'],
  ['units', '1.5', 'scale', 'units'],
  ['units', '1000', 'range', 'units'],
  ['place', 'null', 'missing', 'place'],
  ['place', '[]', 'type', 'place'],
  ['place', '"{}"', 'type', 'place'],
  ['place', '{}', 'missing', 'place.lat'],
  ['place', '{"lat":null}', 'missing', 'place.lat'],
  ['place', '{"lat":"1"}', 'type', 'place.lat'],
  ['place', '{"lat":1,"lat":2}', 'repeated', 'place.lat'],
  ['place', '{"lat":1,"l\\u0061t":2}', 'repeated', 'place.lat'],
  ['place', '{"lat":1e999}', 'range', 'place.lat'],
  ['place', '{"lat":1,"name":"\\ud800"}', 'lone surrogate', 'place.name'],
  ['place', '{"lat":1,"x":["\\ud800"]}', 'lone surrogate', 'place.x'],
  ['place', '{"lat":1,"since":"2026-02-30T00:00:00Z"}', 'time', 'place.since'],
  ['place', '{"lat":1,"order":{"count":1.5}}', 'not an integer', 'place.order.count'],
  ['place', '{"lat":1,"order":{"count":9223372036854775808}}', 'range', 'place.order.count'],
  ['tags', '{}', 'type', 'tags'],
  ['tags', '["a",1]', 'type', 'tags[]'],
  ['counts', '[1,null]', 'null', 'counts[]'],
  ['counts', '[2147483648]', 'range', 'counts[]'],
  ['lines', '[null]', 'null', 'lines[]'],
  ['lines', '[{"sku":"a"},{}]', 'missing', 'lines[].sku'],
  ['lines', '[{"sku":"a","gift":1}]', 'type', 'lines[].gift'],
  ['attrs', '[]', 'type', 'attrs'],
  ['attrs', '{"a":null}', 'null', 'attrs{}'],
  ['attrs', '{"a":"1","a":"2"}', 'repeated', 'attrs{}'],
  ['attrs', '{"a":"1","\\u0061":"2"}', 'repeated', 'attrs{}'],
  ['attrs', '{"\\udc00":"1"}', 'lone surrogate', 'attrs{}'],
  ['attrs', '{"a":{}}', 'type', 'attrs{}'],
  ['scores', '{"a":[1.2345]}', 'scale', 'scores{}[]'],
  ['tags', '["a"', 'not json', null],
  ['tags', '["a",]', 'not json', null],
  ['tags', '["a"}', 'not json', null],
  ['place', '{"lat":01}', 'not json', null],
] as const satisfies [string, string, Reason, string | null][];

describe('nested values', () => {
  it('are the same by the guard and by the judge', () => {
    const [bySlots, judgeSlots] = [new RowSlots(NESTED_SCHEMA), new RowSlots(NESTED_SCHEMA)];
    const guard = compileGuard(NESTED_SCHEMA, PROBE_BOUNDS, bySlots);
    const judge = compileJudge(NESTED_SCHEMA, PROBE_BOUNDS);
    let proven = 0;
    for (const { value } of seededRows(SEED)) {
      const timeUs = guard(value, 0, value.length);
      const verdict = judge(value);
      if (!verdict.ok) expect.fail(`refused (${verdict.reason}, ${verdict.field}): ${value}`);
      expect(verdict.extra).toBeNull();
      if (Number.isNaN(timeUs)) continue;
      proven++;
      expect(timeUs).toBe(verdict.timeUs);
      judgeSlots.fillFromJson((verdict.json ?? value).toString());
      expectSame(valuesOf(bySlots, value), valuesOf(judgeSlots, Buffer.alloc(0)), value);
    }
    expect(proven).toBeGreaterThan(ROWS / 10);
  });

  it(`come out of DuckDB as they stand in the JSON, over ${ROWS} rows (seed ${SEED})`, async () => {
    using dir = new TempDir('nested');
    const rows = seededRows(SEED);
    const path = await writtenFile(
      dir,
      NESTED_SCHEMA,
      rows.map(({ value }) => value),
    );
    const own = (row: NeutralRow) =>
      Object.fromEntries(Object.entries(row).filter(([name]) => OWN.has(name)));
    const byDuckDb = await readByDuckDb(path);
    for (const row of byDuckDb.rows) {
      const { value, row: expected } = rows[Number(row['_offset'])]!;
      expectSame(own(row), expected, value);
    }
    expect(byDuckDb.rows).toHaveLength(ROWS);
    expect(byDuckDb.types).toMatchObject({
      id: 'VARCHAR',
      price: 'DECIMAL(12,2)',
      total: 'DECIMAL(38,6)',
      place:
        'STRUCT(lat DOUBLE, "name" VARCHAR, since TIMESTAMP WITH TIME ZONE, "order" STRUCT(id VARCHAR, count BIGINT))',
      lines: 'STRUCT(sku VARCHAR, price DECIMAL(12,2), gift BOOLEAN)[]',
      scores: 'MAP(VARCHAR, DECIMAL(20,3)[])',
    });
    const { rows: byHyparquet } = await readByHyparquet(path);
    for (const row of byHyparquet) {
      const { value, row: expected } = rows[Number(row['_offset'])]!;
      const { id, place, tags, counts, attrs, price, units } = expected;
      const wanted = {
        id,
        place,
        tags,
        counts,
        attrs: asObject(attrs),
        price,
        units: units && Number(units),
      };
      const found = Object.fromEntries(Object.keys(wanted).map((name) => [name, row[name]]));
      expectSame({ ...found, price: toCents(row['price']) }, wanted, value);
    }
    expect(byHyparquet).toHaveLength(ROWS);
  });

  it.each(NESTED_FAULTS)(
    'are refused where they differ from their type: %s %s',
    (name, raw, reason, field) => {
      const guard = compileGuard(NESTED_SCHEMA, PROBE_BOUNDS);
      const judge = compileJudge(NESTED_SCHEMA, PROBE_BOUNDS);
      const value = Buffer.from(
        `{"at":"2026-01-01T00:00:00Z","place":{"lat":1},"${name}":${raw}}`.replace(
          /"place":\{"lat":1\},(?="place")/,
          '',
        ),
      );
      expect(guard(value, 0, value.length)).toBeNaN();
      expect(judge(value)).toEqual({ ok: false, reason, field });
    },
  );

  it('are refused with bytes that are no UTF-8, by the guard too', () => {
    const text = Buffer.from('{"at":"2026-01-01T00:00:00Z","place":{"lat":1,"name":"?"}}');
    text[text.indexOf('?')] = 0xff;
    expect(compileGuard(NESTED_SCHEMA, PROBE_BOUNDS)(text, 0, text.length)).toBeNaN();
    expect(compileJudge(NESTED_SCHEMA, PROBE_BOUNDS)(text)).toMatchObject({ reason: 'not utf-8' });
  });

  it('leave the whole value in _extra when a member inside it is not known, and keep what is', () => {
    const judge = compileJudge(NESTED_SCHEMA, PROBE_BOUNDS);
    const value = Buffer.from(
      '{"at":"2026-01-01T00:00:00Z","place":{"lat":1, "alt": 12345678901234567890},"lines":[{"sku":"a","n":{}}],"more":1}',
    );
    const guard = compileGuard(NESTED_SCHEMA, PROBE_BOUNDS);
    const known = Buffer.from(value.toString().replace(',"more":1', ''));
    expect(guard(known, 0, known.length)).toBeNaN();
    const verdict = judge(value);
    expect(verdict).toMatchObject({
      ok: true,
      extra: '{"place":{"lat":1, "alt": 12345678901234567890},"lines":[{"sku":"a","n":{}}],"more":1}',
    });
    expect(JSON.parse(String((verdict as { json?: Buffer }).json))).toEqual({
      at: '2026-01-01T00:00:00Z',
      place: { lat: 1, name: null, since: null, order: null },
      lines: [{ sku: 'a', price: null, gift: null }],
    });
  });
});
