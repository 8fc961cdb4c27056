/**
 * The types a column can have, as one table: how a JSON Schema file writes the type, what the readers call it, and what
 * stands in the Parquet file. A new type is a new row here, a check in `value-check.ts`, and a fast lane in `guard.ts` if
 * it is worth one. The names of types made of others are put together in `column.ts`.
 */

/** Who reads the table by types of its own. */
export type Dialect = 'duckdb' | 'spark' | 'hive';

interface ColumnTypeForms {
  /** How a schema file writes it; undefined in formats: no format. */
  json: {
    type: 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array';
    formats: readonly (string | undefined)[];
    /** What else tells the type, for people. */
    besides?: string;
  };
  duckdb: string;
  spark: string;
  /** As every version of Hive reads it; Hive 4 knows times. */
  hive: string;
  /** Physical and logical type in the Parquet file. */
  parquet: string;
  /** How a row carries the value until DuckDB writes it: bytes of text, or a 64-bit word. */
  carried: 'text' | 'word';
}

/**
 * Name of each column type → its forms. An integer without a format is an int64. Timestamps are microseconds, UTC;
 * numbers are IEEE doubles. A UUID is kept as text in lower case, because neither Spark nor Hive reads Parquet's own type.
 */
export const COLUMN_TYPES = {
  string: {
    json: { type: 'string', formats: [undefined] },
    duckdb: 'VARCHAR',
    spark: 'STRING',
    hive: 'STRING',
    parquet: 'BYTE_ARRAY (STRING)',
    carried: 'text',
  },
  timestamp: {
    json: { type: 'string', formats: ['date-time'] },
    duckdb: 'TIMESTAMPTZ',
    spark: 'TIMESTAMP',
    hive: 'BIGINT',
    parquet: 'INT64 (TIMESTAMP MICROS, adjusted to UTC)',
    carried: 'word',
  },
  int32: {
    json: { type: 'integer', formats: ['int32'] },
    duckdb: 'INTEGER',
    spark: 'INT',
    hive: 'INT',
    parquet: 'INT32',
    carried: 'word',
  },
  int64: {
    json: { type: 'integer', formats: ['int64', undefined] },
    duckdb: 'BIGINT',
    spark: 'BIGINT',
    hive: 'BIGINT',
    parquet: 'INT64',
    carried: 'word',
  },
  number: {
    json: { type: 'number', formats: ['double', undefined] },
    duckdb: 'DOUBLE',
    spark: 'DOUBLE',
    hive: 'DOUBLE',
    parquet: 'DOUBLE',
    carried: 'word',
  },
  boolean: {
    json: { type: 'boolean', formats: [undefined] },
    duckdb: 'BOOLEAN',
    spark: 'BOOLEAN',
    hive: 'BOOLEAN',
    parquet: 'BOOLEAN',
    carried: 'word',
  },
  uuid: {
    json: { type: 'string', formats: ['uuid'] },
    duckdb: 'VARCHAR',
    spark: 'STRING',
    hive: 'STRING',
    parquet: 'BYTE_ARRAY (STRING)',
    carried: 'text',
  },
  decimal: {
    json: {
      type: 'number',
      formats: [],
      besides: 'or string, with `"x-decimal": {"precision": P, "scale": S}`',
    },
    duckdb: 'DECIMAL(P,S)',
    spark: 'DECIMAL(P,S)',
    hive: 'DECIMAL(P,S)',
    parquet: 'INT32 to 9 digits, INT64 to 18, else FIXED_LEN_BYTE_ARRAY (DECIMAL)',
    carried: 'text',
  },
  struct: {
    json: { type: 'object', formats: [], besides: 'with `properties`' },
    duckdb: 'STRUCT("name" T, …)',
    spark: 'STRUCT<name: T, …>',
    hive: 'STRUCT<name: T, …>',
    parquet: 'group',
    carried: 'text',
  },
  list: {
    json: { type: 'array', formats: [], besides: 'with `items`' },
    duckdb: 'T[]',
    spark: 'ARRAY<T>',
    hive: 'ARRAY<T>',
    parquet: 'group (LIST), three levels: `list`, `element`',
    carried: 'text',
  },
  map: {
    json: { type: 'object', formats: [], besides: 'with a schema as `additionalProperties`' },
    duckdb: 'MAP(VARCHAR, T)',
    spark: 'MAP<STRING, T>',
    hive: 'MAP<STRING, T>',
    parquet: 'group (MAP), three levels: `key_value`, `key` and `value`',
    carried: 'text',
  },
} as const satisfies Record<string, ColumnTypeForms>;

/** Name of a column type. */
export type ColumnType = keyof typeof COLUMN_TYPES;

/** The types that need no more than their name. */
export type PlainType = Exclude<ColumnType, 'decimal' | 'struct' | 'list' | 'map'>;

/** The plain type that JSON Schema's `type` and `format` stand for, or undefined if there is none. */
export function plainTypeOf(type: string, format: string | undefined): PlainType | undefined {
  for (const [name, { json }] of Object.entries<ColumnTypeForms>(COLUMN_TYPES)) {
    if (json.type === type && json.formats.includes(format)) return name as PlainType;
  }
  return undefined;
}
