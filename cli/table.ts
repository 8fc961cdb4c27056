/**
 * A small table for people: a line of heads, then the rows, columns two spaces apart, numbers to the right. cli-table3
 * measures wide characters; its colours and frames are switched off, so that a pipe gets plain text.
 */
import Table from 'cli-table3';
import { type Cell, groupDigits } from './output.ts';

const NO_FRAME = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    ['', '-mid', '-left', '-right'].map((part) => [side + part, '']),
  ),
);

/** The table as text without a last line feed. A column whose cells are all numbers or absent stands to the right. */
export function tableText(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = (column: number) =>
    rows.length > 0 && rows.every((row) => typeof (row[column] ?? 0) === 'number');
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (isNumeric(column) ? 'right' : 'left')),
    chars: { ...NO_FRAME, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows)
    table.push(row.map((cell) => (typeof cell === 'number' ? groupDigits(cell) : (cell ?? '-'))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
