/**
 * The types a column can have, as one table: how a JSON Schema file writes the type, what DuckDB calls it,
 * and what stands in the Parquet file. Nested objects and arrays are not among them yet; a new type is a new row here, a
 * case in `guard.ts` and one in `judge.ts`.
 */

interface ColumnTypeForms {
  /** JSON Schema `type` and the `format`s that mean this type; undefined: no format. */
  json: { type: 'string' | 'integer' | 'number' | 'boolean'; formats: readonly (string | undefined)[] };
  /** The type's name in DuckDB. */
  duckdb: string;
  /** Physical and logical type in the Parquet file. */
  parquet: string;
}

/**
 * Name of each column type → its forms. An integer without a format is an int64. Timestamps are microseconds, UTC;
 * numbers are IEEE doubles.
 */
export const COLUMN_TYPES = {
  string: {
    json: { type: 'string', formats: [undefined] },
    duckdb: 'VARCHAR',
    parquet: 'BYTE_ARRAY (STRING)',
  },
  timestamp: {
    json: { type: 'string', formats: ['date-time'] },
    duckdb: 'TIMESTAMPTZ',
    parquet: 'INT64 (TIMESTAMP MICROS, adjusted to UTC)',
  },
  int32: { json: { type: 'integer', formats: ['int32'] }, duckdb: 'INTEGER', parquet: 'INT32' },
  int64: { json: { type: 'integer', formats: ['int64', undefined] }, duckdb: 'BIGINT', parquet: 'INT64' },
  number: { json: { type: 'number', formats: ['double', undefined] }, duckdb: 'DOUBLE', parquet: 'DOUBLE' },
  boolean: { json: { type: 'boolean', formats: [undefined] }, duckdb: 'BOOLEAN', parquet: 'BOOLEAN' },
} as const satisfies Record<string, ColumnTypeForms>;

/** Name of a column type. */
export type ColumnType = keyof typeof COLUMN_TYPES;

/** The column type that JSON Schema's `type` and `format` stand for, or undefined if there is none. */
export function columnTypeOf(type: string, format: string | undefined): ColumnType | undefined {
  for (const [name, { json }] of Object.entries<ColumnTypeForms>(COLUMN_TYPES)) {
    if (json.type === type && json.formats.includes(format)) return name as ColumnType;
  }
  return undefined;
}
