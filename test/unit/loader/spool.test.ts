import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Spool } from '../../../loader/spool.ts';
import { columnsWord, RowReader, WORD, writeRow } from '../../../loader/spool-row.ts';
import { RowSlots } from '../../../schemas/row-slots.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-spool-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const slice = (text: string | null) => {
  const buffer = Buffer.from(text ?? '');
  return { buffer, start: text === null ? -1 : 0, end: buffer.length };
};

const COLUMNS = [
  { name: 'text', type: 'string', required: false },
  { name: 'number', type: 'int64', required: false },
] as const;

interface TestRow {
  offset: number;
  key: string | null;
  text: string | null;
  number: number | null;
  extra: string | null;
  headers: string;
}
const PLAIN: TestRow = { offset: 1, key: null, text: '', number: null, extra: null, headers: '' };

function write(spool: Spool, hour: number, row: TestRow): void {
  const slots = new RowSlots({ columns: COLUMNS });
  slots.clear();
  if (row.text !== null) slots.setRange(0, 0, Buffer.byteLength(row.text));
  if (row.number !== null) slots.setInteger(1, row.number);
  const meta = {
    offset: row.offset,
    timestampMs: row.offset * 2,
    timeUs: row.offset * 2_000,
    key: slice(row.key),
    value: slice(row.text ?? ''),
    extra: row.extra === null ? null : Buffer.from(row.extra),
    headers: slice(row.headers),
    headerCount: row.headers === '' ? 0 : 1,
  };
  writeRow(spool, hour, meta, slots);
}

function rowsOf(spool: Spool, hour: number): TestRow[] {
  const reader = new RowReader(spool.blocks(hour));
  const rows: TestRow[] = [];
  while (reader.next()) {
    const { words, block, at, offset } = reader;
    const word = (index: number) => words[at / 4 + index]!;
    const piece = (start: number, length: number) =>
      start < 0 ? null : block.toString('utf8', at + start, at + start + length);
    const first = columnsWord(COLUMNS.length);
    const isThere = (column: number) => ((word(WORD.mask) >> column) & 1) === 1;
    expect(reader.timeUs).toBe(offset * 2_000);
    rows.push({
      offset,
      key: piece(word(WORD.keyStart), word(WORD.keyLength)),
      text: isThere(0) ? piece(word(first), word(first + 1)) : null,
      number: isThere(1) ? word(first + 3) * 2 ** 32 + (word(first + 2) >>> 0) : null,
      extra: piece(word(WORD.extraStart), word(WORD.extraLength)),
      headers: word(WORD.headerCount) === 0 ? '' : piece(word(WORD.headersStart), word(WORD.headersLength))!,
    });
  }
  return rows;
}

describe('the spool', () => {
  it('gives each hour its rows back, in order, whatever was interleaved', () => {
    using spool = Spool.create(join(dir, 's'));
    const wanted = new Map<number, TestRow[]>();
    for (let i = 0; i < 20_000; i++) {
      const row: TestRow = {
        offset: i,
        key: i % 3 === 0 ? null : `key ${i}`,
        text: i % 7 === 0 ? null : `{"n":${i}}`.padEnd((i * 13) % 900, 'ü'),
        number: i % 4 === 0 ? null : (i - 10_000) * 7_919_000_001,
        extra: i % 5 === 0 ? `{"x":${i}}` : null,
        headers: i % 11 === 0 ? 'hdr' : '',
      };
      const hour = (i * 7919) % 300;
      write(spool, hour, row);
      wanted.set(hour, [...(wanted.get(hour) ?? []), row]);
    }
    expect(spool.hours()).toEqual([...wanted.keys()].sort((a, b) => a - b));
    for (const [hour, rows] of wanted) {
      expect(rowsOf(spool, hour)).toEqual(rows);
      expect(spool.rows(hour)).toBe(rows.length);
    }
  });

  it('takes a row larger than a block, and empty values', () => {
    using spool = Spool.create(join(dir, 's'));
    const texts = ['', 'x'.repeat(3_000_000), 'after', 'y'.repeat(3_000_001)];
    for (const text of texts) write(spool, 1, { ...PLAIN, text, key: '' });
    expect(rowsOf(spool, 1).map(({ text }) => text)).toEqual(texts);
  });

  it('keeps its buffers small over ten thousand hours', () => {
    using spool = Spool.create(join(dir, 's'));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200_000; i++)
      write(spool, i % 10_000, { ...PLAIN, offset: i, text: 'v'.repeat(400) });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(150e6);
    expect(spool.rows(1234)).toBe(20);
    expect(rowsOf(spool, 1234)).toHaveLength(20);
  });

  it('can be cleared and filled again, and leaves no file', () => {
    {
      using spool = Spool.create(join(dir, 's'));
      write(spool, 1, PLAIN);
      spool.clear();
      expect(spool.hours()).toEqual([]);
      expect(spool.bytes).toBe(0);
      write(spool, 2, PLAIN);
      expect(rowsOf(spool, 2)).toHaveLength(1);
    }
    expect(readdirSync(dir)).toEqual([]);
  });
});
