/**
 * The contract between the schemas and DuckDB: whatever the guard proves or the judge accepts comes out of `from_json`
 * with exactly the value that the JSON holds. Seeded rows in many spellings, real DuckDB, and expected values that are
 * worked out here from JavaScript's own JSON reader, not by the code under test.
 */
import { DuckDBBlobValue, DuckDBInstance, DuckDBTimestampTZValue, type DuckDBValue } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { generateActivity } from '../../../jobs/activity-in/activity-generator.ts';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { type EventSchema, findSchema } from '../../../schemas/event-schema.ts';
import { compileGuard } from '../../../schemas/guard.ts';
import { compileJudge } from '../../../schemas/judge.ts';
import { duckdbStructure } from '../../support/duckdb-structure.ts';
import {
  EXTRAS,
  type Members,
  PROBE_BOUNDS,
  PROBE_SCHEMA,
  rowText,
  validMembers,
} from '../../support/event-rows.ts';

const SEED = 20_261_122;
const ROWS = 20_000;

/** What DuckDB makes of JSON texts, one array of values per column. */
async function readByDuckDb(schema: EventSchema, texts: string[]): Promise<Record<string, DuckDBValue[]>> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run('CREATE TABLE spool (j VARCHAR)');
    const appender = await connection.createAppender('spool');
    for (const text of texts) {
      appender.appendVarchar(text);
      appender.endRow();
    }
    appender.closeSync();
    const structure = duckdbStructure(schema);
    // Text is fetched as bytes: the Node binding drops a byte order mark at the beginning of a text, DuckDB doesn't.
    const columns = schema.columns.map(({ name, type }) =>
      type === 'string' ? `encode("${name}") AS "${name}"` : `"${name}"`,
    );
    const reader = await connection.runAndReadAll(
      `SELECT ${columns} FROM (SELECT unnest(from_json(j, '${structure}')) FROM spool)`,
    );
    return reader.getColumnsObject() as Record<string, DuckDBValue[]>;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The members of a row as JavaScript reads them, numbers as their source text. */
function read(bytes: Buffer): Record<string, unknown> {
  const withSource = (key: string, value: unknown, context?: { source: string }) =>
    typeof value === 'number' && key in EXPECTED_OF_NUMBER ? { source: context?.source } : value;
  // The reviver is recursive, unlike the reader itself: nothing as deep as that for it.
  return JSON.parse(
    bytes.toString().replace(/\[{9}[[\]]+/, 'null'),
    withSource as (key: string, value: unknown) => unknown,
  ) as Record<string, unknown>;
}

const EXPECTED_OF_NUMBER: Record<string, (source: string) => unknown> = {
  status: (source) => Number(source) + 0,
  level: (source) => Number(source) + 0,
  bytes: exactInteger,
  score: Number,
};

/** Exact, by moving the decimal point in the text. */
function exactInteger(source: string): bigint {
  const [mantissa = '', exponent = '0'] = source.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
}

/** Microseconds since 1970, exact for all years of four digits. */
function exactMicroseconds(text: string): bigint {
  const [, date = '', time = '', fraction = '', sign, hours = '0', minutes = '0'] =
    /^(.{10})[Tt](.{8})(?:\.(\d+))?(?:[Zz]|([+-])(..):(..))$/.exec(text) ?? [];
  const offset = (BigInt(hours) * 60n + BigInt(minutes)) * 60_000_000n;
  const local = BigInt(Date.parse(`${date}T${time}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'));
  return sign === undefined ? local : local - (sign === '+' ? offset : -offset);
}

function expectedValue(type: string, name: string, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (type === 'timestamp') return exactMicroseconds(value as string);
  const source = (value as { source?: string }).source;
  return source === undefined ? value : EXPECTED_OF_NUMBER[name]?.(source);
}

function plainValue(value: DuckDBValue): unknown {
  if (value instanceof DuckDBTimestampTZValue) return value.micros;
  return value instanceof DuckDBBlobValue ? Buffer.from(value.bytes).toString() : value;
}

/** Asserts that DuckDB reads what was accepted as what JavaScript reads in the original. */
async function expectSameValues(schema: EventSchema, rows: { value: Buffer; accepted: Buffer }[]) {
  const columns = await readByDuckDb(
    schema,
    rows.map(({ accepted }) => accepted.toString()),
  );
  for (const [i, { value, accepted }] of rows.entries()) {
    const members = read(value);
    for (const { name, type } of schema.columns) {
      const found = columns[name]?.[i] as DuckDBValue;
      const actual = plainValue(found);
      const expected = expectedValue(type, name, members[name]);
      if (!Object.is(actual, expected)) {
        expect.fail(`${name}: DuckDB has ${actual}, JSON ${expected}, in ${value} handed on as ${accepted}`);
      }
    }
  }
}

describe('what guard and judge accept comes out of DuckDB as it stands in the JSON', () => {
  const guard = compileGuard(PROBE_SCHEMA, PROBE_BOUNDS);
  const judge = compileJudge(PROBE_SCHEMA, PROBE_BOUNDS);

  it(`in ${ROWS} valid rows in many spellings (seed ${SEED})`, async () => {
    const random = new SeededRandom(SEED);
    const rows: { value: Buffer; accepted: Buffer }[] = [];
    let proven = 0;
    let rewritten = 0;
    for (let i = 0; i < ROWS; i++) {
      const members: Members = validMembers(random);
      if (random.chance(0.2))
        members.splice(random.below(members.length), 0, EXTRAS[random.below(EXTRAS.length)]!);
      if (random.chance(0.05))
        members[0]![0] = members[0]![0].replace('a', '\\u0061').replace('i', '\\u0069');
      const value = Buffer.from(rowText(random, members));
      const verdict = judge(value);
      if (!verdict.ok) expect.fail(`refused (${verdict.reason}, ${verdict.field}): ${value}`);
      if (!Number.isNaN(guard(value, 0, value.length))) {
        proven++;
        if (verdict.json !== undefined && verdict.json.length === 0) expect.fail('empty row');
        rows.push({ value, accepted: value });
      }
      if (verdict.json !== undefined) rewritten++;
      rows.push({ value, accepted: verdict.json ?? value });
    }
    expect(proven).toBeGreaterThan(ROWS / 20);
    expect(rewritten).toBeGreaterThan(ROWS / 20);
    await expectSameValues(PROBE_SCHEMA, rows);
  });

  it('in generated activity, which the guard proves without a judge', async () => {
    const schema = (await findSchema('activity', { topics: {}, schemas: { dir: '' } }))!;
    const activityGuard = compileGuard(schema, PROBE_BOUNDS);
    const options = { events: 2_000, seed: 1, startMs: Date.UTC(2026, 10, 20), hours: 24, visitors: 500 };
    const rows = [...generateActivity(options)].map(({ json }) => Buffer.from(json));
    expect(rows.filter((row) => Number.isNaN(activityGuard(row, 0, row.length)))).toEqual([]);
    await expectSameValues(
      schema,
      rows.map((value) => ({ value, accepted: value })),
    );
  });
});
