/**
 * Topics whose values bear the number of a schema in a registry: Avro and JSON among plain JSON, into one table, strictly;
 * and what becomes of a partition with a number that nobody knows.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import avro from 'avsc';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { FakeRegistry, framed } from '../support/fake-registry.ts';
import { quarantineLines, queryTable } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords, type TestRecord } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const TABLE = JSON.stringify({
  type: 'object',
  'x-event-time': 'at',
  required: ['at'],
  properties: {
    at: { type: 'string', format: 'date-time' },
    host: { type: 'string' },
    bytes: { type: 'integer' },
    price: { type: 'number', 'x-decimal': { precision: 12, scale: 2 } },
    place: { type: 'object', properties: { lat: { type: 'number' } } },
    tags: { type: 'array', items: { type: 'string' } },
  },
});
const PLACE = { type: 'record', name: 'shop.Place', fields: [{ name: 'lat', type: 'double' }] };
const FIELDS = [
  { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
  { name: 'host', type: ['null', 'string'] },
  { name: 'bytes', type: 'long' },
  { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
  { name: 'tags', type: { type: 'array', items: 'string' } },
];
const EVENT = {
  type: 'record',
  name: 'shop.Event',
  fields: [...FIELDS, { name: 'place', type: 'shop.Place' }],
};
const [AVRO, JSON_SCHEMA, PROTOBUF, NOT_THERE] = [7, 8, 9, 4_711];
const AT = Date.UTC(2026, 2, 1, 5);

/** avsc knows the whole type, the registry only the event's, which names the other. */
const type = avro.Type.forSchema({
  ...EVENT,
  fields: [...FIELDS, { name: 'place', type: PLACE }],
} as avro.Schema);
const avroValue = (host: string | null) =>
  type.toBuffer({
    at: AT,
    host,
    bytes: 2 ** 40,
    price: Buffer.from([0x04, 0xe2]),
    tags: ['a', 'ä'],
    place: { lat: 1.5 },
  });
const plain = (host: string) => `{"at":"2026-03-01T05:00:00Z","host":"${host}"}`;

