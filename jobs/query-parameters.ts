/**
 * Parameters of a query: typed values that its header declares with a default and that settings and `--param` replace.
 * They reach the SQL as columns of a view `parameters` of one row, made of typed literals; no text of theirs ever becomes
 * part of the SQL. Values are kept as text in one normal form, so that equal ones look equal in records.
 */

/** Types of input columns and of parameters; each engine maps them to its own names. */
export const QUERY_TYPES = ['string', 'int32', 'int64', 'number', 'boolean', 'timestamp'] as const;
export type QueryType = (typeof QUERY_TYPES)[number];

/** One parameter with the value in force. `range`: of whole numbers, both ends included. */
export interface QueryParameter {
  name: string;
  type: QueryType;
  range?: readonly [bigint, bigint] | undefined;
  value: string;
}

const WHOLE_RANGES = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;
const TIMESTAMP = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d{1,6})?Z?$/;
const DECLARATION =
  /^([a-z_][a-z0-9_]*) ([a-z0-9]+)(?: (-?\d+)\.\.(-?\d+))? = ('(?:[^']|'')*'|[^',\s]+)\s*(?:,\s*|$)/;

/** What a value must be, for messages. */
function expectation({ type, range }: Pick<QueryParameter, 'type' | 'range'>): string {
  switch (type) {
    case 'string':
      return 'a text';
    case 'int32':
    case 'int64': {
      const [min, max] = range ?? WHOLE_RANGES[type];
      return `a whole number from ${min} to ${max}`;
    }
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    case 'timestamp':
      return 'a UTC time like 2026-11-22T13:00:00';
  }
}

/** The normal form of a value, or undefined if the type does not take it. */
function normalValue(
  { type, range }: Pick<QueryParameter, 'type' | 'range'>,
  text: string,
): string | undefined {
  switch (type) {
    case 'string':
      return text.includes('\0') ? undefined : text;
    case 'int32':
    case 'int64': {
      if (!/^-?\d{1,19}$/.test(text)) return undefined;
      const value = BigInt(text);
      const [min, max] = range ?? WHOLE_RANGES[type];
      return value >= min && value <= max ? String(value) : undefined;
    }
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : undefined;
    case 'boolean':
      return text === 'true' || text === 'false' ? text : undefined;
    case 'timestamp': {
      const [, day, time, fraction = ''] = TIMESTAMP.exec(text) ?? [];
      const ms = Date.parse(`${day}T${time}Z`);
      // A 31st of February is a day of March to Date.
      if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(`${day}T${time}`)) return undefined;
      return `${day} ${time}${fraction}`;
    }
  }
}

/** The same parameter with another value. `fail` is told what is wrong with it. */
export function withValue(
  parameter: QueryParameter,
  text: string,
  fail: (what: string) => never,
): QueryParameter {
  const value = normalValue(parameter, text);
  if (value === undefined)
    return fail(
      `parameter ${parameter.name} is ${JSON.stringify(text)}; it must be ${expectation(parameter)}`,
    );
  return { ...parameter, value };
}

/** Reads `minutes int32 1..60 = 5, found string = 'click'`. */
export function parseParameters(text: string, fail: (what: string) => never): QueryParameter[] {
  const parameters: QueryParameter[] = [];
  for (let rest = text.trim(); rest !== ''; ) {
    const [whole, name, typeName, min, max, literal] = DECLARATION.exec(rest) ?? [];
    const type = QUERY_TYPES.find((known) => known === typeName);
    const bad = () =>
      fail(
        `parameters at "${rest}" are not "name type = value, …" with a type of ${QUERY_TYPES.join(', ')}; ` +
          `texts stand in '…', whole numbers may have a range as in "n int32 1..60 = 5"`,
      );
    if (whole === undefined || name === undefined || literal === undefined || !type) return bad();
    const quoted = literal.startsWith("'");
    const ranged = min !== undefined && max !== undefined;
    if (quoted !== (type === 'string' || type === 'timestamp') || (ranged && !(type in WHOLE_RANGES)))
      return bad();
    if (parameters.some((known) => known.name === name)) return fail(`parameter ${name} is declared twice`);
    const declared = {
      name,
      type,
      range: ranged ? ([BigInt(min), BigInt(max)] as const) : undefined,
      value: '',
    };
    parameters.push(withValue(declared, quoted ? literal.slice(1, -1).replaceAll("''", "'") : literal, fail));
    rest = rest.slice(whole.length);
  }
  return parameters;
}
