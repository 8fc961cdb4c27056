import fc from 'fast-check';
import lz4 from 'lz4-napi';
import snappy from 'snappy';
import { expect, test } from 'vitest';
import {
  CODECS,
  type CodecName,
  codecName,
  compress,
  decompress,
} from '../../../../broker/protocol/compression.ts';

const codecs = Object.keys(CODECS) as CodecName[];
const MiB = 1024 * 1024;

function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 12345;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

const samples = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('a'),
  text: Buffer.from('GET /index.html HTTP/1.1 '.repeat(5000)),
  noise: noise(70_000),
  'more than a block of 4 MiB': Buffer.concat([noise(4 * MiB), Buffer.alloc(3 * MiB)]),
};

test.each(codecs)('%s gives back what it took', (codec) => {
  for (const sample of Object.values(samples)) {
    const back = decompress(codec, compress(codec, sample), Math.max(1, sample.length));
    expect(back.equals(sample)).toBe(true);
  }
});

test('codec numbers are those of the batch attributes', () => {
  expect(codecs.map((codec) => CODECS[codec])).toEqual([0, 1, 2, 3, 4]);
  expect([0, 1, 2, 3, 4].map(codecName)).toEqual(codecs);
  expect(() => codecName(5)).toThrow(/UNSUPPORTED_COMPRESSION_TYPE/);
});

test('our LZ4 frames are read by an independent decoder, which checks the header checksum', () => {
  for (const sample of [
    samples.text,
    samples.noise,
    samples['more than a block of 4 MiB'],
    Buffer.alloc(900_000),
  ]) {
    expect(lz4.decompressFrameSync(compress('lz4', sample)).equals(sample)).toBe(true);
  }
});

test('LZ4 frames with block and content checksums are read', () => {
  for (const sample of [samples.text, samples.noise]) {
    const checked = lz4.compressFrameSync(sample, { contentChecksum: true, blockChecksums: true });
    expect(decompress('lz4', checked, MiB).equals(sample)).toBe(true);
  }
});

test('LZ4 frames whose blocks refer to earlier ones are read', () => {
  const stored = `10000080${Buffer.from('abcdefghijklmnop').toString('hex')}`;
  // No literals, a match of 8 bytes 16 bytes back, which lies in the block before; then 5 literals.
  const linked = `09000000${'04'}${'1000'}${'50'}${Buffer.from('WXYZ!').toString('hex')}`;
  const frame = Buffer.from(`04224d184040c0${stored}${linked}00000000`, 'hex');
  expect(decompress('lz4', frame, MiB).toString()).toBe('abcdefghijklmnopabcdefghWXYZ!');
  expect(() => decompress('lz4', frame, 28)).toThrow(/CORRUPT_MESSAGE/);
});

test('snappy is read raw, as librdkafka writes it, and framed, as the Java client does', () => {
  const raw = snappy.compressSync(samples.text);
  expect(decompress('snappy', raw, MiB).equals(samples.text)).toBe(true);
  expect(compress('snappy', samples.text).subarray(0, 8).toString('hex')).toBe('82534e4150505900');
});

test('what would grow beyond the limit is refused', () => {
  const zeros = Buffer.alloc(2 * MiB);
  for (const codec of codecs.filter((name) => name !== 'none')) {
    expect(() => decompress(codec, compress(codec, zeros), 2 * MiB - 1), codec).toThrow(/CORRUPT_MESSAGE/);
  }
  // A raw snappy block that claims 4 GiB: refused by its length alone.
  expect(() => decompress('snappy', Buffer.from('ffffffff0f00', 'hex'), MiB)).toThrow(/4294967295 bytes/);
});

test('bytes of any kind are decompressed or refused as corrupt, never anything else', () => {
  for (const codec of codecs) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(30), (bytes, cut) => {
        const garbled = Buffer.from(compress(codec, Buffer.from(bytes)));
        if (garbled.length > 0)
          garbled[cut % garbled.length] = (garbled[cut % garbled.length] as number) ^ 0xff;
        for (const input of [Buffer.from(bytes), garbled, garbled.subarray(0, cut)]) {
          try {
            decompress(codec, input, 10_000);
          } catch (error) {
            expect((error as Error).message).toContain('CORRUPT_MESSAGE');
          }
        }
      }),
      { numRuns: 60 },
    );
  }
});
