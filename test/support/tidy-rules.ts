/**
 * The rules of the house as data: who may import whom, sizes, names, words. Each rule looks at all sources at once and
 * answers sentences that name the file. test/tidy.test.ts runs them over the tree, and over a planted violation each.
 */
import { posix } from 'node:path';
import { blankSource, functionsOf, importsOf } from './source-scan.ts';

const FILE_LINES = 400;
const FUNCTION_LINES = 70;

/** A source file, read and blanked once. `imports` of our own files are resolved to paths. */
export interface Source {
  path: string;
  text: string;
  code: string;
  imports: { target: string; typeOnly: boolean; ours: boolean }[];
}

/** Reads a source for the rules. `path` is relative to the project, with '/'. */
export function readSource(path: string, text: string): Source {
  const blanked = blankSource(text);
  const imports = importsOf(blanked).map(({ specifier, typeOnly }) => {
    const ours = specifier.startsWith('.');
    return { target: ours ? posix.join(posix.dirname(path), specifier) : specifier, typeOnly, ours };
  });
  return { path, text, code: blanked.code, imports };
}

const CORE = ['broker/protocol', 'broker/topic-partition.ts'];
const KEEPERS = [
  'broker/log',
  'broker/groups',
  'broker/transactions',
  'broker/cluster',
  'broker/client',
  ...CORE,
];
const LOADED = ['broker/client', ...CORE, 'schemas'];

/**
 * Who may import whom, from design.md: the longest prefix that fits a file holds, and a file may always import its own
 * area. `config` may be imported by everyone as types, by cli also as values. Nothing imports cli, bench or test.
 */
export const MAY_IMPORT: Record<string, readonly string[]> = {
  cli: ['broker', 'loader', 'jobs', 'schemas', 'config', 'dashboard', 'package.json'],
  bench: [
    'broker',
    'loader',
    'jobs',
    'schemas',
    'config',
    'cli',
    'test/support',
    'test/real/bed',
    'package.json',
  ],
  test: ['broker', 'loader', 'jobs', 'schemas', 'config', 'cli', 'bench', 'package.json'],
  dashboard: ['jobs', 'loader', ...LOADED],
  jobs: ['loader', ...LOADED],
  loader: LOADED,
  schemas: [],
  config: [],
  'broker/broker.ts': ['broker/server', 'broker/handlers', ...KEEPERS],
  'broker/server': ['broker/handlers', ...KEEPERS],
  'broker/handlers': KEEPERS,
  'broker/groups': ['broker/log', ...CORE],
  'broker/transactions': ['broker/log', ...CORE],
  'broker/cluster': ['broker/client', 'broker/log', ...CORE],
  'broker/log': CORE,
  'broker/client': CORE,
  'broker/protocol': ['broker/topic-partition.ts'],
  'broker/topic-partition.ts': [],
  'vitest.config.ts': ['test/support/longest-first.ts'],
  'vitest.real.config.ts': ['test/support/longest-first.ts'],
};

/** Node's modules that only some files may use: sockets, data files. The first pattern that fits a module holds. */
const RESERVED: readonly { modules: RegExp; only: RegExp; why: string }[] = [
  {
    modules: /^node:(net|tls|http|https|http2|dgram)$/,
    only: /^(broker\/(server\/|client\/connection\.ts)|loader\/store\/webhdfs-client\.ts|test\/|bench\/)/,
    why: 'opens sockets; only broker/server, broker/client/connection and loader/store/webhdfs-client do',
  },
  {
    modules: /^node:fs(\/promises)?$/,
    only: /^(broker\/log\/|loader\/|jobs\/|schemas\/|cli\/|test\/|bench\/)/,
    why: 'touches files; in the broker only broker/log does',
  },
  {
    modules: /^node:(fs(\/promises)?|child_process|worker_threads)$/,
    only: /^(?!loader\/(plan|commit)\.ts$|broker\/(protocol|groups)\/)/,
    why: 'does I/O; plan, commit, coordinator and protocol are pure',
  },
];

const isBelow = (path: string, area: string) => path === area || path.startsWith(`${area}/`);

function areaOf(path: string): string | undefined {
  return Object.keys(MAY_IMPORT)
    .filter((area) => isBelow(path, area))
    .sort((a, b) => b.length - a.length)[0];
}

function importProblem(path: string, target: string, typeOnly: boolean): string | undefined {
  const area = areaOf(path);
  if (area === undefined) return `${path} lies in no known area; add it to MAY_IMPORT`;
  const allowed = [area, ...MAY_IMPORT[area]!].some((each) => isBelow(target, each));
  if (allowed || (typeOnly && isBelow(target, 'config'))) return undefined;
  return `${path} imports ${target}, which ${area} may not${isBelow(target, 'config') ? ' but as a type' : ''}`;
}

function checkImports(sources: readonly Source[]): string[] {
  const problems: (string | undefined)[] = [];
  for (const { path, imports } of sources)
    for (const { target, typeOnly, ours } of imports) {
      if (ours) problems.push(importProblem(path, target, typeOnly));
      for (const { modules, only, why } of RESERVED)
        if (modules.test(target) && !only.test(path))
          problems.push(`${path} imports ${target}, which ${why}`);
    }
  return problems.filter((p) => p !== undefined);
}

