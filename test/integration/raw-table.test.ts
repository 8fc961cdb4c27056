/**
 * A topic that no schema is named for: its records lie in the table as they are, in the hours of their own timestamps.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { listing, quarantineLines, queryTable, visibleFiles } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords, type TestRecord } from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const AT = Date.parse('2026-03-01T10:59:59.999Z');
/** What the tests send: bytes that are no text, nothing, JSON that nobody looks into. */
const VALUES = [Buffer.from([0, 255, 254, 10, 13]), Buffer.alloc(0), Buffer.from('{"event_time":1}')];

let dir: TempDir;
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('raw-table');
  broker = await startBroker(dir.join('data'));
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

/** A fresh topic with these records in one partition, loaded once. */
async function loaded(topic: string, records: TestRecord[]) {
  const address = addressOf(broker);
  await createTopic(address, topic, 1);
  await sendRecords(address, topic, records);
  const setup = { address, warehouse: dir.join(topic) };
  return { setup, warehouse: setup.warehouse, result: await loadTopics(setup, topic) };
}

describe('a topic without a schema', () => {
  test('keeps keys, headers, values and timestamps byte for byte, by the hours of the timestamps', async () => {
    const records = VALUES.map((value, i) => ({
      value,
      key: i === 0 ? null : Buffer.from([i, 128]),
      timestampMs: AT + i,
      headers:
        i === 1
          ? [
              { key: 'ä', value: Buffer.from([0, 1]) },
              { key: 'none', value: null },
            ]
          : [],
    }));
    const { warehouse, result } = await loaded('bytes', records);
    expect(result).toMatchObject({ rows: 3, quarantined: 0, hours: ['2026-03-01T10', '2026-03-01T11'] });
    expect(visibleFiles(warehouse, 'bytes').map((path) => path.slice(0, 21))).toEqual([
      'dt=2026-03-01/hour=10',
      'dt=2026-03-01/hour=11',
    ]);
    const rows = await queryTable(
      warehouse,
      'bytes',
      `SELECT _partition, _offset::INTEGER AS _offset, epoch_ms(_timestamp)::DOUBLE AS at, hex(_key) AS key, hex(_value) AS value,
        _extra, list_transform(_headers, h -> [h.key, hex(h.value)]) AS headers FROM TABLE ORDER BY _offset`,
    );
    const hex = (bytes: Buffer | null) => bytes?.toString('hex').toUpperCase() ?? null;
    expect(rows).toEqual(
      records.map(({ value, key, timestampMs }, i) => ({
        _partition: 0,
        _offset: i,
        at: timestampMs,
        key: hex(key),
        value: hex(value),
        _extra: null,
        headers:
          i === 1
            ? [
                ['ä', '0001'],
                ['none', null],
              ]
            : null,
      })),
    );
    const types = await queryTable(
      warehouse,
      'bytes',
      'SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM TABLE)',
    );
    expect(types.slice(0, 7).map(({ name, type }) => `${name} ${type}`)).toEqual([
      '_partition INTEGER',
      '_offset BIGINT',
      '_timestamp TIMESTAMP WITH TIME ZONE',
      '_key BLOB',
      '_headers STRUCT("key" VARCHAR, "value" BLOB)[]',
      '_extra VARCHAR',
      '_value BLOB',
    ]);
  });

  test('a record without a timestamp, or with an impossible one, goes to the quarantine whole', async () => {
    const times = [AT, -1, 253_402_300_800_000, Number.MAX_SAFE_INTEGER, AT, Date.UTC(2_255, 0)];
    const records = times.map((timestampMs, i) => ({ value: `record ${i}`, timestampMs }));
    const { warehouse, setup, result } = await loaded('timeless', records);
    expect(result).toMatchObject({ rows: 2, quarantined: 4, topics: [{ partitions: [{ nextOffset: 6 }] }] });
    const valueBase64 = (i: number) => Buffer.from(`record ${i}`).toString('base64');
    const line = { partition: 0, timestamp: null, key: null, field: null };
    expect(quarantineLines(warehouse, 'timeless')).toEqual([
      { ...line, offset: 1, reason: 'no time', valueBase64: valueBase64(1) },
      { ...line, offset: 2, reason: 'timestamp', valueBase64: valueBase64(2) },
      { ...line, offset: 3, reason: 'timestamp', valueBase64: valueBase64(3) },
      { ...line, offset: 5, reason: 'timestamp', valueBase64: valueBase64(5) },
    ]);
    expect(
      await queryTable(warehouse, 'timeless', 'SELECT _offset::INTEGER AS o FROM TABLE ORDER BY o'),
    ).toEqual([{ o: 0 }, { o: 4 }]);
    const before = listing(warehouse, 'timeless').filter((path) => !path.startsWith('_loader/runs/'));
    expect(await loadTopics(setup, 'timeless')).toMatchObject({ rows: 0, quarantined: 0 });
    expect(listing(warehouse, 'timeless').filter((path) => !path.startsWith('_loader/runs/'))).toEqual(
      before,
    );
  });

  test('the last possible timestamp is kept to the millisecond', async () => {
    const last = Date.UTC(2_255, 0) - 1;
    const { warehouse, result } = await loaded('last', [{ value: 'record', timestampMs: last }]);
    expect(result).toMatchObject({ rows: 1, hours: ['2254-12-31T23'] });
    const sql = 'SELECT epoch_us(_timestamp)::VARCHAR AS at FROM TABLE';
    expect(await queryTable(warehouse, 'last', sql)).toEqual([{ at: `${last}000` }]);
  });

  test('a tombstone goes to the quarantine, or is passed over where the topic says so', async () => {
    const records = [
      { value: 'one', key: 'k' },
      { value: null, key: 'k' },
    ];
    const { warehouse, result, setup } = await loaded('tombs', records);
    expect(result).toMatchObject({ rows: 1, quarantined: 1 });
    expect(quarantineLines(warehouse, 'tombs')).toMatchObject([
      { offset: 1, key: 'k', reason: 'tombstone', field: null, valueBase64: null },
    ]);
    const skipping = {
      ...setup,
      warehouse: dir.join('skipping'),
      topics: { tombs: { tombstones: 'skip' } },
    } as const;
    expect(await loadTopics(skipping, 'tombs')).toMatchObject({
      rows: 1,
      quarantined: 0,
      topics: [{ partitions: [{ nextOffset: 2, caughtUp: true }] }],
    });
  });
});
