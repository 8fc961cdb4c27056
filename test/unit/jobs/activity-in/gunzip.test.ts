import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DamagedGzipError, gunzipped } from '../../../../jobs/activity-in/gunzip.ts';

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

async function unpacked(bytes: Buffer, size = 1_000): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of gunzipped(chunksOf(bytes, size))) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const TEXT = Array.from({ length: 5_000 }, (_, i) => `line ${i}`).join('\n');

describe('input', () => {
  it.each([1, 2, 3, 1_000])('that is gzip is unpacked, all its members: chunks of %i bytes', async (size) => {
    const packed = Buffer.concat([gzipSync('one\n'), gzipSync('two\n'), gzipSync(''), gzipSync('three')]);
    expect(await unpacked(packed, size)).toBe('one\ntwo\nthree');
    expect(await unpacked(gzipSync(TEXT), size)).toBe(TEXT);
  });

  it.each(['', 'x', '\x1f', '\x1f\x1f', 'plain text\n', TEXT])(
    'that is none is passed on: %j',
    async (text) => {
      expect(await unpacked(Buffer.from(text), 1)).toBe(text);
    },
  );

  it('that is cut short or damaged fails, and so does one that goes on as something else', async () => {
    const packed = gzipSync(TEXT);
    await expect(unpacked(packed.subarray(0, -10))).rejects.toThrow(DamagedGzipError);
    const damaged = Buffer.from(packed);
    damaged[damaged.length - 6]! ^= 1;
    await expect(unpacked(damaged)).rejects.toThrow(DamagedGzipError);
    // zlib complains of what is no gzip member, but ends in silence at a zero byte, whatever follows.
    for (const [tail, message] of [
      ['10.0.0.1 - - more\n', /damaged or cut short/],
      ['\x00010.0.0.1 - - more\n', /ends at byte 24 and something else follows/],
    ] as const) {
      const followed = Buffer.concat([gzipSync('one\n'), Buffer.from(tail)]);
      for (const size of [1, 7, 24, 25, 1_000]) {
        await expect(unpacked(followed, size)).rejects.toThrow(message);
      }
    }
  });

  it('keeps the error of its source', async () => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield gzipSync(TEXT).subarray(0, 20);
      throw new Error('disk on fire');
    }
    const read = async () => {
      for await (const _ of gunzipped(failing()));
    };
    await expect(read()).rejects.toThrow('disk on fire');
  });
});
