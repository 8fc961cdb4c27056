import { describe, expect, it } from 'vitest';
import { parseSchema } from '../../../schemas/event-schema.ts';
import { allows, changesBetween, isAllowed } from '../../../schemas/evolution.ts';

type Properties = Record<string, object>;

const TIME = { type: 'string', format: 'date-time' };
const STRING = { type: 'string' };
const INT32 = { type: 'integer', format: 'int32' };
const INT64 = { type: 'integer' };
const decimal = (precision: number, scale: number) => ({ type: 'number', 'x-decimal': { precision, scale } });
const struct = (properties: Properties, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
});
const list = (items: object) => ({ type: 'array', items });

function schema(properties: Properties, required: string[] = [], eventTime = 'at') {
  const root = {
    type: 'object',
    'x-event-time': eventTime,
    required: ['at', ...required],
    properties: { at: TIME, ...properties },
  };
  return parseSchema('shop', JSON.stringify(root));
}

/** Each change as `column: change`, and which levels and whether the files allow it. */
function verdict(old: ReturnType<typeof schema>, now: ReturnType<typeof schema>) {
  return changesBetween(old, now).map((change) => {
    const levels = (['backward', 'forward'] as const).filter((level) => allows(change, level));
    return [`${change.column}: ${change.change}`, levels.join(' '), change.files];
  });
}

const BOTH = 'backward forward';

describe('a new version of a schema', () => {
  it.each([
    ['nothing', { a: STRING }, { a: { ...STRING, description: 'said' } }, []],
    ['a column at the end', { a: STRING }, { a: STRING, b: INT64 }, [['b: added at the end', BOTH, true]]],
    [
      'a column between others',
      { a: STRING },
      { b: INT64, a: STRING },
      [['b: added between others', BOTH, false]],
    ],
    ['a rename', { a: STRING, z: INT64 }, { b: STRING, z: INT64 }, [['a: renamed', '', false]]],
    ['a removal', { a: STRING, b: INT64 }, { a: STRING }, [['b: removed', BOTH, false]]],
    [
      'a swap',
      { a: STRING, b: STRING },
      { b: STRING, a: STRING },
      [
        ['a: moved', BOTH, false],
        ['b: moved', BOTH, false],
      ],
    ],
    ['a narrower integer', { a: INT64 }, { a: INT32 }, [['a: narrowed', 'forward', false]]],
    ['a wider integer', { a: INT32 }, { a: INT64 }, [['a: widened', 'backward', false]]],
    ['a wider decimal', { a: decimal(5, 2) }, { a: decimal(9, 2) }, [['a: widened', 'backward', false]]],
    ['a finer decimal', { a: decimal(5, 2) }, { a: decimal(5, 3) }, [['a: of another type', '', false]]],
    [
      'a decimal in a text',
      { a: decimal(5, 2) },
      { a: { ...decimal(5, 2), type: 'string' } },
      [['a: of another type', '', false]],
    ],
    ['another type', { a: STRING }, { a: INT64 }, [['a: of another type', '', false]]],
    ['a text that became a time', { a: STRING }, { a: TIME }, [['a: of another type', '', false]]],
    [
      'a text that became a UUID',
      { a: STRING },
      { a: { ...STRING, format: 'uuid' } },
      [['a: restricted', 'forward', true]],
    ],
    [
      'a UUID that became a text',
      { a: { ...STRING, format: 'uuid' } },
      { a: STRING },
      [['a: loosened', 'backward', true]],
    ],
    [
      'a field at the end of a struct in a list',
      { a: list(struct({ b: STRING })) },
      { a: list(struct({ b: STRING, c: STRING })) },
      [['a[].c: added at the end', BOTH, true]],
    ],
    [
      'a required field in a struct',
      { a: struct({ b: STRING }) },
      { a: struct({ b: STRING }, ['b']) },
      [['a.b: made required', 'forward', true]],
    ],
    [
      'null in a list',
      { a: list(STRING) },
      { a: list({ type: ['string', 'null'] }) },
      [['a[]: null allowed', 'backward', true]],
    ],
    [
      'no null in a map',
      { a: { type: 'object', additionalProperties: { type: ['integer', 'null'] } } },
      { a: { type: 'object', additionalProperties: INT64 } },
      [['a{}: no longer null', 'forward', true]],
    ],
    [
      'a struct that became a map',
      { a: struct({ b: STRING }) },
      { a: { type: 'object', additionalProperties: STRING } },
      [['a: of another type', '', false]],
    ],
  ] as const)('with %s', (_, old, now, wanted) => {
    expect(verdict(schema(old), schema(now))).toEqual(wanted);
  });

  it('with what is required', () => {
    expect(verdict(schema({}), schema({ a: STRING }, ['a']))).toEqual([
      ['a: added as required', 'forward', true],
    ]);
    expect(verdict(schema({ a: STRING }), schema({ a: STRING }, ['a']))).toEqual([
      ['a: made required', 'forward', true],
    ]);
    expect(verdict(schema({ a: STRING }, ['a']), schema({ a: STRING }))).toEqual([
      ['a: made optional', 'backward', true],
    ]);
    expect(verdict(schema({ a: STRING }, ['a']), schema({}))).toEqual([
      ['a: removed though required', 'backward', false],
    ]);
  });

  it('with another event time', () => {
    const [old, now] = ['at', 'seen'].map((time) => schema({ seen: TIME }, ['seen'], time));
    expect(verdict(old!, now!)).toEqual([['seen: another event time', '', false]]);
  });

  it('says what to do instead, with the names at hand', () => {
    const [change] = changesBetween(schema({ a: INT64 }), schema({ a: INT32 }));
    expect(change!.instead).toBe(
      'keep int64, or add an optional member of type int32 under another name at the end',
    );
    const [renamed] = changesBetween(schema({ a: INT64 }), schema({ b: INT64 }));
    expect(renamed!.instead).toMatch(/keep a, add b .* read coalesce\(b, a\)/);
  });

  it('is allowed at a level only with all its changes, and never if the files would differ', () => {
    const old = schema({ a: STRING }, ['a']);
    const both = changesBetween(old, schema({ a: STRING, b: STRING }));
    expect([isAllowed(both, 'backward'), isAllowed(both, 'forward'), isAllowed(both, 'full')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(isAllowed(changesBetween(old, old), 'full')).toBe(true);
    const moved = changesBetween(schema({ a: STRING, b: STRING }), schema({ b: STRING, a: STRING }));
    expect(isAllowed(moved, 'backward')).toBe(false);
  });
});
