/**
 * Just enough reading of TypeScript source for test/tidy.test.ts: comments, texts and regular expressions blanked out in
 * place, so that simple patterns see nothing but code; imports; function bodies. No parser: TypeScript 7 offers none yet.
 */

/** `code`: comments and the insides of texts are spaces. `bare`: only comments are. Both as long as the source, line feeds kept. */
interface Blanked {
  code: string;
  bare: string;
}

const blank = (text: string) => text.replace(/[^\n]/g, ' ');

/** What may stand before a `/` that opens a regular expression, not a division. */
const BEFORE_REGEXP = /(^|[(,=:[!&|?{};+\-*%~^<>]|\b(return|typeof|case|in|of|await|yield))\s*$/;

const TOKENS: readonly { kind: 'comment' | 'text' | 'regexp'; pattern: RegExp }[] = [
  { kind: 'comment', pattern: /\/\/[^\n]*|\/\*[\s\S]*?\*\//y },
  { kind: 'text', pattern: /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y },
  { kind: 'regexp', pattern: /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y },
];

/** Where the template text that starts at `at` (a backtick, or the `}` that ends an inserted expression) ends or inserts code. */
function templatePart(source: string, at: number): { end: number; inserts: boolean } {
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === '`') return { end: i + 1, inserts: false };
    else if (source[i] === '$' && source[i + 1] === '{') return { end: i + 2, inserts: true };
  }
  return { end: source.length, inserts: false };
}

/** The comment, text or regular expression at a place of the source, if there is one. */
function tokenAt(source: string, at: number, code: string): { kind: string; text: string } | undefined {
  for (const { kind, pattern } of TOKENS) {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0];
    if (text !== undefined && (kind !== 'regexp' || BEFORE_REGEXP.test(code.slice(-40))))
      return { kind, text };
  }
  return undefined;
}

/** Blanks comments and texts. Code inside `${…}` of a template stays code. */
export function blankSource(source: string): Blanked {
  let code = '';
  let bare = '';
  const openTemplates: number[] = []; // brace depth at which each inserted expression ends
  let depth = 0;
  for (let at = 0; at < source.length; at = code.length) {
    const char = source[at]!;
    const endsInsert = char === '}' && openTemplates.at(-1) === depth;
    const token = tokenAt(source, at, code);
    if (char === '`' || endsInsert) {
      if (endsInsert) openTemplates.pop();
      const { end, inserts } = templatePart(source, at);
      if (inserts) openTemplates.push(depth);
      const text = source.slice(at, end);
      code += `\`${blank(text.slice(1, -1))}${text.length > 1 ? '`' : ''}`;
      bare += text;
    } else if (token) {
      const { kind, text } = token;
      code += kind === 'comment' ? blank(text) : text[0] + blank(text.slice(1, -1)) + text.at(-1);
      bare += kind === 'comment' ? blank(text) : text;
    } else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      code += char;
      bare += char;
    }
  }
  return { code, bare };
}

/** One import of a source: the text between the quotes, and whether only types come in. */
export interface Import {
  specifier: string;
  typeOnly: boolean;
}

/** Static, dynamic and re-exporting imports, and files named by `new URL('./x.ts', import.meta.url)`. */
export function importsOf({ code, bare }: Blanked): Import[] {
  const found: Import[] = [];
  const statement = /(?<![.\w])(import|export)\s+(type\s)?(?:[\w*{][^;'"()=]*?from\s*)?['"]( *)['"]/dg;
  const call = /(?<![.\w])(?:import\(\s*|new URL\(\s*)['"]( *)['"]/dg;
  for (const match of code.matchAll(statement)) {
    const clause = /^\w+\s+\{([^}]*)\}/.exec(match[0])?.[1];
    const names = clause?.split(',').filter((name) => name.trim());
    const typeOnly = match[2] !== undefined || (names?.every((n) => /^\s*type\s/.test(n)) ?? false);
    found.push({ specifier: bare.slice(...match.indices![3]!), typeOnly });
  }
  for (const match of code.matchAll(call))
    found.push({ specifier: bare.slice(...match.indices![1]!), typeOnly: false });
  return found;
}

/** A function's first and last line, counted from 1. */
export interface FunctionLines {
  first: number;
  last: number;
}

const FUNCTION_HEAD = /(=>|\)(\s*:[\w\s.,|&?<>[\]'"]*)?)\s*$/;

const CLASS_HEAD = /\b(class|interface)\s[\w\s.,<>]*$/;

const HOLDS_TESTS = /^\s*(describe|it|test)[.(]/m;

/** Whether the `{` at a place opens the body of a function (or of an `if`, `for` …: no harm, they lie inside one). */
function opensBody(code: string, at: number): boolean {
  const before = code.slice(Math.max(0, at - 400), at).replace(/\{[^{}]*\}/g, '');
  return FUNCTION_HEAD.test(before) && !CLASS_HEAD.test(before);
}

/** The bodies of all functions, except those that hold tests (callbacks of `describe`, suites), which are chapters. */
export function functionsOf(code: string): FunctionLines[] {
  const found: FunctionLines[] = [];
  const open: { line: number; at: number; counts: boolean }[] = [];
  let line = 1;
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '\n') line++;
    if (code[at] === '{') {
      open.push({ line, at, counts: opensBody(code, at) });
    }
    if (code[at] !== '}') continue;
    const block = open.pop();
    if (block?.counts && !HOLDS_TESTS.test(code.slice(block.at, at)))
      found.push({ first: block.line, last: line });
  }
  return found;
}
