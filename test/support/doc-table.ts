/**
 * Tables in the documents that are made from the code, so that they can't grow apart. A document marks the place with two
 * comments; a test puts the table there and compares the whole with the file. `npm test -- test/unit/docs -u` writes it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Absolute path of a document, given from the project's root. */
export const documentPath = (name: string): string => join(ROOT, name);

export const readDocument = (name: string): string => readFileSync(documentPath(name), 'utf8');

/** A Markdown table. A bar inside a cell is escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** The document with `table` between the comments that name it. */
export function withTable(document: string, name: string, table: string): string {
  const [start, end] = [`<!-- generated: ${name} -->\n`, `<!-- end: ${name} -->`];
  const [from, until] = [document.indexOf(start), document.indexOf(end)];
  assert(from >= 0 && until > from, `the document lacks "${start.trim()}" … "${end}"`);
  return `${document.slice(0, from + start.length)}\n${table}\n\n${document.slice(until)}`;
}
