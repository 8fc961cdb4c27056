/**
 * The rules of the house, over every source of the tree. The rules are data in support/tidy-rules.ts; each is also shown
 * sources that break it, so that a rule that sees nothing any more is noticed.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blankSource, importsOf } from './support/source-scan.ts';
import { MAY_IMPORT, RULES, readSource } from './support/tidy-rules.ts';

const root = join(import.meta.dirname, '..');
const folders = [...new Set(Object.keys(MAY_IMPORT).map((area) => area.split('/')[0]!))];
// Declarations describe a package without types, in that package's own names and form: no rule of ours is for them.
const exclude = ['test/fixtures/**', '**/*.d.ts'];
const paths = folders.flatMap((folder) =>
  folder.endsWith('.ts') ? [folder] : globSync(`${folder}/**/*.ts`, { cwd: root, exclude }),
);
const sources = paths.sort().map((path) => readSource(path, readFileSync(join(root, path), 'utf8')));

describe('the tree', () => {
  it('is read whole: every import of ours names a file that is there', () => {
    const missing = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ ours, target }) => ours && !existsSync(join(root, target)))
        .map(({ target }) => `${path} imports ${target}`),
    );
    expect(missing).toEqual([]);
    expect(sources.length).toBeGreaterThan(20);
  });

  it('is read right: the braces of every source balance', () => {
    const count = (code: string, brace: string) => code.split(brace).length;
    const odd = sources.filter(({ code }) => count(code, '{') !== count(code, '}'));
    expect(odd.map(({ path }) => path)).toEqual([]);
  });

  for (const { name, check } of RULES) it(name, () => expect(check(sources)).toEqual([]));
});

describe('each rule sees what breaks it', () => {
  for (const { name, check, planted } of RULES)
    it(name, () => {
      for (const { files, says } of planted) {
        const broken = Object.entries(files).map(([path, text]) => readSource(path, text));
        expect(check(broken).join('\n')).toMatch(says);
      }
    });
});

describe('the reader of sources', () => {
  it('tells code from texts, comments, templates and regular expressions', () => {
    const inserted = '$' + '{';
    const { code } = blankSource(
      `a('{'); /* { */ b(\`{ ${inserted}c({ d: '}' })} {\`); const r = /[{/]'/g; // {\nconst e = 4 / 2; f("{"); g = x / y;`,
    );
    expect([...code].filter((c) => c === '{' || c === '}').join('')).toBe('{}');
    expect(code).toContain('const e = 4 / 2; f(');
    expect(code).toContain('c({ d:');
  });

  it('finds every form of import', () => {
    const source = [
      "import a, { type B } from './a.ts';",
      "import { type C, type D } from './c.ts';",
      "import type { E } from 'e';",
      "import './f.ts';",
      "export * from './g.ts';",
      "export { h } from './h.ts';",
      "const i = await import('./i.ts');",
      "new URL('./j.ts', import.meta.url);",
      "// import { k } from './k.ts';",
      'const l = "import { l } from \'./l.ts\'";',
    ].join('\n');
    expect(importsOf(blankSource(source)).map(({ specifier, typeOnly }) => [specifier, typeOnly])).toEqual([
      ['./a.ts', false],
      ['./c.ts', true],
      ['e', true],
      ['./f.ts', false],
      ['./g.ts', false],
      ['./h.ts', false],
      ['./i.ts', false],
      ['./j.ts', false],
    ]);
  });
});
