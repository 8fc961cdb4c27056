/**
 * The members of one JSON object, raw: `JSON.parse` keeps only the last of two members with one name, and rounds numbers
 * above 2^53; the judge must see both. Works on text that `JSON.parse` has already accepted, so it needs no errors, and
 * without recursion, so that no nesting is too deep for it.
 */

/** One member as it stands in the text. `name` is decoded; the raw parts are slices without the space around them. */
export interface RawMember {
  name: string;
  rawName: string;
  raw: string;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The members of the outermost object of `text`, in the order of the text, repeated ones included. */
export function membersOf(text: string): RawMember[] {
  const members: RawMember[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] === '"') {
    const nameEnd = stringEnd(text, at);
    const rawName = text.slice(at, nameEnd);
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    const name = rawName.includes('\\') ? (JSON.parse(rawName) as string) : rawName.slice(1, -1);
    members.push({ name, rawName, raw: text.slice(valueStart, valueEnd) });
    at = skipSpace(text, valueEnd);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return members;
}

/** The elements of the outermost array of `text`, raw. */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] !== ']') {
    const end = endOfValue(text, at);
    elements.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return elements;
}

/** Whether a piece of JSON text holds an escaped UTF-16 surrogate without its other half. */
export function hasLoneSurrogate(raw: string): boolean {
  if (!raw.includes('\\u')) return false;
  // Each match is one whole escape, a surrogate pair counting as one; group 1 is left for the halves.
  for (const [, half] of raw.matchAll(
    /\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u([dD][89a-fA-F])..|u....|.)/g,
  )) {
    if (half !== undefined) return true;
  }
  return false;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= 0x20) at++;
  return at;
}

/** The position after the closing quote of the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let back = end - 1;
    while (text.charCodeAt(back) === BACKSLASH) back--;
    if ((end - back) % 2 === 1) return end + 1;
  }
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first === '{' || first === '[') return endOfNested(text, start);
  let at = start;
  for (let code = text.charCodeAt(at); code > 0x20 && code !== 0x2c && code !== 0x7d && code !== 0x5d; ) {
    code = text.charCodeAt(++at);
  }
  return at;
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (code === 0x7b || code === 0x5b) depth++;
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return at + 1;
  }
}
