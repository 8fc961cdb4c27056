import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { parseSchema } from '../../../schemas/event-schema.ts';
import { compileGuard } from '../../../schemas/guard.ts';
import { compileJudge } from '../../../schemas/judge.ts';
import { FAULTS } from '../../support/event-faults.ts';
import {
  EXTRAS,
  PROBE_BOUNDS,
  PROBE_SCHEMA,
  plainMembers,
  rowText,
  validMembers,
} from '../../support/event-rows.ts';

const guard = compileGuard(PROBE_SCHEMA, PROBE_BOUNDS);
const judge = compileJudge(PROBE_SCHEMA, PROBE_BOUNDS);
const ROWS_PER_FAULT = 600;
const SEED = 7;

const USUAL = '{"at":"2016-02-29T05:00:45.123456+01:00","host":"h","status":200,"ok":true';
const USUAL_TIME_US = Date.UTC(2016, 1, 29, 4, 0, 45) * 1000 + 123_456;
const prove = (text: string) => {
  const bytes = Buffer.from(text);
  return guard(bytes, 0, bytes.length);
};

/** The guard may only say what the judge says; and in a larger buffer the same as alone. */
function expectAgreement(value: Buffer): boolean {
  const alone = guard(value, 0, value.length);
  const around = Buffer.concat([Buffer.from('}"'), value, Buffer.from('"}],"a":1}0 ')]);
  const inside = guard(around, 2, 2 + value.length);
  if (!Object.is(alone, inside)) expect.fail(`alone ${alone}, among others ${inside}: ${value}`);
  if (Number.isNaN(alone)) return false;
  const verdict = judge(value);
  if (!verdict.ok || verdict.timeUs !== alone || verdict.extra !== null) {
    expect.fail(`guard ${alone}, judge ${JSON.stringify(verdict)}: ${value}`);
  }
  return true;
}

