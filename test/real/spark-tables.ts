/**
 * A topic's table as Spark's users see it: by Spark's own Parquet reader over the directory, or as an external table of
 * Hive, registered hour by hour and read by Hive's own Parquet SerDe. Hive's types are declared, not found, and the
 * SerDe of Hive 2.3 knows no time in an INT64: there times are declared BIGINT and are microseconds.
 */
import type { NeutralRow } from '../support/parquet-readers.ts';
import type { SparkRow, startSpark } from './bed/spark.ts';

export type Spark = Awaited<ReturnType<typeof startSpark>>;
export type Kind = 'int32' | 'int64' | 'string' | 'bytes' | 'time' | 'number' | 'boolean' | 'headers';
export type Columns = Readonly<Record<string, Kind>>;

/** Spark's name of each kind of column. */
const SPARK_TYPES: Record<Kind, string> = {
  int32: 'int',
  int64: 'bigint',
  string: 'string',
  bytes: 'binary',
  time: 'timestamp',
  number: 'double',
  boolean: 'boolean',
  headers: 'array<struct<key:string,value:binary>>',
};
const hiveType = (kind: Kind) => (kind === 'time' ? 'bigint' : SPARK_TYPES[kind]);

/** What `DESCRIBE` has to say of a topic's columns and of the two that are in the path only. */
export const describedColumns = (columns: Columns): string[] => [
  ...Object.entries(columns).map(([name, kind]) => `${name} ${SPARK_TYPES[kind]}`),
  'dt string',
  'hour string',
];

export async function describe(spark: Spark, table: string): Promise<string[]> {
  const rows = await spark.sql(`DESCRIBE ${table}`);
  const partitions = rows.findIndex(({ col_name }) => String(col_name).startsWith('#'));
  return rows
    .slice(0, partitions < 0 ? undefined : partitions)
    .map(({ col_name, data_type }) => `${col_name} ${data_type}`);
}

/** Creates an external table of Hive over a topic's directory; its hours are still to be registered. */
export async function createHiveTable(
  spark: Spark,
  name: string,
  location: string,
  columns: Columns,
  typeOf: (kind: Kind) => string = hiveType,
): Promise<void> {
  const declared = Object.entries(columns).map(([column, kind]) => `${column} ${typeOf(kind)}`);
  await spark.sql(`CREATE EXTERNAL TABLE ${name} (${declared.join(', ')})
    PARTITIONED BY (dt string, hour string) STORED AS PARQUET LOCATION '${location}'`);
}

/** The types that a Hive that knows such times would be told. */
export const withTimestamps = (kind: Kind): string => SPARK_TYPES[kind];

/** Whether tables of Hive are read by Hive's SerDe or by Spark's own reader. */
export async function readByHive(spark: Spark, byHive: boolean): Promise<void> {
  await spark.sql(`SET spark.sql.hive.convertMetastoreParquet=${!byHive}`);
}

/** The SQL of a column in a form that JSON carries without loss. */
function expressionOf(column: string, kind: Kind, timeIsNumber: boolean): string {
  switch (kind) {
    case 'time':
      return `concat(CAST(${timeIsNumber ? column : `unix_micros(${column})`} AS STRING), 'µs')`;
    case 'bytes':
      return `concat('0x', lower(hex(${column})))`;
    case 'headers':
      return `transform(${column}, h -> named_struct('key', h.key, 'value', concat('0x', lower(hex(h.value)))))`;
    case 'int64':
    case 'number':
      return `CAST(${column} AS STRING)`;
    default:
      return column;
  }
}

function neutralValue(kind: Kind, value: unknown): NeutralRow[string] {
  if (value === null) return null;
  if (kind === 'int64') return BigInt(value as string);
  if (kind === 'number') return Number(value);
  return value as NeutralRow[string];
}

/** Every row of a table in order of the offsets, in neutral form. `timeIsNumber`: times are declared BIGINT. */
export async function neutralRows(
  spark: Spark,
  table: string,
  columns: Columns,
  { timeIsNumber = false } = {},
): Promise<NeutralRow[]> {
  const selected = Object.entries(columns).map(
    ([name, kind]) => `${expressionOf(name, kind, timeIsNumber)} AS ${name}`,
  );
  const rows = await spark.sql(`SELECT ${selected.join(', ')} FROM ${table} AS t ORDER BY t._offset`);
  return rows.map((row: SparkRow) =>
    Object.fromEntries(Object.entries(columns).map(([name, kind]) => [name, neutralValue(kind, row[name])])),
  );
}
