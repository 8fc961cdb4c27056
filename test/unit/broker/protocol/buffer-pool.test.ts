import { expect, test } from 'vitest';
import { BufferPool } from '../../../../broker/protocol/buffer-pool.ts';

const KiB = 1024;

test('a buffer given back, whole or as a view, is lent again', () => {
  const pool = new BufferPool();
  const first = pool.lend(500 * KiB);
  expect(first.length).toBeGreaterThanOrEqual(500 * KiB);
  pool.giveBack(first.subarray(10, 20));
  const second = pool.lend(1024 * KiB);
  expect(second.buffer).toBe(first.buffer);
  expect(second.length).toBe(first.length);
});

test('no buffer is lent twice at once, even if it is given back twice', () => {
  const pool = new BufferPool();
  const first = pool.lend(100 * KiB);
  pool.giveBack(first);
  pool.giveBack(first);
  expect(pool.lend(100 * KiB).buffer).not.toBe(pool.lend(100 * KiB).buffer);
});

test('memory that was not lent is not taken in', () => {
  const pool = new BufferPool();
  const foreign = Buffer.alloc(1088 * KiB);
  pool.giveBack(foreign);
  expect(pool.lend(100 * KiB).buffer).not.toBe(foreign.buffer);
});

test('sizes beyond the pool are served with buffers of their own', () => {
  const pool = new BufferPool();
  for (const size of [0, 1, 64 * KiB - 1, 5 * KiB * KiB]) {
    const own = pool.lend(size);
    expect(own.length).toBe(size);
    pool.giveBack(own);
    if (size > 0) expect(pool.lend(size).buffer).not.toBe(own.buffer);
  }
});
