import { describe, expect, it } from 'vitest';
import { isGrownFrom } from '../../../loader/column-growth.ts';

describe('a column of two files', () => {
  it.each([
    ['INTEGER', 'INTEGER'],
    ['STRUCT(a INTEGER)', 'STRUCT(a INTEGER, b VARCHAR)'],
    ['STRUCT(a INTEGER, "order" VARCHAR)', 'STRUCT(a INTEGER, "order" VARCHAR, "name" DECIMAL(12,2))'],
    ['STRUCT(a INTEGER)[]', 'STRUCT(a INTEGER, b STRUCT(c DOUBLE))[]'],
    ['MAP(VARCHAR, STRUCT(a INTEGER))', 'MAP(VARCHAR, STRUCT(a INTEGER, b INTEGER))'],
    ['STRUCT(s STRUCT(a INTEGER), t DOUBLE)', 'STRUCT(s STRUCT(a INTEGER, b INTEGER), t DOUBLE)'],
  ])('may grow from %s to %s, and never back', (earlier, later) => {
    expect(isGrownFrom(earlier, later)).toBe(true);
    expect(isGrownFrom(later, earlier)).toBe(earlier === later);
  });

  it.each([
    ['INTEGER', 'BIGINT'],
    ['INTEGER', 'INTEGER[]'],
    ['STRUCT(a INTEGER)', 'STRUCT(a BIGINT, b VARCHAR)'],
    ['STRUCT(a INTEGER)', 'STRUCT(b VARCHAR, a INTEGER)'],
    ['STRUCT(a DECIMAL(12,2))', 'STRUCT(a DECIMAL(14,2))'],
    ['MAP(VARCHAR, INTEGER)', 'MAP(VARCHAR, BIGINT)'],
    ['MAP(VARCHAR, INTEGER)', 'STRUCT(a VARCHAR, b INTEGER)'],
    ['STRUCT(s STRUCT(a INTEGER))', 'STRUCT(s STRUCT(c INTEGER))'],
  ])('never changes from %s to %s', (earlier, later) => {
    expect(isGrownFrom(earlier, later)).toBe(false);
  });
});