let dir: TempDir;
let broker: Broker;
let registry: FakeRegistry;
beforeAll(async () => {
  dir = new TempDir('schema-numbers');
  broker = await startBroker(dir.join('data'));
  mkdirSync(dir.join('schemas'));
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});
beforeEach(async () => {
  registry = await FakeRegistry.start();
  const references = [{ name: 'shop.Place', subject: 'shop/place', version: 1 }];
  registry.schemas.set(AVRO, { schema: JSON.stringify(EVENT), references });
  registry.schemas.set('shop/place/1', { schema: JSON.stringify(PLACE) });
  registry.schemas.set(JSON_SCHEMA, { schema: '{"type":"object"}', schemaType: 'JSON' });
  registry.schemas.set(PROTOBUF, { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' });
});
afterEach(async () => await registry[Symbol.asyncDispose]());

/** A fresh topic with these records; what loads it. */
async function topicOf(name: string, records: TestRecord[], schemas: object = {}) {
  writeFileSync(dir.join('schemas', `${name}.json`), TABLE);
  const address = addressOf(broker);
  await createTopic(address, name, 2);
  await sendRecords(address, name, records);
  const warehouse = dir.join('warehouse');
  const setup = {
    address,
    warehouse,
    schemasDir: dir.join('schemas'),
    schemas: { registryUrl: registry.url, ...schemas },
  };
  return () => loadTopics(setup, name);
}

const rowsOf = (topic: string) =>
  queryTable(
    dir.join('warehouse'),
    topic,
    'SELECT host, bytes, price, place.lat AS lat, tags FROM TABLE ORDER BY _offset',
  );
const AVRO_ROW = { bytes: String(2 ** 40), price: '12.50', lat: 1.5, tags: ['a', 'ä'] };
const PLAIN_ROW = { bytes: null, price: null, lat: null, tags: null };

describe('values that bear the number of a schema', () => {
  test('become rows beside plain ones, Avro exactly; what is not what its schema says is refused as it was', async () => {
    const broken = framed(AVRO, avroValue('x').subarray(0, -1));
    const values = [
      framed(AVRO, avroValue('avro')),
      framed(JSON_SCHEMA, plain('json')),
      plain('plain'),
      broken,
      framed(JSON_SCHEMA, '{"at":5}'),
      framed(AVRO, avroValue(null)),
      Buffer.of(0, 1),
    ];
    registry.busy = 1;
    const load = await topicOf(
      'numbers',
      values.map((value) => ({ value, partition: 0 })),
    );
    expect(await load()).toMatchObject({ rows: 4, quarantined: 3 });
    expect(await rowsOf('numbers')).toEqual([
      { host: 'avro', ...AVRO_ROW },
      { host: 'json', ...PLAIN_ROW },
      { host: 'plain', ...PLAIN_ROW },
      { host: null, ...AVRO_ROW },
    ]);
    const lines = quarantineLines(dir.join('warehouse'), 'numbers');
    expect(lines.map(({ offset, reason, field }) => [offset, reason, field])).toEqual([
      [3, 'avro', null],
      [4, 'type', 'at'],
      [6, 'not json', null],
    ]);
    expect(lines[0]!['valueBase64']).toBe(broken.toString('base64'));
    expect(registry.requests).toEqual([
      'GET /schemas/ids/7',
      'GET /schemas/ids/7',
      'GET /subjects/shop%2Fplace/versions/1',
      'GET /schemas/ids/8',
    ]);
    const audit = await runCli([
      ...['audit', '--topic', 'numbers', '--broker', addressOf(broker), '--json'],
      ...['--warehouse', `file:${dir.join('warehouse')}`, '--set', `schemas.dir=${dir.join('schemas')}`],
      ...['--set', `schemas.registryUrl=${registry.url}`],
    ]);
    expect(JSON.parse(audit.stdout)).toMatchObject({ ok: true });
  });

  test('stop their partition, and only theirs, at a number that is not known, until it is', async () => {
    const load = await topicOf('unknown', [
      { value: framed(JSON_SCHEMA, plain('good')), partition: 0 },
      { value: plain('before'), partition: 1 },
      { value: framed(NOT_THERE, plain('later')), partition: 1 },
    ]);
    const { topics, rows } = await load();
    expect(rows).toBe(1);
    const errors = topics[0]!.partitions.map(({ error }) => error);
    expect(errors).toEqual([
      null,
      expect.stringMatching(
        /^unknown-1: offset 1: schema id 4711: the registry \S+ does not have it; point /,
      ),
    ]);
    registry.schemas.set(NOT_THERE, { schema: '{"type":"object"}', schemaType: 'JSON' });
    expect(await load()).toMatchObject({ rows: 2, quarantined: 0 });
  });

  test('stop their partition if they are of a kind that is not read', async () => {
    const load = await topicOf('proto', [{ value: framed(PROTOBUF, 'x'), partition: 0 }]);
    const { topics } = await load();
    expect(topics[0]!.partitions[0]!.error).toMatch(/schema id 9 is of the type PROTOBUF, which is not read/);
  });

  test('need what the file of credentials holds, and no message shows it', async () => {
    const file = dir.join('credentials');
    writeFileSync(file, 'reader:top secret\n');
    registry.authorization = `Basic ${Buffer.from('reader:top secret').toString('base64')}`;
    const records = [{ value: framed(JSON_SCHEMA, plain('secret')), partition: 0 }];
    const load = await topicOf('secured', records, { registryCredentialsFile: file });
    expect(await load()).toMatchObject({ rows: 1 });
    const without = await topicOf('refused', records);
    const { topics } = await without();
    expect(topics[0]!.partitions[0]!.error).toMatch(
      /refuses us \(401\); correct schemas.registryCredentialsFile/,
    );
    const inUrl = await runCli([
      'load',
      '--topic',
      'refused',
      '--set',
      'schemas.registryUrl=http://u:geheim@localhost',
    ]);
    expect(inUrl.status).toBe(78);
    expect(inUrl.stderr).toMatch(/schemas.registryUrl is "http:\/\/…@localhost".*without user and password/);
    expect(inUrl.stderr).not.toMatch(/geheim/);
  });

  test('are JSON that can not be read where there is no registry', async () => {
    const load = await topicOf('none', [{ value: framed(JSON_SCHEMA, plain('x')), partition: 0 }], {
      registryUrl: '',
    });
    expect(await load()).toMatchObject({ rows: 0, quarantined: 1 });
  });
});
