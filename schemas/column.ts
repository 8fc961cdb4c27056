/**
 * A column of a schema and the values inside one: plain data, so that it can cross to a worker thread. A nested value is
 * described by the same words as a column, without a name.
 */
import { COLUMN_TYPES, type Dialect, type PlainType } from './column-types.ts';

/** What a value is. `inText`: the decimal stands in a JSON string. */
export type ValueType =
  | { type: PlainType }
  | { type: 'decimal'; precision: number; scale: number; inText: boolean }
  | { type: 'struct'; fields: readonly Column[] }
  | { type: 'list'; items: Item }
  | { type: 'map'; values: Item };

/** `required`: a column or field that is absent or null is a fault; in a list or a map, null is. */
export type Item = ValueType & { required: boolean };

/** One column, or a field of a struct. */
export type Column = Item & { name: string };

const QUOTES: Record<Dialect, string> = { duckdb: '"', spark: '`', hive: '`' };

/** A column's name, safe beside reserved words. */
export function quotedName(name: string, dialect: Dialect): string {
  const quote = QUOTES[dialect];
  return `${quote}${name.replaceAll(quote, quote + quote)}${quote}`;
}

/** The type's full name as a reader writes it; `timestamp` stands in for the name of times. */
export function typeName(
  value: ValueType,
  dialect: Dialect,
  timestamp: string = COLUMN_TYPES.timestamp[dialect],
): string {
  const nested = (inner: ValueType) => typeName(inner, dialect, timestamp);
  const isDuckDb = dialect === 'duckdb';
  switch (value.type) {
    case 'timestamp':
      return timestamp;
    case 'decimal':
      return `DECIMAL(${value.precision},${value.scale})`;
    case 'struct': {
      const between = isDuckDb ? ' ' : ': ';
      const fields = value.fields.map((field) => quotedName(field.name, dialect) + between + nested(field));
      return isDuckDb ? `STRUCT(${fields.join(', ')})` : `STRUCT<${fields.join(', ')}>`;
    }
    case 'list':
      return isDuckDb ? `${nested(value.items)}[]` : `ARRAY<${nested(value.items)}>`;
    case 'map':
      return isDuckDb ? `MAP(VARCHAR, ${nested(value.values)})` : `MAP<STRING, ${nested(value.values)}>`;
    default:
      return COLUMN_TYPES[value.type][dialect];
  }
}

/** Whether the value is made of others. */
export function isNested({ type }: Pick<ValueType, 'type'>): boolean {
  return type === 'struct' || type === 'list' || type === 'map';
}