/** Every import counts, types and dynamic ones too: a cycle of types is as hard to read as any. */
function checkCycles(sources: readonly Source[]): string[] {
  const graph = new Map(sources.map((s) => [s.path, s.imports.filter((i) => i.ours).map((i) => i.target)]));
  const done = new Set<string>();
  const problems: string[] = [];
  const visit = (path: string, way: string[]) => {
    if (way.includes(path))
      problems.push(`import cycle: ${[...way.slice(way.indexOf(path)), path].join(' → ')}`);
    if (done.has(path) || way.includes(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return problems;
}

const ENTRIES =
  /^(cli\/main|loader\/task|bench\/main|vitest(\.real)?\.config|test\/real\/(bed\/cli|librdkafka\/main|set-up)|test\/fault\/(main|support\/failpoint)|test\/support\/left-out-suite|test\/.*\.test)\.ts$/;

/** A source must be reached from what runs; one that only tests reach is unused. */
function checkReachable(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((s) => [s.path, s]));
  const reached = new Set<string>();
  const visit = (path: string) => {
    const source = byPath.get(path);
    if (!source || reached.has(path)) return;
    reached.add(path);
    const fromTest = path.startsWith('test/');
    for (const { target } of source.imports) if (!fromTest || target.startsWith('test/')) visit(target);
  };
  for (const { path } of sources) if (ENTRIES.test(path)) visit(path);
  return sources.filter((s) => !reached.has(s.path)).map((s) => `${s.path} is used by nothing that runs`);
}

function checkSizes(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text, code }) => {
    const lines = text.trimEnd().split('\n').length;
    const long = functionsOf(code)
      .map(({ first, last }) => ({ first, count: last - first + 1 }))
      .filter(({ count }) => count > FUNCTION_LINES)
      .map(
        ({ first, count }) =>
          `${path}:${first} is a function of ${count} lines; ${FUNCTION_LINES} are allowed`,
      );
    return lines > FILE_LINES ? [...long, `${path} has ${lines} lines; ${FILE_LINES} are allowed`] : long;
  });
}

/** The names of tests are sentences already. */
const NEEDS_NO_PARAGRAPH = /^vitest(\.real)?\.config\.ts$|\.test\.ts$/;

const OPENING =
  /^(?:#!.*\n|\s+|(?:import|export)\s[^;]*?\sfrom\s'[^']*'[^;]*;|import\s'[^']*';)*\/\*\*([\s\S]*?)\*\//;

/** The file's own doc paragraph, or one on its first statement or first export. */
function checkParagraphs(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => !NEEDS_NO_PARAGRAPH.test(path))
    .filter(({ text, code }) => {
      const beforeExport = text.slice(0, /^export (?!.*\bfrom\b)/m.exec(code)?.index ?? 0);
      const paragraph =
        OPENING.exec(text)?.[1] ?? /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(beforeExport)?.[1];
      return (paragraph ?? '').replace(/[\s*]+/g, ' ').length < 40;
    })
    .map(({ path }) => `${path} doesn't open with a doc paragraph that says what it is and why`);
}

const DEFAULT_EXPORTS = /^(loader\/task|vitest(\.real)?\.config)\.ts$/;
const BANNED_NAMES = /^(utils?|helpers?|types|index|misc|common)$/;

