import { describe, expect, it } from 'vitest';
import { compileJudge, type Verdict } from '../../../schemas/judge.ts';
import { EXTRAS, PROBE_BOUNDS, PROBE_SCHEMA } from '../../support/event-rows.ts';

const judge = compileJudge(PROBE_SCHEMA, PROBE_BOUNDS);
const BASE = '"at":"2016-02-20T05:00:45Z","host":"h","status":200,"ok":true';
const TIME_US = Date.UTC(2016, 1, 20, 5, 0, 45) * 1000;

function accept(text: string): Extract<Verdict, { ok: true }> {
  const verdict = judge(Buffer.from(text));
  if (!verdict.ok) return expect.fail(`refused: ${JSON.stringify(verdict)}`);
  return verdict;
}

describe('the judge', () => {
  it('hands on the bytes as they are when DuckDB reads them right', () => {
    expect(accept(`{${BASE},"note":"\\ud83d\\ude00","bytes":9223372036854775807}`)).toEqual({
      ok: true,
      timeUs: TIME_US,
      json: undefined,
      extra: null,
    });
  });

  it.each([
    ['"level":1.0', '"level":1'],
    ['"level":-2e2', '"level":-200'],
    ['"level":0.0', '"level":0'],
    ['"bytes":9007199254740993.0', '"bytes":9007199254740993'],
    ['"bytes":92233720368547758070e-1', '"bytes":9223372036854775807'],
    ['"score":-0', '"score":-0.0'],
    ['"score":1E2', '"score":100'],
    ['"score":1e-400', '"score":0'],
    ['"seen_at":"2016-02-20t05:00:45z"', '"seen_at":"2016-02-20T05:00:45Z"'],
    ['"seen_at":"2016-02-20T05:00:45\\u005a"', '"seen_at":"2016-02-20T05:00:45Z"'],
    ['"not\\u0065":"\\u0065"', '"note":"\\u0065"'],
  ])('rewrites %s as %s', (member, canonical) => {
    expect(accept(`{${BASE}, ${member}}`).json?.toString()).toBe(`{${BASE},${canonical}}`);
  });

  it('leaves null members out of what it rewrites', () => {
    expect(accept(`{${BASE},"note":null,"level":1.0}`).json?.toString()).toBe(`{${BASE},"level":1}`);
  });

  it('keeps members that the schema does not know exactly as they were written, in order, repeated ones too', () => {
    const verdict = accept(
      `{"_a" : 1.50, ${BASE} , "big":12345678901234567890,\n"x": { "y" : [ 1 ] },"x":"\\u0041","_a":null}`,
    );
    expect(verdict.extra).toBe(
      '{"_a":1.50,"big":12345678901234567890,"x":{ "y" : [ 1 ] },"x":"\\u0041","_a":null}',
    );
    expect(verdict.json).toBeUndefined();
  });

  it.each(EXTRAS)('keeps the member %s', (name, raw) => {
    const { extra, timeUs } = accept(`{${BASE},${name}:${raw}}`);
    expect(extra).toBe(`{${name}:${raw}}`);
    expect(timeUs).toBe(TIME_US);
  });

  it('keeps a member whose name begins with _ out of the columns, as it does one that differs in case', () => {
    expect(accept(`{${BASE},"_host":"x","Host":"y"}`).extra).toBe('{"_host":"x","Host":"y"}');
  });

  it('takes times to the microsecond, whatever their offset', () => {
    const at = (time: string) => accept(`{"at":"${time}","host":"h","status":1,"ok":true}`).timeUs;
    expect(at('2016-02-20T05:00:45.000001Z')).toBe(TIME_US + 1);
    expect(at('2016-02-20T05:00:45.9+23:59')).toBe(TIME_US + 900_000 - (23 * 60 + 59) * 60_000_000);
    expect(at('2016-02-20T05:00:45-14:00')).toBe(TIME_US + 14 * 3_600_000_000);
  });

  it('names the first column at fault in the order of the schema', () => {
    expect(judge(Buffer.from('{"ok":1,"status":"x","host":"h","at":"2016-02-20T05:00:45Z"}'))).toEqual({
      ok: false,
      reason: 'type',
      field: 'status',
    });
  });

  it('withstands numbers and nestings made to hurt', () => {
    expect(judge(Buffer.from(`{${BASE},"bytes":1e999999999999}`))).toMatchObject({
      reason: 'range',
      field: 'bytes',
    });
    expect(judge(Buffer.from(`{${BASE},"bytes":${'9'.repeat(100_000)}}`))).toMatchObject({ reason: 'range' });
    expect(accept(`{${BASE},"bytes":0e999999999999}`).json?.toString()).toContain('"bytes":0');
    const deep = '['.repeat(500_000) + ']'.repeat(500_000);
    expect(accept(`{${BASE},"x":${deep}}`).extra).toBe(`{"x":${deep}}`);
  });
});
