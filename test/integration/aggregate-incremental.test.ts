/**
 * Aggregates of a table that changes: late rows and a replay have exactly the hours computed anew that they touched and
 * those that look back on them, and what stands then equals a computation from nothing.
 */
import { mkdirSync } from 'node:fs';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { aggregate } from '../../jobs/aggregate.ts';
import { readNewestRecord } from '../../jobs/aggregate-record.ts';
import { DuckDbEngine } from '../../jobs/engine/duckdb.ts';
import { FIRST_DAY, webRequest } from '../support/events.ts';
import { queryAggregate } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { offsets, Workshop } from '../support/replay-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'changing';
const HOURS = 5;
const TRAFFIC = 'traffic_by_hour';
/** Looks back one hour. */
const SESSIONS = 'sessions_by_hour';

let dir: TempDir;
let broker: Broker;
let shop: Workshop;
let engine: DuckDbEngine;
beforeAll(async () => {
  dir = new TempDir('aggregate-incremental');
  broker = await startBroker(dir.join('data'));
  const address = addressOf(broker);
  await createTopic(address, TOPIC, 1);
  shop = await Workshop.open({
    address,
    warehouse: dir.join('warehouse'),
    topics: { [TOPIC]: { schema: 'web_request' } },
  });
  engine = await DuckDbEngine.open({ memoryBytes: 2 ** 27, temporaryDirectory: dir.join('duckdb') });
  mkdirSync(dir.join('local'));
});
afterAll(async () => {
  await engine?.[Symbol.asyncDispose]();
  await shop?.[Symbol.asyncDispose]();
  await broker?.stop();
  dir[Symbol.dispose]();
});

/** Sends and loads events of some hours. */
async function load(from: number, until: number, hourOf: (n: number) => number): Promise<void> {
  const records = Array.from({ length: until - from }, (_, i) => ({
    value: webRequest(from + i, hourOf(from + i)),
  }));
  await sendRecords(addressOf(broker), TOPIC, records);
  await shop.load(TOPIC);
}

const compute = () =>
  aggregate({
    store: shop.store,
    topic: TOPIC,
    engine,
    localDirectory: dir.join('local'),
    now: Date.now,
    log: pino({ level: 'silent' }),
    queries: [TRAFFIC, SESSIONS],
    all: true,
  });

/** How often each hour has been computed. */
const timesComputed = (query: string) =>
  Promise.all(
    Array.from({ length: HOURS }, async (_, i) => {
      const hour = new Date(Date.parse(FIRST_DAY) + i * 3_600_000).toISOString().slice(0, 13);
      return (await readNewestRecord(shop.store, TOPIC, query, hour)).n;
    }),
  );

const rowsOf = (query: string) =>
  queryAggregate(shop.warehouse, query, TOPIC, 'SELECT * FROM TABLE ORDER BY ALL');

test('late rows and a replay recompute the hours they touch and those that look back on them, and only they', async () => {
  await load(0, 500, (n) => n % HOURS);
  await compute();
  await load(500, 560, () => 2);
  await compute();
  expect(await timesComputed(TRAFFIC)).toEqual([1, 1, 2, 1, 1]);
  expect(await timesComputed(SESSIONS)).toEqual([1, 1, 2, 2, 1]);
  await shop.replay(TOPIC, offsets(0, 510, 520));
  await compute();
  expect(await timesComputed(TRAFFIC)).toEqual([1, 1, 3, 1, 1]);
  expect(await timesComputed(SESSIONS)).toEqual([1, 1, 3, 3, 1]);
  await load(560, 570, () => 4);
  await compute();
  expect(await timesComputed(TRAFFIC)).toEqual([1, 1, 3, 1, 2]);
  expect(await timesComputed(SESSIONS)).toEqual([1, 1, 3, 3, 2]);

  const [traffic, sessions] = [await rowsOf(TRAFFIC), await rowsOf(SESSIONS)];
  expect(traffic.map(({ events }) => Number(events))).toEqual([100, 100, 160, 100, 110]);
  await shop.store.remove('_aggregates');
  await shop.store.remove(`${TOPIC}/_loader/queries`);
  await compute();
  expect([await rowsOf(TRAFFIC), await rowsOf(SESSIONS)]).toEqual([traffic, sessions]);
});
