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

test('small sizes come from the slab of Node, large ones are their own, and neither is kept', () => {
  const pool = new BufferPool();
  for (const size of [0, 1, 4 * KiB - 1]) expect(pool.lend(size).length).toBe(size);
  const large = pool.lend(5 * KiB * KiB);
  expect(large.length).toBe(5 * KiB * KiB);
  pool.giveBack(large);
  expect(pool.lend(5 * KiB * KiB).buffer).not.toBe(large.buffer);
});

test('a size takes the smallest kind that holds it', () => {
  const pool = new BufferPool();
  const lengths = [16 * KiB, 256 * KiB, 1024 * KiB].map((size) => pool.lend(size).length);
  expect(new Set(lengths).size).toBe(3);
});
