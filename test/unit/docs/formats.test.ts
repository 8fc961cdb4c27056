import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import * as brokerFiles from '../../../broker/log/file-names.ts';
import { RowDigest } from '../../../loader/row-digest.ts';
import { COLUMN_TYPES } from '../../../schemas/column-types.ts';
import { findSchema, schemaNames } from '../../../schemas/event-schema.ts';
import { REASONS } from '../../../schemas/reasons.ts';
import { documentPath, markdownTable, readDocument, withTable } from '../../support/doc-table.ts';
import { TempDir } from '../../support/temp-dir.ts';

const NAME = 'docs/formats.md';
const text = readDocument(NAME);

/** Sources whose `strictObject` schemas are the formats of records. */
const RECORD_SOURCES = [
  'loader/commit.ts',
  'loader/run-history.ts',
  'loader/hour-marker.ts',
  'jobs/aggregate-record.ts',
  'jobs/runner-lease.ts',
  'jobs/tick-record.ts',
];

/** The bodies of all `strictObject({…})` of a text, each with the ones inside it. */
function* recordBodies(code: string): Generator<string> {
  for (const { index } of code.matchAll(/z\.strictObject\(/g)) {
    let [depth, at] = [0, index];
    do {
      if (code[at] === '(') depth++;
      else if (code[at] === ')') depth--;
      at++;
    } while (at < code.length && (depth > 0 || code[at - 1] !== ')'));
    yield code.slice(index, at);
  }
}

/** The names of all members in a source's record schemas. */
function membersIn(source: string): string[] {
  const code = readFileSync(join(import.meta.dirname, '../../..', source), 'utf8').replaceAll(
    /\/\*\*.*?\*\//gs,
    '',
  );
  const names = [...recordBodies(code)].flatMap((body) => [
    ...body.matchAll(/[{,]\s*(\w+)(?=\s*(?::|,|\}))/g),
  ]);
  return [...new Set(names.map((match) => match[1]!))];
}

describe('docs/formats.md', () => {
  it('has the tables of column types, built-in schemas and reasons as the code has them', async () => {
    const types = Object.entries(COLUMN_TYPES).map(([name, { json, parquet, duckdb, spark, hive }]) => [
      `\`${name}\``,
      'besides' in json
        ? `${json.type} ${json.besides}`
        : json.formats.map((format) => `${json.type}${format ? `, format ${format}` : ''}`).join(' or '),
      parquet,
      ...[duckdb, spark, hive].map((type) => `\`${type}\``),
    ]);
    const schemas = await Promise.all(
      (await schemaNames('')).map((name) => findSchema(name, { topics: {}, schemas: { dir: '' } })),
    );
    const columns = schemas.map((schema) => [
      `\`${schema?.name}\``,
      (schema?.columns ?? [])
        .map(({ name, type, required }) => `\`${name}\` ${type}${required ? ' **required**' : ''}`)
        .join(' · '),
    ]);
    const reasons = Object.entries(REASONS).map(([reason, meaning]) => [`\`${reason}\``, meaning]);
    let wanted = withTable(
      text,
      'column-types',
      markdownTable(['type', 'JSON Schema', 'Parquet', 'DuckDB', 'Spark', 'Hive'], types),
    );
    wanted = withTable(wanted, 'schemas', markdownTable(['schema', 'columns'], columns));
    wanted = withTable(wanted, 'reasons', markdownTable(['reason', 'meaning'], reasons));
    await expect(wanted).toMatchFileSnapshot(documentPath(NAME));
  });

  for (const source of RECORD_SOURCES)
    it(`names every member of the records in ${source}`, () => {
      const members = membersIn(source);
      expect(members.length).toBeGreaterThan(5);
      expect(members.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
    });

  it('names every file of the broker data directory', () => {
    const names = Object.values(brokerFiles).filter((value) => typeof value === 'string');
    expect(names.length).toBeGreaterThan(8);
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
  });

  it('gives the row digest as SQL that DuckDB computes to the same digits', async () => {
    const sql = /```sql\n(.*?)```/s.exec(text)?.[1] ?? '';
    const offsets = [
      0,
      1,
      2 ** 31,
      2 ** 32 + 7,
      2 ** 53 - 1,
      ...Array.from({ length: 3_000 }, (_, i) => 977 * i),
    ];
    const digest = new RowDigest(41);
    for (const offset of offsets) digest.add(offset);
    using directory = new TempDir('formats');
    const file = directory.join('rows.parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT 41::INTEGER AS _partition, unnest([${offsets.join()}])::BIGINT AS _offset) TO '${file}' (FORMAT parquet)`,
    );
    const reader = await connection.runAndReadAll(sql.replace('FILE', file));
    connection.closeSync();
    instance.closeSync();
    expect(reader.getRows()).toEqual([[digest.toString()]]);
  });
});
