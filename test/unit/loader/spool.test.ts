import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Spool } from '../../../loader/spool.ts';
import { RowCursor, writeRow } from '../../../loader/spool-row.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-spool-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const slice = (text: string | null) => {
  const buffer = Buffer.from(text ?? '');
  return { buffer, start: text === null ? -1 : 0, end: buffer.length };
};

function rowsOf(spool: Spool, hour: number) {
  const cursor = new RowCursor();
  const rows: unknown[] = [];
  for (const block of spool.blocks(hour)) {
    cursor.reset(block);
    while (cursor.next()) {
      const { offset, timestampMs, timeUs, key, value, extra, headerCount, headers } = cursor;
      rows.push([
        offset,
        timestampMs,
        timeUs,
        key?.toString() ?? null,
        value.toString(),
        extra?.toString() ?? null,
        headerCount,
        headers.toString(),
      ]);
    }
  }
  return rows;
}

describe('the spool', () => {
  it('gives each hour its rows back, in order, whatever was interleaved', () => {
    using spool = Spool.create(join(dir, 's'));
    const wanted = new Map<number, unknown[]>();
    for (let i = 0; i < 20_000; i++) {
      const hour = (i * 7919) % 300;
      const [key, extra] = [i % 3 === 0 ? null : `key ${i}`, i % 5 === 0 ? `{"x":${i}}` : null];
      const value = `{"n":${i}}`.padEnd((i * 13) % 900, ' ');
      const headerCount = i % 11 === 0 ? 1 : 0;
      writeRow(
        spool,
        hour,
        i,
        i * 2,
        i * 2000,
        slice(key),
        slice(value),
        extra === null ? null : Buffer.from(extra),
        slice('hdr'),
        headerCount,
      );
      wanted.set(hour, [
        ...(wanted.get(hour) ?? []),
        [i, i * 2, i * 2000, key, value, extra, headerCount, headerCount ? 'hdr' : ''],
      ]);
    }
    expect(spool.hours()).toEqual([...wanted.keys()].sort((a, b) => a - b));
    for (const [hour, rows] of wanted) {
      expect(rowsOf(spool, hour)).toEqual(rows);
      expect(spool.rows(hour)).toBe(rows.length);
    }
  });

  it('takes a row larger than a block, and empty values', () => {
    using spool = Spool.create(join(dir, 's'));
    const large = 'x'.repeat(3_000_000);
    for (const value of ['', large, 'after', large])
      writeRow(spool, 1, 1, 1, 1, slice(''), slice(value), null, slice(null), 0);
    expect(rowsOf(spool, 1).map((row) => (row as unknown[])[4])).toEqual(['', large, 'after', large]);
  });

  it('keeps its buffers small over ten thousand hours', () => {
    using spool = Spool.create(join(dir, 's'));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 400_000; i++)
      writeRow(spool, i % 10_000, i, 0, 0, slice(null), slice('v'.repeat(200)), null, slice(null), 0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100e6);
    expect(spool.rows(1234)).toBe(40);
    expect(rowsOf(spool, 1234)).toHaveLength(40);
  });

  it('can be cleared and filled again, and leaves no file', () => {
    {
      using spool = Spool.create(join(dir, 's'));
      writeRow(spool, 1, 1, 1, 1, slice(null), slice('a'), null, slice(null), 0);
      spool.clear();
      expect(spool.hours()).toEqual([]);
      expect(spool.bytes).toBe(0);
      writeRow(spool, 2, 2, 2, 2, slice(null), slice('b'), null, slice(null), 0);
      expect(rowsOf(spool, 2)).toHaveLength(1);
    }
    expect(readdirSync(dir)).toEqual([]);
  });
});
