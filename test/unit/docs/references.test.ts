import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../cli/commands.ts';
import { documentPath, readDocument } from '../../support/doc-table.ts';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('docs/*.md', { cwd: documentPath('.') }),
];

/** The anchor that a heading gets, as forges make it. */
const anchorOf = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (name: string) =>
  new Set([...readDocument(name).matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1]!)));

/** What is wrong with a link of a document, or undefined. */
function linkProblem(name: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? name : join(dirname(name), path);
  if (!existsSync(documentPath(file))) return `${name} points to ${file}, which is not there`;
  const isMissing = anchor !== undefined && !anchorsOf(file).has(anchor);
  return isMissing ? `${name} points to #${anchor}, which ${file} does not have` : undefined;
}

describe('the documents', () => {
  it('point only to what is there', () => {
    const problems = DOCUMENTS.flatMap((name) =>
      [...readDocument(name).matchAll(/\]\(([^)\s]+)\)/g)]
        .filter(([, target]) => !/^[a-z]+:/.test(target!))
        .map(([, target]) => linkProblem(name, target!)),
    );
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
    expect(problems.length).toBeGreaterThan(20);
  });

  it('show only commands that there are', () => {
    const known = new Set(COMMANDS.map(({ name }) => name));
    const shown = DOCUMENTS.flatMap((name) =>
      [...readDocument(name).matchAll(/(?:`millrace|bin\/millrace\.mjs)(?: --config \S+)? ([a-z]+)\b/g)].map(
        (m) => m[1]!,
      ),
    );
    expect(shown.length).toBeGreaterThan(8);
    expect(shown.filter((name) => !known.has(name))).toEqual([]);
  });

  it('name the command of every summary in the README', () => {
    const readme = readDocument('README.md');
    expect(
      COMMANDS.filter(({ name }) => !new RegExp(`\`${name}[ \`]`).test(readme)).map(({ name }) => name),
    ).toEqual([]);
  });
});
