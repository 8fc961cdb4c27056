/**
 * A schema as DuckDB's `from_json` wants it. The program fills DuckDB's columns itself; the tests read the same messages
 * by `from_json` and compare.
 */
import { COLUMN_TYPES } from '../../schemas/column-types.ts';
import type { EventSchema } from '../../schemas/event-schema.ts';

/** The second argument of `from_json`: column names → DuckDB types, as JSON, in column order. */
export function duckdbStructure({ columns }: Pick<EventSchema, 'columns'>): string {
  return JSON.stringify(
    Object.fromEntries(columns.map(({ name, type }) => [name, COLUMN_TYPES[type].duckdb])),
  );
}
