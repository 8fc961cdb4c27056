import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../../jobs/activity-in/line-splitter.ts';

/** The lines of a text fed in chunks of one size. */
function split(text: string, chunkBytes: number, maxBytes = 1_000) {
  const splitter = new LineSplitter(maxBytes);
  const bytes = Buffer.from(text);
  const lines = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    // Each chunk is wiped after it was used, as a pooled one would be.
    lines.push(...splitter.feed(Buffer.from(bytes.subarray(at, at + chunkBytes))));
  }
  const last = splitter.end();
  return [...lines, ...(last ? [last] : [])].map((line) => [line.text.toString(), line.bytes]);
}

describe('lines', () => {
  it.each([1, 2, 3, 5, 7, 100])('are the same whatever the chunks: %i bytes', (chunkBytes) => {
    expect(split('a\n\nbc\r\n\u00e9\n d\re\nlast', chunkBytes)).toEqual([
      ['a', 1],
      ['', 0],
      ['bc\r', 3],
      ['é', 2],
      [' d\re', 4],
      ['last', 4],
    ]);
  });

  it('do not include one after the last LF', () => {
    expect(split('a\n', 1)).toEqual([['a', 1]]);
    expect(split('\n', 1)).toEqual([['', 0]]);
    expect(split('', 1)).toEqual([]);
  });

  it.each([1, 3, 4, 100])(
    'longer than the limit keep their beginning and their length: chunks of %i',
    (chunkBytes) => {
      expect(split('12345\n1234\n123456789', chunkBytes, 4)).toEqual([
        ['1234', 5],
        ['1234', 4],
        ['1234', 9],
      ]);
    },
  );
});
