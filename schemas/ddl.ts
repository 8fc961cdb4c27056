/**
 * The statements by which Hive, Spark and DuckDB know a topic's files as a table: the record's own columns, those of the
 * schema, and the two of the path. Every version of a schema has its own statements; old files read as null in columns
 * that they don't have.
 */
import { type Column, quotedName, typeName, type ValueType } from './column.ts';
import { COLUMN_TYPES, type Dialect } from './column-types.ts';

/** What the statements are about. */
export interface TableOf {
  /** Name of the table to create. */
  table: string;
  /** The topic's directory as the reader reaches it, without a slash at the end. */
  location: string;
  /** Columns of the schema; undefined: a raw table. */
  columns: readonly Column[] | undefined;
  /** Hive from 4.0 on reads times as TIMESTAMP, older ones only as BIGINT. */
  hiveTimestamps: boolean;
}

/** A statement for the table, and those by which its hours become known. */
export interface Ddl {
  create: string;
  register: string[];
}

/** The record's own columns; `{time}` is the name of times.  */
const RECORD_COLUMNS: Record<Dialect, readonly (readonly [name: string, type: string])[]> = {
  duckdb: [
    ['_partition', 'INTEGER'],
    ['_offset', 'BIGINT'],
    ['_timestamp', '{time}'],
    ['_key', 'BLOB'],
    ['_headers', 'STRUCT("key" VARCHAR, "value" BLOB)[]'],
    ['_extra', 'VARCHAR'],
  ],
  spark: hadoopColumns('spark'),
  hive: hadoopColumns('hive'),
};

function hadoopColumns(dialect: 'spark' | 'hive') {
  return [
    ['_partition', COLUMN_TYPES.int32[dialect]],
    ['_offset', COLUMN_TYPES.int64[dialect]],
    ['_timestamp', '{time}'],
    ['_key', 'BINARY'],
    ['_headers', 'ARRAY<STRUCT<`key`: STRING, `value`: BINARY>>'],
    ['_extra', COLUMN_TYPES.string[dialect]],
  ] as const;
}

const RAW_TYPE: Record<Dialect, string> = { duckdb: 'BLOB', spark: 'BINARY', hive: 'BINARY' };
const PATH_COLUMNS = ['dt', 'hour'];

/** The statements of one reader. */
export function ddlOf(dialect: Dialect, of: TableOf): Ddl {
  if (dialect === 'duckdb') return duckDb(of);
  const table = tableName(of.table, dialect);
  const declared = columnsOf(dialect, of).map(([name, type]) => `${quotedName(name, dialect)} ${type}`);
  const location = `LOCATION ${sqlText(of.location)}`;
  if (dialect === 'hive') {
    const partitions = PATH_COLUMNS.map((name) => `${quotedName(name, dialect)} STRING`).join(', ');
    return {
      create: `CREATE EXTERNAL TABLE ${table} (\n  ${declared.join(',\n  ')})\nPARTITIONED BY (${partitions})\nSTORED AS PARQUET\n${location}`,
      register: [`MSCK REPAIR TABLE ${table}`],
    };
  }
  for (const name of PATH_COLUMNS) declared.push(`${quotedName(name, dialect)} STRING`);
  const partitions = PATH_COLUMNS.map((name) => quotedName(name, dialect)).join(', ');
  return {
    create: `CREATE TABLE ${table} (\n  ${declared.join(',\n  ')})\nUSING PARQUET\nPARTITIONED BY (${partitions})\n${location}`,
    register: [`ALTER TABLE ${table} RECOVER PARTITIONS`],
  };
}

/** The most digits of a decimal that the file keeps as a number, not as bytes. */
const NUMBER_DIGITS = 18;

/** Where columns have decimals that the SerDe of Hive 2.3 can't read: it knows them as bytes only. */
export function shortDecimals(columns: readonly Column[], path = ''): string[] {
  return columns.flatMap((column) => inValue(column, path + column.name));
}

function inValue(value: ValueType, place: string): string[] {
  if (value.type === 'decimal') return value.precision <= NUMBER_DIGITS ? [place] : [];
  if (value.type === 'struct') return shortDecimals(value.fields, `${place}.`);
  if (value.type === 'list') return inValue(value.items, `${place}[]`);
  return value.type === 'map' ? inValue(value.values, `${place}{}`) : [];
}

/** The statement by which Hive and Spark learn of one hour, `2026-11-22T13`. */
export function addHour(dialect: 'spark' | 'hive', table: string, hour: string): string {
  const [dt, ofDay] = hour.split('T');
  return `ALTER TABLE ${tableName(table, dialect)} ADD IF NOT EXISTS PARTITION (\`dt\` = '${dt}', \`hour\` = '${ofDay}')`;
}

/** A view: DuckDB looks for the files anew with each query, so there is nothing to register. */
function duckDb(of: TableOf): Ddl {
  const columns = [
    ...columnsOf('duckdb', of),
    ...PATH_COLUMNS.map((name) => [name, COLUMN_TYPES.string.duckdb] as const),
  ].map(([name, type]) => `CAST(NULL AS ${type}) AS ${quotedName(name, 'duckdb')}`);
  const files = `${of.location}/dt=*/hour=*/*.parquet`;
  // The empty first half gives every column, those too that no file has yet.
  return {
    create: `CREATE OR REPLACE VIEW ${tableName(of.table, 'duckdb')} AS\nSELECT\n  ${columns.join(',\n  ')}\nWHERE false\nUNION ALL BY NAME\nFROM read_parquet(${sqlText(files)},\n  union_by_name = true, hive_partitioning = true, hive_types_autocast = false)`,
    register: [],
  };
}

function columnsOf(dialect: Dialect, { columns, hiveTimestamps }: TableOf): (readonly [string, string])[] {
  const time = dialect === 'hive' && hiveTimestamps ? 'TIMESTAMP' : COLUMN_TYPES.timestamp[dialect];
  const own = columns?.map((column) => [column.name, typeName(column, dialect, time)] as const);
  return [
    ...RECORD_COLUMNS[dialect].map(([name, type]) => [name, type.replace('{time}', time)] as const),
    ...(own ?? [['_value', RAW_TYPE[dialect]] as const]),
  ];
}

/** `db.table` is two names. */
function tableName(table: string, dialect: Dialect): string {
  return table
    .split('.')
    .map((part) => quotedName(part, dialect))
    .join('.');
}

const sqlText = (text: string) => `'${text.replaceAll("'", "''")}'`;
