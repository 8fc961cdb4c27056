import { describe, expect, it } from 'vitest';
import { RowDigest } from '../../../loader/row-digest.ts';

/** The same hash written a second time with big integers, as another engine would. */
function reference(partition: number, offsets: readonly number[]): string {
  const M = 0xffffffffn;
  const mix = (word: bigint) => {
    let h = word;
    h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & M;
    h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) & M;
    return h ^ (h >> 16n);
  };
  const lane = (offset: bigint, seed: bigint) =>
    mix((offset & M) ^ mix((offset >> 32n) ^ mix(BigInt(partition) ^ seed)));
  const sum = offsets.reduce(
    (total, o) => total + (lane(BigInt(o), 0x85ebca6bn) << 32n) + lane(BigInt(o), 0x9e3779b9n),
    0n,
  );
  return (sum & 0xffffffffffffffffn).toString(16).padStart(16, '0');
}

const digest = (partition: number, offsets: readonly number[]) => {
  const d = new RowDigest(partition);
  for (const o of offsets) d.add(o);
  return d.toString();
};

describe('the digest of rows', () => {
  const offsets = [
    0,
    1,
    2,
    99,
    2 ** 31,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 53 - 1,
    ...Array.from({ length: 5000 }, (_, i) => i * 7_654_321),
  ];

  it('is what the definition says', () => {
    for (const partition of [0, 7, 65_535])
      expect(digest(partition, offsets)).toBe(reference(partition, offsets));
  });

  it('does not mind the order, but minds every row, its offset and its partition', () => {
    expect(digest(3, offsets.toReversed())).toBe(digest(3, offsets));
    expect(digest(3, offsets.slice(1))).not.toBe(digest(3, offsets));
    expect(digest(3, [...offsets, 5])).not.toBe(digest(3, offsets));
    expect(digest(4, offsets)).not.toBe(digest(3, offsets));
  });
});
