/** What commands print: tables, sizes, times, and the two forms of a result. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { bytesText, counted, groupDigits, Output, secondsText } from '../../../cli/output.ts';
import { tableText } from '../../../cli/table.ts';

it('a table is plain text: heads, rows, numbers to the right, absent cells as a dash', () => {
  const text = tableText(
    ['topic', 'rows', 'last'],
    [
      ['access', 1234567, 'a'],
      ['日本', 5, null],
    ],
  );
  expect(text.split('\n')).toEqual([
    'topic        rows  last',
    'access  1,234,567  a',
    '日本            5  -',
  ]);
});

it('a table without rows is its head', () => {
  expect(tableText(['a', 'b'], [])).toBe('a  b');
});

it('a result goes out in one form only', () => {
  const printed = (json: boolean) => {
    const stream = new PassThrough();
    const out = new Output(stream, json);
    out.line('for people');
    out.object({ rows: 1 });
    return String(stream.read());
  };
  expect(printed(false)).toBe('for people\n');
  expect(printed(true)).toBe('{"rows":1}\n');
});

it('numbers are rounded to what a person reads', () => {
  expect(groupDigits(1234567.8)).toBe('1,234,568');
  expect(groupDigits(3.1234)).toBe('3.1');
  expect(bytesText(999)).toBe('999 B');
  expect(bytesText(1536)).toBe('1.5 KiB');
  expect(bytesText(128 * 2 ** 20)).toBe('128 MiB');
  expect(secondsText(0.0123)).toBe('12 ms');
  expect(secondsText(59.94)).toBe('59.9 s');
  expect(secondsText(125)).toBe('2 min 5 s');
});

it('one thing is not told as several', () => {
  expect([0, 1, 1_234].map((hours) => counted(hours, 'hour'))).toEqual(['0 hours', '1 hour', '1,234 hours']);
});