describe('the guard', () => {
  it('proves a usual row and finds its time', () => {
    expect(prove(`${USUAL}}`)).toBe(USUAL_TIME_US);
    expect(prove(` { "ok" : false , "status" : -1 , "host" : "é" , "at" : "1990-01-01T00:00:00Z" }\n`)).toBe(
      Date.UTC(1990, 0) * 1000,
    );
  });

  it('proves what usual producers write: escapes, high bytes, nulls in optional members, 18-digit numbers', () => {
    for (const more of [
      ',"note":"a \\"quoted\\" \\u00e9 \\u0000 \\\\ \\/"',
      ',"note":"é€😀"',
      ',"note":null,"bytes":null,"score":null,"seen_at":null,"is_new":null,"level":null',
      ',"bytes":999999999999999999,"score":-12.5,"seen_at":"0000-02-29T00:00:00Z","is_new":false,"level":-2147483648',
      ',"score":0.30000000000000004',
    ]) {
      expect(prove(`${USUAL}${more}}`)).toBe(USUAL_TIME_US);
    }
  });

  it('leaves to the judge what DuckDB would read differently, or what it cannot be sure of', () => {
    for (const more of [
      ',"score":-0',
      ',"score":1e3',
      ',"bytes":9007199254740993.0',
      ',"level":200.0',
      ',"note":"\\ud83d\\ude00"',
      ',"other":1',
      ',"seen_at":"2016-02-20t05:00:45Z"',
    ]) {
      expect(prove(`${USUAL}${more}}`)).toBeNaN();
      expect(judge(Buffer.from(`${USUAL}${more}}`)).ok).toBe(true);
    }
  });

  it('proves the first and the last moment of its bounds and nothing beyond', () => {
    const at = (time: string) => prove(`{"at":"${time}","host":"h","status":200,"ok":true}`);
    expect(at('1990-01-01T00:00:00Z')).toBe(PROBE_BOUNDS.minTimeUs);
    expect(at('1989-12-31T23:59:59.999999Z')).toBeNaN();
    expect(at('2026-11-23T12:00:00Z')).toBe(PROBE_BOUNDS.maxTimeUs);
    expect(at('2026-11-23T12:00:00.000001Z')).toBeNaN();
  });

  it('knows the Gregorian calendar: every day from 1990 to 2026 and no other', () => {
    for (let year = 1990; year <= 2026; year++) {
      for (let month = 1; month <= 12; month++) {
        for (let day = 0; day <= 32; day++) {
          const date = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
          const ms = Date.parse(`${date}T00:00:00Z`);
          const isDate = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date);
          const expected = isDate && ms * 1000 <= PROBE_BOUNDS.maxTimeUs ? ms * 1000 : Number.NaN;
          expect(prove(`{"at":"${date}T00:00:00Z","host":"h","status":200,"ok":true}`)).toBe(expected);
        }
      }
    }
  });

  it('tells repeats by row, not by what an earlier row left behind', () => {
    expect(prove(`${USUAL},"note":"a"}`)).toBe(USUAL_TIME_US);
    expect(prove(`${USUAL},"note":"a","note":"b"}`)).toBeNaN();
    expect(prove(`${USUAL},"note":"a"`)).toBeNaN();
    expect(prove(`${USUAL},"note":"a"}`)).toBe(USUAL_TIME_US);
  });

  it('finds members in any order and among hundreds of columns', () => {
    const names = Array.from({ length: 500 }, (_, i) => `column_${i}`);
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'integer' }]));
    const text = JSON.stringify({
      type: 'object',
      required: ['event_time', ...names],
      properties: { event_time: { type: 'string', format: 'date-time' }, ...properties },
    });
    const wide = compileGuard(parseSchema('wide', text), PROBE_BOUNDS);
    const row = (order: string[]) =>
      Buffer.from(`{"event_time":"2016-01-01T00:00:00Z",${order.map((name) => `"${name}":1`).join()}}`);
    for (const order of [names, names.toReversed(), names.toSorted(), names]) {
      const bytes = row(order);
      expect(wide(bytes, 0, bytes.length)).toBe(Date.UTC(2016, 0) * 1000);
    }
    expect(wide(row(names.slice(1)), 0, row(names.slice(1)).length)).toBeNaN();
  });

  it('looks at every byte of a string, wherever it stands', () => {
    for (let length = 0; length < 40; length++) {
      for (let at = 0; at < length; at++) {
        const bytes = Buffer.from(
          `{"host":"${'x'.repeat(length)}","at":"2016-01-01T00:00:00Z","status":1,"ok":true}`,
        );
        for (const [code, isProven] of [
          [0x00, false],
          [0x1f, false],
          [0x20, true],
          [0x21, true],
          [0x23, true],
          [0x5b, true],
          [0x5d, true],
          [0x7f, true],
          [0x80, false],
          [0xff, false],
          [0x22, false],
          [0x5c, false],
        ] as const) {
          bytes[9 + at] = code;
          expect(Number.isNaN(guard(bytes, 0, bytes.length))).toBe(!isProven);
        }
      }
    }
  });

  it('proves every plain row', () => {
    const random = new SeededRandom(SEED);
    for (let i = 0; i < 1_000; i++) {
      const row = Buffer.from(rowText(random, plainMembers(random)));
      if (!expectAgreement(row)) expect.fail(`not proven: ${row}`);
    }
  });

  it(`agrees with the judge on valid rows, with and without further members (seed ${SEED})`, () => {
    const random = new SeededRandom(SEED);
    let proven = 0;
    for (let i = 0; i < 10_000; i++) {
      const members = validMembers(random);
      if (random.chance(0.2)) members.push(EXTRAS[random.below(EXTRAS.length)]!);
      if (expectAgreement(Buffer.from(rowText(random, members)))) proven++;
    }
    expect(proven).toBeGreaterThan(500);
  });

  it(`agrees with the judge when bytes of a row are changed, dropped or doubled at random (seed ${SEED})`, () => {
    const random = new SeededRandom(SEED);
    const odd = Buffer.from('"\\{}[]:,0-.eEtfnuZ+ \n\t\0\x1f\x7f\x80\xff', 'latin1');
    let proven = 0;
    for (let i = 0; i < 30_000; i++) {
      const row = Buffer.from(rowText(random, validMembers(random)));
      const at = random.below(row.length);
      const cut = [
        row.subarray(0, at),
        Buffer.of(odd[random.below(odd.length)]!),
        row.subarray(at + random.below(3)),
      ];
      if (expectAgreement(Buffer.concat(cut))) proven++;
    }
    expect(proven).toBeGreaterThan(100);
  });
});

describe.each(FAULTS)('the fault: $name', (fault) => {
  it(`is refused as "${fault.reason}" by the judge and never proven by the guard (seed ${SEED})`, () => {
    const random = new SeededRandom(SEED);
    for (let i = 0; i < ROWS_PER_FAULT; i++) {
      const value = fault.plant(random, i % 2 === 0 ? plainMembers(random) : validMembers(random));
      const verdict = judge(value);
      if (verdict.ok || verdict.reason !== fault.reason || verdict.field !== fault.field) {
        expect.fail(`expected ${fault.reason} of ${fault.field}, got ${JSON.stringify(verdict)}: ${value}`);
      }
      if (expectAgreement(value)) expect.fail(`proven: ${value}`);
    }
  });
});
