/**
 * Two loaders at work on the same topic at the same time, with nothing between them but the names in the warehouse.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { webRequests } from '../support/events.ts';
import { listing, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, type LoadSetup, loadTopics, sendRecords } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let broker: Broker;
let address: string;
beforeAll(async () => {
  dir = new TempDir('two-loaders');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const stagedRecords = (warehouse: string, topic: string) =>
  listing(warehouse, topic).filter((path) => path.startsWith('_loader/staging/c-'));

describe('two loaders started together', () => {
  test('share the records of a growing topic: each is loaded once and counted by one of them', {
    timeout: 120_000,
  }, async () => {
    const [topic, warehouse] = ['web_request', dir.join('together')];
    const [PARTITIONS, ROUNDS, PER_ROUND] = [2, 6, 4_000];
    await createTopic(address, topic, PARTITIONS);
    const run = async () => {
      const at = ['--broker', address, '--warehouse', `file:${warehouse}`];
      const { status, stdout, stderr } = await runCli(['load', '--topic', topic, '--json', ...at]);
      expect([status, stderr]).toEqual([0, '']);
      return JSON.parse(stdout) as { rows: number };
    };
    for (let round = 1; round <= ROUNDS; round++) {
      const [from, until] = [(round - 1) * PER_ROUND, round * PER_ROUND];
      await sendRecords(address, topic, webRequests(from, until, { partitions: PARTITIONS, hours: 5 }));
      const [one, other] = await Promise.all([run(), run()]);
      expect(one.rows + other.rows).toBe(PER_ROUND);
      const each = until / PARTITIONS;
      expect(await visibleOffsets(warehouse, topic)).toEqual(
        [0, 1].map((partition) => ({ partition, rows: each, distinct: each, min: 0, max: each - 1 })),
      );
    }
    expect(await run()).toMatchObject({ rows: 0 });
    expect(stagedRecords(warehouse, topic)).toEqual([]);
  });

  test('make one root of each chain, though one starts at the earliest and one at the latest record', async () => {
    const topic = 'rooted';
    await createTopic(address, topic, 1);
    await sendRecords(address, topic, webRequests(0, 100));
    for (let round = 0; round < 5; round++) {
      const warehouse = dir.join(`root-${round}`);
      const setup: LoadSetup = { address, warehouse, topics: { [topic]: { schema: 'web_request' } } };
      const starting = (startPolicy: 'earliest' | 'latest') =>
        loadTopics({ ...setup, loader: { startPolicy } }, topic);
      const order = round % 2 === 0 ? (['earliest', 'latest'] as const) : (['latest', 'earliest'] as const);
      const results = await Promise.all(order.map(starting));
      const base = JSON.parse(
        readFileSync(join(warehouse, topic, '_loader/commits/p=00000/g=000000/base.json'), 'utf8'),
      ) as { policy: string; head: number };
      expect(base.head).toBe(base.policy === 'earliest' ? 0 : 100);
      expect(results[0]!.rows + results[1]!.rows).toBe(100 - base.head);
      const loaded = { partition: 0, rows: 100, distinct: 100, min: 0, max: 99 };
      expect(await visibleOffsets(warehouse, topic)).toEqual(base.head === 0 ? [loaded] : []);
      expect(listing(warehouse, topic).filter((path) => path.startsWith('_loader/staging/'))).toEqual([]);
    }
  });
});
