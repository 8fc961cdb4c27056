/**
 * Three readers of Parquet that have nothing to do with each other: DuckDB, hyparquet and parquetjs-lite. Each reads a
 * whole file into rows of the same form, so that they can be compared with what was sent.
 */
import {
  DuckDBBlobValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import parquetjs from 'parquetjs-lite';
import { openDuckDb } from './event-files.ts';

/**
 * A value in neutral form: whole numbers of 64 bits as bigint, bytes as `0x…`, times as `…µs`, decimals as their digits,
 * lists as arrays, structs as objects, maps as arrays of `{key, value}`. Null stays null.
 */
export type Neutral = null | string | number | boolean | bigint | Neutral[] | { [name: string]: Neutral };
export type NeutralRow = Record<string, Neutral>;

/** Every row of a file, and its columns as the reader names their types. */
interface ReadFile {
  rows: NeutralRow[];
  types: Record<string, string>;
}

/** The codec of each column of a file, by its footer. */
export async function codecsOf(path: string): Promise<Set<string>> {
  const { row_groups } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  return new Set(row_groups.flatMap(({ columns }) => columns.map(({ meta_data }) => meta_data?.codec ?? '')));
}

export const neutralBytes = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`;
export const neutralTime = (us: bigint) => `${us}µs`;
const US_PER_MS = 1_000n;

/** By DuckDB, of which the loader's own writer is a part. */
export async function readByDuckDb(path: string): Promise<ReadFile> {
  const connection = await openDuckDb();
  try {
    const from = `read_parquet('${path}', hive_partitioning = false)`;
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${from}`);
    const reader = await connection.runAndReadAll(`SELECT * FROM ${from} ORDER BY _offset`);
    return {
      rows: reader.getRowObjects().map((row) => mapValues(row, fromDuckDb)),
      types: Object.fromEntries(
        described.getRowObjects().map((row) => [String(row['column_name']), String(row['column_type'])]),
      ),
    };
  } finally {
    connection.closeSync();
  }
}

function fromDuckDb(value: DuckDBValue): Neutral {
  if (value instanceof DuckDBTimestampTZValue) return neutralTime(value.micros);
  if (value instanceof DuckDBBlobValue) return neutralBytes(value.bytes);
  if (value instanceof DuckDBListValue) return value.items.map(fromDuckDb);
  if (value instanceof DuckDBDecimalValue) return value.toString();
  if (value instanceof DuckDBMapValue)
    return value.entries.map((entry) => ({ key: fromDuckDb(entry.key), value: fromDuckDb(entry.value) }));
  if (value instanceof DuckDBStructValue) return mapValues(value.entries, fromDuckDb);
  return value as Neutral;
}

/** By hyparquet, pure JavaScript. */
export async function readByHyparquet(path: string): Promise<ReadFile> {
  const file = await asyncBufferFromFile(path);
  const { children } = parquetSchema(await parquetMetadataAsync(file));
  const parsers = { timestampFromMicroseconds: neutralTime };
  const rows = await parquetReadObjects({ file, compressors, utf8: false, parsers });
  return {
    rows: rows.map((row) => mapValues(row, fromPlain)),
    types: Object.fromEntries(
      children.map(({ element: { name, type, converted_type, logical_type } }) => {
        const isUtc = logical_type?.type === 'TIMESTAMP' && logical_type.isAdjustedToUTC;
        return [name, [type ?? 'group', converted_type, isUtc && 'UTC'].filter(Boolean).join(' ')];
      }),
    ),
  };
}

/** By parquetjs-lite, whose times are of milliseconds. Snappy only. */
export async function readByParquetjs(path: string): Promise<ReadFile> {
  const reader = await parquetjs.ParquetReader.openFile(path);
  try {
    const fields = Object.entries(reader.schema.fields);
    const cursor = reader.getCursor();
    const rows: NeutralRow[] = [];
    for (let row = await cursor.next(); row !== null; row = await cursor.next()) {
      const found = row;
      rows.push(Object.fromEntries(fields.map(([name]) => [name, fromPlain(found[name])])));
    }
    return {
      rows,
      types: Object.fromEntries(
        fields.map(([name, { primitiveType, originalType }]) => [
          name,
          [primitiveType ?? 'group', originalType].filter(Boolean).join(' '),
        ]),
      ),
    };
  } finally {
    await reader.close();
  }
}

function fromPlain(value: unknown): Neutral {
  if (value === undefined || value === null) return null;
  if (value instanceof Date) return neutralTime(BigInt(value.getTime()) * US_PER_MS);
  if (value instanceof Uint8Array) return neutralBytes(value);
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value !== 'object') return value as Neutral;
  const { list } = value as { list?: { element: unknown }[] };
  return list === undefined
    ? mapValues(value as Record<string, unknown>, fromPlain)
    : list.map(({ element }) => fromPlain(element));
}

function mapValues<T>(row: Readonly<Record<string, T>>, map: (value: T) => Neutral): NeutralRow {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, map(value)]));
}
