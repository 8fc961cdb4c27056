import { describe, expect, test } from 'vitest';
import { OffsetIndex } from '../../../../broker/log/offset-index.ts';
import { TimeIndex } from '../../../../broker/log/time-index.ts';

function indexes(count: number): { offsets: OffsetIndex; times: TimeIndex } {
  const offsets = new OffsetIndex();
  const times = new TimeIndex();
  for (let i = 1; i <= count; i++) {
    offsets.add(10 * i, 1000 * i);
    times.add(100 * i);
  }
  return { offsets, times };
}

describe('offset index', () => {
  test('the floor of an offset is the last entry at or below it', () => {
    const { offsets } = indexes(200);
    expect(offsets.floor(9)).toBeUndefined();
    expect(offsets.floor(10)).toEqual({ relativeOffset: 10, position: 1000 });
    expect(offsets.floor(1999)).toEqual({ relativeOffset: 1990, position: 199_000 });
    expect(offsets.floor(1e9)).toEqual({ relativeOffset: 2000, position: 200_000 });
  });

  test('what was encoded is decoded', () => {
    const { offsets, times } = indexes(100);
    const decoded = OffsetIndex.decode(offsets.encode(), 1e6);
    expect(decoded?.at(99)).toEqual({ relativeOffset: 1000, position: 100_000 });
    expect(decoded && TimeIndex.decode(times.encode(offsets), decoded)?.lastMs).toBe(10_000);
  });

  test('a file that is cut, full of zeros, or points behind the log is refused', () => {
    const bytes = indexes(10).offsets.encode();
    expect(OffsetIndex.decode(bytes.subarray(0, 77), 1e6)).toBeUndefined();
    expect(OffsetIndex.decode(Buffer.alloc(80), 1e6)).toBeUndefined();
    expect(OffsetIndex.decode(bytes, 9_000)).toBeUndefined();
  });

  test('entries that do not rise are a bug', () => {
    const { offsets } = indexes(1);
    expect(() => offsets.add(10, 2000)).toThrow(/must rise/);
  });
});

describe('time index', () => {
  test('the last entry before a time is the last whose greatest timestamp lies below it', () => {
    const { times } = indexes(5);
    expect(times.lastBefore(100)).toBe(-1);
    expect(times.lastBefore(101)).toBe(0);
    expect(times.lastBefore(1e9)).toBe(4);
  });

  test('a file that does not fit the offset index is refused', () => {
    const { offsets, times } = indexes(10);
    const bytes = times.encode(offsets);
    expect(TimeIndex.decode(bytes.subarray(12), offsets)).toBeUndefined();
    expect(TimeIndex.decode(Buffer.alloc(120), offsets)).toBeUndefined();
  });
});
