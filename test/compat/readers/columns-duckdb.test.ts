/**
 * The loader fills DuckDB's vectors itself, strings by DuckDB's own memory layout. Here real DuckDB reads the same
 * messages by `from_json`, and every value of every column has to be the same: an upgrade that changed the layout, or a
 * slip in the filling, shows at once.
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { generateActivity } from '../../../jobs/activity-in/activity-generator.ts';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { type EventSchema, findSchema } from '../../../schemas/event-schema.ts';
import { compileJudge } from '../../../schemas/judge.ts';
import { duckdbStructure } from '../../support/duckdb-structure.ts';
import {
  EXTRAS,
  type Members,
  PROBE_BOUNDS,
  PROBE_SCHEMA,
  rowText,
  validMembers,
} from '../../support/event-rows.ts';
import { TempDir } from '../../support/temp-dir.ts';
import { writtenFile } from '../../support/written-file.ts';

/** How many rows of the file differ from what `from_json` makes of the messages, and how many there are. */
async function compare(path: string, schema: EventSchema, values: readonly Buffer[]): Promise<unknown> {
  const judge = compileJudge(schema, PROBE_BOUNDS);
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run('CREATE TABLE messages (o BIGINT, j VARCHAR)');
  const appender = await connection.createAppender('messages');
  for (const [offset, value] of values.entries()) {
    const verdict = judge(value);
    appender.appendBigInt(BigInt(offset));
    appender.appendVarchar(((verdict.ok && verdict.json) || value).toString('utf8'));
    appender.endRow();
  }
  appender.closeSync();
  const differs = schema.columns.map(({ name }) => `f."${name}" IS DISTINCT FROM m."${name}"`).join(' OR ');
  const reader = await connection.runAndReadAll(`
    SELECT count(*) AS n, count(*) FILTER (WHERE ${differs}) AS differing,
      count(*) FILTER (WHERE decode(f._key) <> 'key ' || o OR epoch_ms(f._timestamp) <> o OR f._partition <> 3) AS wrong
    FROM '${path}' f JOIN (SELECT o, unnest(from_json(j, '${duckdbStructure(schema)}')) FROM messages) m ON f._offset = m.o`);
  const [row] = reader.getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return row;
}

describe('the columns that the loader hands to DuckDB', () => {
  it('hold what from_json reads, over many spellings, by the fast lane and the slow one', async () => {
    using dir = new TempDir('columns');
    const random = new SeededRandom(7);
    const values = Array.from({ length: 12_000 }, (_, i) => {
      const members: Members = validMembers(random);
      if (i % 4 === 0) members.push(EXTRAS[i % EXTRAS.length]!);
      return Buffer.from(rowText(random, members));
    });
    const path = await writtenFile(dir, PROBE_SCHEMA, values);
    expect(await compare(path, PROBE_SCHEMA, values)).toEqual({ n: '12000', differing: '0', wrong: '0' });
  });

  it('hold what from_json reads, over generated activity', async () => {
    using dir = new TempDir('columns');
    const schema = (await findSchema('activity', { topics: {}, schemas: { dir: '' } }))!;
    const events = generateActivity({
      events: 30_000,
      seed: 3,
      startMs: Date.UTC(2026, 10, 20),
      hours: 3,
      visitors: 500,
    });
    const values = [...events].map(({ json }) => Buffer.from(json));
    const path = await writtenFile(dir, schema, values);
    expect(await compare(path, schema, values)).toEqual({ n: '30000', differing: '0', wrong: '0' });
  });
});
