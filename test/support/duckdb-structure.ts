/**
 * A schema as DuckDB's `from_json` wants it. The program fills DuckDB's flat columns itself; the tests read the same
 * messages by `from_json` and compare.
 */
import { typeName } from '../../schemas/column.ts';
import type { EventSchema } from '../../schemas/event-schema.ts';

/** The second argument of `from_json`: column names → DuckDB types, as JSON, in column order. */
export function duckdbStructure({ columns }: Pick<EventSchema, 'columns'>): string {
  return JSON.stringify(
    Object.fromEntries(columns.map((column) => [column.name, typeName(column, 'duckdb')])),
  );
}
