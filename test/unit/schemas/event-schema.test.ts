import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeName } from '../../../schemas/column.ts';
import { findSchema, parseSchema, SchemaError, schemaNames } from '../../../schemas/event-schema.ts';
import { duckdbStructure } from '../../support/duckdb-structure.ts';

const builtIn = { topics: {}, schemas: { dir: '' } };
const WEB_REQUEST =
  'event_time host ident auth_user method target path query protocol status bytes referrer user_agent'.split(
    ' ',
  );

/** A schema file with one column beside the event time, as `property`; `root` overrides the rest. */
function file(property: unknown = { type: 'string' }, root: object = {}): string {
  return JSON.stringify({
    type: 'object',
    required: ['event_time'],
    properties: { event_time: { type: 'string', format: 'date-time' }, x: property },
    ...root,
  });
}

const struct = (properties: object) => ({ type: 'object', properties });
const nested = (levels: number): object =>
  levels === 0 ? { type: 'string' } : struct({ a: nested(levels - 1) });

describe('the built-in schemas', () => {
  it('web_request has the columns of access logs in their order', async () => {
    const schema = (await findSchema('web_request', builtIn))!;
    expect(schema.columns.map(({ name }) => name)).toEqual(WEB_REQUEST);
    expect(schema.columns.filter(({ required }) => required).map(({ name }) => name)).toEqual([
      'event_time',
      'host',
      'status',
    ]);
    expect(Object.fromEntries(schema.columns.map(({ name, type }) => [name, type]))).toMatchObject({
      event_time: 'timestamp',
      status: 'int32',
      bytes: 'int64',
      path: 'string',
    });
    expect(schema.eventTime).toBe('event_time');
    expect(schema.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('activity has those of web_request first, then its own', async () => {
    const schema = (await findSchema('activity', builtIn))!;
    expect(schema.columns.map(({ name }) => name)).toEqual([
      ...WEB_REQUEST,
      'event_type',
      'visitor_id',
      'session_id',
      'search_terms',
      'element',
    ]);
    expect(schema.columns.find(({ name }) => name === 'event_type')?.required).toBe(true);
  });

  it('tell DuckDB its own names of the types', async () => {
    const structure = duckdbStructure((await findSchema('web_request', builtIn))!);
    expect(structure).toMatch(
      /^\{"event_time":"TIMESTAMPTZ","host":"VARCHAR",.*"status":"INTEGER","bytes":"BIGINT",/,
    );
  });

  it('survive the way to a worker thread', async () => {
    const schema = await findSchema('activity', builtIn);
    expect(structuredClone(schema)).toEqual(schema);
  });
});

describe('a schema file', () => {
  it('keeps its hash when only its layout changes', () => {
    const text = file();
    const other = JSON.stringify(JSON.parse(text), null, 4).replaceAll('\n', '\r\n');
    expect(parseSchema('a', other).sha256).toBe(parseSchema('a', text).sha256);
    expect(parseSchema('a', file({ type: 'integer' })).sha256).not.toBe(parseSchema('a', text).sha256);
  });

  it.each([
    [{ type: 'string' }, 'string'],
    [{ type: ['null', 'string'] }, 'string'],
    [{ type: 'string', format: 'date-time' }, 'timestamp'],
    [{ type: 'integer' }, 'int64'],
    [{ type: 'integer', format: 'int64' }, 'int64'],
    [{ type: ['integer', 'null'], format: 'int32', description: 'd' }, 'int32'],
    [{ type: 'number' }, 'number'],
    [{ type: 'boolean' }, 'boolean'],
    [{ type: 'string', format: 'uuid' }, 'uuid'],
  ])('with the column %j has the type %s', (property, type) => {
    expect(parseSchema('a', file(property)).columns[1]).toEqual({ name: 'x', type, required: false });
  });

  it.each([
    [
      { type: 'number', 'x-decimal': { precision: 12, scale: 2 } },
      { type: 'decimal', precision: 12, scale: 2, inText: false },
      'DECIMAL(12,2)',
      'DECIMAL(12,2)',
    ],
    [
      { type: 'array', items: { type: ['string', 'null'] } },
      { type: 'list', items: { type: 'string', required: false } },
      'VARCHAR[]',
      'ARRAY<STRING>',
    ],
    [
      { type: 'object', additionalProperties: { type: 'string', format: 'date-time' } },
      { type: 'map', values: { type: 'timestamp', required: true } },
      'MAP(VARCHAR, TIMESTAMPTZ)',
      'MAP<STRING, BIGINT>',
    ],
    [
      {
        ...struct({
          a: { type: 'integer' },
          order: { type: 'array', items: struct({ b: { type: 'number' } }) },
        }),
      },
      {
        type: 'struct',
        fields: [
          { name: 'a', type: 'int64', required: false },
          {
            name: 'order',
            required: false,
            type: 'list',
            items: {
              type: 'struct',
              required: true,
              fields: [{ name: 'b', type: 'number', required: false }],
            },
          },
        ],
      },
      'STRUCT("a" BIGINT, "order" STRUCT("b" DOUBLE)[])',
      'STRUCT<`a`: BIGINT, `order`: ARRAY<STRUCT<`b`: DOUBLE>>>',
    ],
  ] as const)('with the column %j has what it is made of', (property, value, duckdb, hive) => {
    const [, column] = parseSchema('a', file(property)).columns;
    expect(column).toEqual({ name: 'x', required: false, ...value });
    expect(typeName(column!, 'duckdb')).toBe(duckdb);
    expect(typeName(column!, 'hive')).toBe(hive);
  });

  it.each([
    ['{', /is not JSON/],
    ['[]', /"type": "object"/],
    [file({ type: 'object' }), /"x" is an object of unknown members; give it "properties"/],
    [file({ type: 'array' }), /column "x\[\]" must be an object with a "type"/],
    [file({ type: 'array', items: { type: 'string' }, minItems: 1 }), /keyword "minItems" is not supported/],
    [file({ type: 'object', properties: { _a: { type: 'string' } } }), /column "x\._a" must be letters/],
    [file({ type: 'object', properties: {} }), /1 to 1000 columns/],
    [file(struct({ a: { type: 'string' }, A: { type: 'string' } })), /differ only in case/],
    [file({ ...struct({ a: { type: 'string' } }), required: ['b'] }), /"required" names "b"/],
    [
      file({ ...struct({ a: { type: ['string', 'null'] } }), required: ['a'] }),
      /"x\.a" is required and may be null/,
    ],
    [file({ ...struct({ a: { type: 'string' } }), additionalProperties: false }), /kept in _extra/],
    [
      file({ ...struct({ a: { type: 'string' } }), additionalProperties: { type: 'string' } }),
      /not both: a struct or a map/,
    ],
    [file(nested(13)), /nested more than 12 levels deep/],
    [file({ type: 'number', 'x-decimal': { precision: 39, scale: 2 } }), /"x-decimal" must be/],
    [file({ type: 'number', 'x-decimal': { precision: 4, scale: 5 } }), /"x-decimal" must be/],
    [file({ type: 'string', 'x-decimal': true }), /"x-decimal" must be/],
    [file({ type: 'integer', 'x-decimal': { precision: 4, scale: 0 } }), /keyword "x-decimal" is not/],
    [file({ type: ['string', 'integer'] }), /one type/],
    [file({}), /one type/],
    [file('string'), /must be an object/],
    [
      file({ type: 'string', format: 'email' }),
      /type "string" with format "email" is not supported; use one of string, string\/date-time,/,
    ],
    [file({ type: 'string', maxLength: 3 }), /keyword "maxLength" is not supported/],
    [file({ type: 'string' }, { allOf: [] }), /keyword "allOf" is not supported/],
    [file({ type: 'string' }, { additionalProperties: false }), /kept in _extra/],
    [file({ type: 'string' }, { required: ['event_time', 'y'] }), /"required" names "y"/],
    [file({ type: 'string' }, { required: 'x' }), /"required" must be a list/],
    [file({ type: 'string' }, { required: [] }), /event time "event_time" must be a required column/],
    [file({ type: 'string' }, { 'x-event-time': 'x' }), /event time "x" must be/],
    [file({ type: 'string' }, { 'x-event-time': 3 }), /"x-event-time" must be the name/],
    [file({ type: ['string', 'null'] }, { required: ['event_time', 'x'] }), /required and may be null/],
    [file({ type: 'string' }, { required: [], properties: {} }), /1 to 1000 columns/],
    [file({ type: 'string' }, { properties: [] }), /"properties" must be an object/],
    ...['_x', '1x', 'a-b', 'a b', '', 'é', '__proto__x', "a'b"].map(
      (name) =>
        [file({}, { properties: { [name]: { type: 'string' } } }), /must be letters, digits and _/] as const,
    ),
    [file({}, { properties: { Hour: { type: 'string' } } }), /directory level/],
    [file({}, { properties: { a: { type: 'string' }, A: { type: 'string' } } }), /differ only in case/],
  ] as const)('is refused with a remedy: %s', (text, message) => {
    expect(() => parseSchema('shop', text)).toThrow(SchemaError);
    expect(() => parseSchema('shop', text)).toThrow(message);
    expect(() => parseSchema('shop', text)).toThrow(/^schema shop\.json: [^\n]*$/);
  });
});

describe('finding the schema of a topic', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'schemas-'));
    await writeFile(join(dir, 'orders.json'), file());
    await writeFile(join(dir, 'web_request.json'), file({ type: 'boolean' }));
    await writeFile(join(dir, 'broken.json'), '{');
  });
  afterAll(() => rm(dir, { recursive: true }));
  const settings = (topics: Record<string, { schema?: string }> = {}) => ({ topics, schemas: { dir } });

  it('takes the one that the settings name, then the one named like the topic, then none', async () => {
    expect((await findSchema('blog', settings({ blog: { schema: 'orders' } })))?.name).toBe('orders');
    expect((await findSchema('orders', settings()))?.name).toBe('orders');
    expect(await findSchema('blog', settings())).toBeUndefined();
    expect(await findSchema('__proto__', settings())).toBeUndefined();
    expect(await findSchema('activity', settings({ activity: { schema: 'web_request' } }))).toMatchObject({
      columns: [{}, { type: 'boolean' }],
    });
  });

  it('prefers schemas of the directory to built-in ones, and still finds those', async () => {
    expect((await findSchema('web_request', settings()))?.columns).toHaveLength(2);
    expect((await findSchema('activity', settings()))?.columns).toHaveLength(18);
    expect(await schemaNames(dir)).toEqual(['activity', 'broken', 'orders', 'web_request']);
  });

  it('never takes a topic for raw because its schema is missing or broken', async () => {
    await expect(findSchema('blog', settings({ blog: { schema: 'orderz' } }))).rejects.toThrow(
      /topics\.blog\.schema names the schema "orderz", which is not there; there are activity, broken, orders/,
    );
    await expect(findSchema('blog', settings({ blog: { schema: '../orders' } }))).rejects.toThrow(
      SchemaError,
    );
    await expect(findSchema('broken', settings())).rejects.toThrow(/broken\.json: is not JSON/);
    await expect(
      findSchema('blog', { topics: { blog: { schema: 'nope' } }, schemas: { dir: join(dir, 'nowhere') } }),
    ).rejects.toThrow(/schemas\.dir .*nowhere cannot be listed/);
  });

  it('reads the files that are shipped', async () => {
    const text = await readFile(new URL('../../../schemas/activity.json', import.meta.url), 'utf8');
    expect(parseSchema('activity', text)).toEqual(await findSchema('activity', builtIn));
  });
});
