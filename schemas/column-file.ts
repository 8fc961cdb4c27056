/**
 * Reads the columns out of a schema file's `properties`, nested ones too. A keyword that isn't understood is refused: to
 * ignore it would accept rows that the schema's author refused.
 */
import type { Column, Item, ValueType } from './column.ts';
import { COLUMN_TYPES, plainTypeOf } from './column-types.ts';

/** Throws what is wrong, with the file's name before it. */
export type Fail = (what: string) => never;

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A schema wider than this is refused, nested fields counted too: a guard against files that are no schemas. */
const MAX_COLUMNS = 1_000;
/** Levels of nesting below a column. */
const MAX_DEPTH = 12;
/** The most digits of a decimal that every reader knows. */
const MAX_PRECISION = 38;
/** What a column may be called. */
export const COLUMN_NAME = /^[a-zA-Z][a-zA-Z0-9_]{0,127}$/;
/** The columns of the table's path; a column of that name would hide or be hidden by them. */
export const PATH_COLUMNS = ['dt', 'hour'];
const TYPE_KEYS = ['type', 'title', 'description', '$comment', 'examples'];
const DECIMAL = 'x-decimal';

/** The columns of a schema's root. */
export function columnsOf(root: JsonObject, fail: Fail): Column[] {
  return new PropertiesReader(fail).read(root, []);
}

class PropertiesReader {
  readonly #fail: Fail;
  #count = 0;

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  /** The fields of an object's schema; `path` leads to it, empty at the root. */
  read({ properties, required }: JsonObject, path: readonly string[]): Column[] {
    const fail = this.#fail;
    if (!isObject(properties)) return fail('"properties" must be an object with one entry per column');
    const names = Object.keys(properties);
    this.#count += names.length;
    if (names.length === 0 || this.#count > MAX_COLUMNS) fail(`must have 1 to ${MAX_COLUMNS} columns`);
    this.#checkNames(names, path);
    const requiredNames = this.#requiredNames(required);
    for (const name of requiredNames)
      if (!names.includes(name)) fail(`"required" names "${name}", which is not among the properties`);
    return names.map((name) => {
      const isRequired = requiredNames.has(name);
      const { nullable, ...value } = this.#value(properties[name], [...path, name]);
      if (isRequired && nullable)
        fail(
          `column "${[...path, name].join('.')}" is required and may be null: null counts as missing; drop one of the two`,
        );
      return { name, ...value, required: isRequired };
    });
  }

  #checkNames(names: readonly string[], path: readonly string[]): void {
    const folded = new Map<string, string>();
    for (const name of names) {
      if (!COLUMN_NAME.test(name))
        this.#fail(
          `column "${[...path, name].join('.')}" must be letters, digits and _, beginning with a letter`,
        );
      if (path.length === 0 && PATH_COLUMNS.includes(name.toLowerCase()))
        this.#fail(`column "${name}" is the name of a directory level; rename it`);
      const twin = folded.get(name.toLowerCase());
      if (twin !== undefined)
        this.#fail(`columns "${twin}" and "${name}" differ only in case, which SQL ignores`);
      folded.set(name.toLowerCase(), name);
    }
  }

  #requiredNames(value: unknown): Set<string> {
    if (value === undefined) return new Set();
    if (!Array.isArray(value) || value.some((name) => typeof name !== 'string'))
      return this.#fail('"required" must be a list of column names');
    return new Set(value as string[]);
  }

  #value(property: unknown, path: readonly string[]): ValueType & { nullable: boolean } {
    const column = path.join('.');
    const fail: Fail = (what) => this.#fail(`column "${column}"${what}`);
    if (!isObject(property)) return fail(' must be an object with a "type"');
    if (path.length > MAX_DEPTH) fail(` is nested more than ${MAX_DEPTH} levels deep`);
    const types: unknown[] = Array.isArray(property['type']) ? property['type'] : [property['type']];
    const [type, ...others] = types.filter((one) => one !== 'null');
    if (others.length > 0 || typeof type !== 'string')
      return fail(' must have one type, or one type and "null"');
    return { ...this.#typed(property, type, path, fail), nullable: types.length > 1 };
  }

  #typed(property: JsonObject, type: string, path: readonly string[], fail: Fail): ValueType {
    if (type === 'object') return this.#object(property, path, fail);
    if (type === 'array') {
      checkKeys(property, ['items'], fail);
      return { type: 'list', items: this.#item(property['items'], path, '[]') };
    }
    if (DECIMAL in property && (type === 'number' || type === 'string'))
      return decimalOf(property, type, fail);
    checkKeys(property, ['format'], fail);
    const format = property['format'];
    if (format !== undefined && typeof format !== 'string') fail(': "format" must be a string');
    const plain = plainTypeOf(type, format as string | undefined);
    if (plain !== undefined) return { type: plain };
    const withFormat = format === undefined ? '' : ` with format "${format}"`;
    return fail(`: type "${type}"${withFormat} is not supported; use one of ${supportedTypes()}`);
  }

  /** A struct has `properties`, a map a schema as `additionalProperties`. */
  #object(property: JsonObject, path: readonly string[], fail: Fail): ValueType {
    checkKeys(property, ['properties', 'required', 'additionalProperties'], fail);
    const { properties, additionalProperties: more } = property;
    if (isObject(more)) {
      if (properties !== undefined || property['required'] !== undefined)
        fail(': either "properties" or a schema as "additionalProperties", not both: a struct or a map');
      return { type: 'map', values: this.#item(more, path, '{}') };
    }
    if (more !== undefined && more !== true)
      fail(
        ': "additionalProperties" must be absent, true or a schema: what the schema does not know is kept in _extra',
      );
    if (properties === undefined)
      fail(
        ' is an object of unknown members; give it "properties" (a struct) or a schema as "additionalProperties"' +
          ' (a map), or leave it out and its values are kept in _extra',
      );
    return { type: 'struct', fields: this.read(property, path) };
  }

  #item(property: unknown, path: readonly string[], mark: string): Item {
    const inner = [...path.slice(0, -1), `${path.at(-1)}${mark}`];
    this.#count++;
    const { nullable, ...value } = this.#value(property, inner);
    return { ...value, required: !nullable };
  }
}

function decimalOf(property: JsonObject, type: string, fail: Fail): ValueType {
  checkKeys(property, [DECIMAL], fail);
  const decimal = property[DECIMAL];
  const { precision, scale } = isObject(decimal) ? decimal : {};
  const isDecimal =
    Number.isInteger(precision) &&
    Number.isInteger(scale) &&
    (precision as number) >= 1 &&
    (precision as number) <= MAX_PRECISION &&
    (scale as number) >= 0 &&
    (scale as number) <= (precision as number);
  if (!isDecimal)
    fail(`: "${DECIMAL}" must be {"precision": 1 to ${MAX_PRECISION}, "scale": 0 to the precision}`);
  return {
    type: 'decimal',
    precision: precision as number,
    scale: scale as number,
    inText: type === 'string',
  };
}

function checkKeys(property: JsonObject, own: readonly string[], fail: Fail): void {
  for (const key of Object.keys(property))
    if (!TYPE_KEYS.includes(key) && !own.includes(key))
      fail(`: the keyword "${key}" is not supported; remove it`);
}

function supportedTypes(): string {
  return Object.values(COLUMN_TYPES)
    .map(({ json: { type, formats } }) => (formats[0] === undefined ? type : `${type}/${formats[0]}`))
    .filter((name, i, all) => all.indexOf(name) === i)
    .join(', ');
}
