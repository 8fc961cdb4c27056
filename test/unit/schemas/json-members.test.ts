import { describe, expect, it } from 'vitest';
import { hasLoneSurrogate, membersOf } from '../../../schemas/json-members.ts';

describe('the raw members of an object', () => {
  it('come in their order with their exact text, repeated ones too', () => {
    const text = ' { "a" : 1.50 ,\n"b":"x\\"}," , "a":{"c":[1, "]"]}\t,"\\u0061":[ ],"e":null} ';
    expect(membersOf(text).map(({ name, rawName, raw }) => [name, rawName, raw])).toEqual([
      ['a', '"a"', '1.50'],
      ['b', '"b"', '"x\\"},"'],
      ['a', '"a"', '{"c":[1, "]"]}'],
      ['a', '"\\u0061"', '[ ]'],
      ['e', '"e"', 'null'],
    ]);
  });

  it.each([['{}'], [' {\n} ']])('of %j are none', (text) => expect(membersOf(text)).toEqual([]));

  it('end where strings of backslashes end', () => {
    expect(membersOf('{"a":"\\\\","b":"\\\\\\"","c":1}').map(({ raw }) => raw)).toEqual([
      '"\\\\"',
      '"\\\\\\""',
      '1',
    ]);
  });
});

describe('a lone surrogate', () => {
  it.each([
    '"\\ud83d"',
    '"\\uDE00"',
    '"\\ud83dx\\ude00"',
    '"\\ude00\\ud83d"',
    '"\\ud83d\\ud83d\\ude00"',
    '"\\\\\\ud83d"',
  ])('is found in %s', (raw) => expect(hasLoneSurrogate(raw)).toBe(true));
  it.each(['"\\ud83d\\ude00"', '"\\\\ud83d"', '"\\ud7ff\\ue000"', '"😀"', '"\\uD83D\\uDE00\\uD83D\\uDE00"'])(
    'is not found in %s',
    (raw) => expect(hasLoneSurrogate(raw)).toBe(false),
  );
});
