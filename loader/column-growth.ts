/**
 * Whether a column of two files is one column whose type only grew: structs get fields at their end, at any depth, and
 * nothing else changes. Types are read as DuckDB writes them.
 */

/** Whether `later` is `earlier`, or that with more fields at the end of its structs. */
export function isGrownFrom(earlier: string, later: string): boolean {
  if (earlier === later) return true;
  if (earlier.endsWith('[]') && later.endsWith('[]'))
    return isGrownFrom(earlier.slice(0, -2), later.slice(0, -2));
  const [before, after] = [partsOf(earlier), partsOf(later)];
  if (before === undefined || after === undefined || before.made !== after.made) return false;
  if (before.made === 'MAP' && before.parts.length !== after.parts.length) return false;
  return before.parts.every((part, i) => isPartGrownFrom(before.made, part, after.parts[i]));
}

function isPartGrownFrom(made: string, earlier: string, later: string | undefined): boolean {
  if (later === undefined) return false;
  if (made === 'MAP') return isGrownFrom(earlier, later);
  const [before, after] = [fieldOf(earlier), fieldOf(later)];
  return before.name === after.name && isGrownFrom(before.type, after.type);
}

/** `STRUCT(a INTEGER, b MAP(VARCHAR, DOUBLE))` → its parts; undefined: not made of others. */
function partsOf(type: string): { made: string; parts: string[] } | undefined {
  const made = /^(STRUCT|MAP)\(/.exec(type)?.[1];
  if (made === undefined || !type.endsWith(')')) return undefined;
  const parts: string[] = [];
  let [depth, from] = [0, made.length + 1];
  for (let at = from; at < type.length; at++) {
    const c = type[at];
    if (c === '"') at = type.indexOf('"', at + 1);
    else if (c === '(') depth++;
    else if ((c === ',' && depth === 0) || (c === ')' && depth-- === 0)) {
      parts.push(type.slice(from, at).trim());
      from = at + 1;
    }
  }
  return { made, parts };
}

/** Names of our columns have neither quotes nor spaces in them; DuckDB quotes those that are words of SQL. */
function fieldOf(part: string): { name: string; type: string } {
  const at = part.indexOf(' ');
  return { name: part.slice(0, at).replaceAll('"', ''), type: part.slice(at + 1) };
}