/** Words in code (texts and comments blanked). */
const CODE_WORDS: readonly { pattern: RegExp; except?: RegExp; why: string }[] = [
  { pattern: /(?:[:<|&,(]|\bas)\s*any\b(?!\s*[:(])/, why: 'says `any`' },
  { pattern: /\bexport\s+default\b/, except: DEFAULT_EXPORTS, why: 'has a default export' },
  {
    pattern: /\bprocess\.(argv|env|exit)\b/,
    except: /^(cli|bench|test)\//,
    why: 'reads argv or env, or exits: only cli does',
  },
  { pattern: /\b(it|test|describe)\.(only|todo)\b/, why: 'runs only a part of the tests' },
];

/** Words anywhere. They are put together here so that this file doesn't hold them itself. */
const TEXT_WORDS: readonly { pattern: RegExp; why: string }[] = [
  {
    pattern: new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\\b`),
    why: 'leaves work for later',
  },
  { pattern: new RegExp(`@ts-${'(ignore|nocheck)'}`), why: 'switches the type checker off' },
  { pattern: new RegExp(`(?<![\\w.*])/${'(work|root|tmp|Users)'}/\\w`), why: 'names a path of one machine' },
];

function checkWords(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text, code }) => {
    const place = (index: number) => `${path}:${text.slice(0, index).split('\n').length}`;
    const inCode = CODE_WORDS.filter(({ except }) => !except?.test(path)).map(({ pattern, why }) => ({
      index: code.search(pattern),
      why,
    }));
    const inText = TEXT_WORDS.map(({ pattern, why }) => ({ index: text.search(pattern), why }));
    return [...inCode, ...inText]
      .filter((w) => w.index >= 0)
      .map(({ index, why }) => `${place(index)} ${why}`);
  });
}

function checkNames(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path }) => {
    const name = posix.basename(path).replace(/(\.test|(\.real)?\.config)?\.ts$/, '');
    if (BANNED_NAMES.test(name)) return [`${path}: name the file after its noun, not "${name}"`];
    return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ? [] : [`${path}: file names are kebab-case`];
  });
}

/** A rule, and sources that break it: the first of `planted` must be reported, for the words in `says`. */
export interface Rule {
  name: string;
  check: (sources: readonly Source[]) => string[];
  planted: readonly { files: Record<string, string>; says: RegExp }[];
}

const doc = '/** A paragraph that says what this file is and why it is here. */\n';
const lines = (count: number) => '  f();\n'.repeat(count);

export const RULES: readonly Rule[] = [
  {
    name: 'imports follow the table',
    check: checkImports,
    planted: [
      { files: { 'broker/protocol/a.ts': "import { b } from '../log/b.ts';" }, says: /may not/ },
      { files: { 'loader/a.ts': "import { s } from '../config/settings.ts';" }, says: /but as a type/ },
      { files: { 'jobs/a.ts': "const m = await import('../cli/main.ts');" }, says: /may not/ },
      { files: { 'schemas/a.ts': "export * from '../loader/b.ts';" }, says: /may not/ },
      { files: { 'stuff/a.ts': "import { b } from './b.ts';" }, says: /no known area/ },
      { files: { 'broker/handlers/a.ts': "import net from 'node:net';" }, says: /opens sockets/ },
      { files: { 'broker/client/a.ts': "import 'node:fs';" }, says: /touches files/ },
      { files: { 'loader/plan.ts': "import { open } from 'node:fs/promises';" }, says: /pure/ },
    ],
  },
  {
    name: 'no import cycles',
    check: checkCycles,
    planted: [
      {
        files: {
          'jobs/a.ts': "import { b } from './b.ts';",
          'jobs/b.ts': "import type { C } from './c.ts';",
          'jobs/c.ts': "const a = await import('./a.ts');",
        },
        says: /jobs\/a.ts → jobs\/b.ts → jobs\/c.ts → jobs\/a.ts/,
      },
    ],
  },
  {
    name: 'no file is unused',
    check: checkReachable,
    planted: [
      {
        files: { 'cli/main.ts': '', 'jobs/a.ts': '', 'test/unit/a.test.ts': "import '../../jobs/a.ts';" },
        says: /jobs\/a.ts is used by nothing/,
      },
    ],
  },
  {
    name: 'functions and files are short',
    check: checkSizes,
    planted: [
      {
        files: { 'cli/a.ts': `function a(x: { y: number }): Promise<void> {\n${lines(69)}}` },
        says: /a.ts:1 is a function of 71/,
      },
      {
        files: { 'cli/a.ts': `const b = 1;\nconst a = async () => {\n${lines(70)}};` },
        says: /a.ts:2 is a function of 72/,
      },
      {
        files: { 'cli/a.ts': `class A {\n  a(): { b: string } {\n${lines(70)}  }\n}` },
        says: /a.ts:2 is a function/,
      },
      { files: { 'cli/a.ts': `${'\n'.repeat(400)}const a = 1;` }, says: /401 lines/ },
    ],
  },
  {
    name: 'every file opens with a paragraph',
    check: checkParagraphs,
    planted: [
      { files: { 'cli/a.ts': "import { b } from './b.ts';\n\nexport const a = b;" }, says: /doc paragraph/ },
      { files: { 'cli/a.ts': '/** Short. */\nexport const a = 1;' }, says: /doc paragraph/ },
    ],
  },
  {
    name: 'names say what is in a file',
    check: checkNames,
    planted: [
      { files: { 'cli/utils.ts': doc }, says: /noun/ },
      { files: { 'broker/index.ts': doc }, says: /noun/ },
      { files: { 'jobs/hourlyLoad.ts': doc }, says: /kebab/ },
    ],
  },
  {
    name: 'no words that do not belong',
    check: checkWords,
    planted: [
      { files: { 'cli/a.ts': 'const a: any = 1;' }, says: /any/ },
      { files: { 'cli/a.ts': 'const a = b as any;' }, says: /any/ },
      { files: { 'cli/a.ts': 'let a: Map<string, any>;' }, says: /any/ },
      { files: { 'cli/a.ts': 'export default 1;' }, says: /default/ },
      { files: { 'loader/a.ts': 'const a = process.env;' }, says: /only cli/ },
      { files: { 'test/a.test.ts': "it.only('a', () => {});" }, says: /part of the tests/ },
      { files: { 'cli/a.ts': `// ${'TO' + 'DO'}: later` }, says: /later/ },
      { files: { 'cli/a.ts': `// @ts-${'ignore'}` }, says: /type checker/ },
      { files: { 'cli/a.ts': `const a = '/${'work'}/main';` }, says: /one machine/ },
    ],
  },
];
