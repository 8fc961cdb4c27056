/**
 * Two loaders at work on the same topic at the same time, with nothing between them but the names in the warehouse.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { load } from '../../loader/loader.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { webRequests } from '../support/events.ts';
import { listing, visibleOffsets } from '../support/foreign-eyes.ts';
import {
  createTopic,
  type LoadSetup,
  loadTopics,
  sendRecords,
  setupSettings,
} from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { type Moment, StoppingStore } from '../support/stopping-store.ts';
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

describe('a loader that is overtaken just before it publishes', () => {
  const SMALLER = 40;

  /** Two partitions of 100 and 40 records; a load that lets another do its part before its first record is published. */
  async function overtaken(
    topic: string,
    meanwhile: (setup: LoadSetup) => Promise<void>,
    isMoment: Moment = (name) => /^publish .*\/p=00000\/g=000000\/\d{20}\.json$/.test(name),
  ) {
    await createTopic(address, topic, 2);
    await sendRecords(address, topic, [...webRequests(0, 100)]);
    await sendRecords(
      address,
      topic,
      [...webRequests(100, 100 + SMALLER)].map((record) => ({ ...record, partition: 1 })),
    );
    const warehouse = dir.join(topic);
    const setup: LoadSetup = { address, warehouse, topics: { [topic]: { schema: 'web_request' } } };
    const settings = setupSettings(setup);
    await using store = new StoppingStore(await openStore(settings), isMoment, () => meanwhile(setup));
    const result = await load({ settings, store, topics: [topic], warn: () => {} });
    expect(store.met).toBeDefined();
    expect(await visibleOffsets(warehouse, topic)).toEqual([
      { partition: 0, rows: 100, distinct: 100, min: 0, max: 99 },
      { partition: 1, rows: SMALLER, distinct: SMALLER, min: 0, max: SMALLER - 1 },
    ]);
    expect(result.topics[0]!.partitions.map(({ error }) => error)).toEqual([null, null]);
    expect(stagedRecords(warehouse, topic)).toEqual([]);
    return result.topics[0]!.partitions[0]!;
  }

  test('takes what the other published as it is', async () => {
    const partition = await overtaken('all', async (setup) => {
      await loadTopics(setup, 'all', { warn: () => {} });
    });
    expect(partition).toMatchObject({ rows: 0, files: 0, nextOffset: 100, caughtUp: true });
  });

  test('loads the rest where the other took a part', async () => {
    const partition = await overtaken('part', async (setup) => {
      await loadTopics(setup, 'part', { maxEvents: 30, warn: () => {} });
    });
    expect(partition.rows).toBeLessThan(100);
    expect(partition).toMatchObject({ startOffset: 100 - partition.rows, nextOffset: 100 });
  });

  test('finds its staged files where they were, though the other swept', async () => {
    const partition = await overtaken('swept', async (setup) => {
      // It has nothing to read before this time, so the name waited for stays free.
      await loadTopics(setup, 'swept', { untilMs: 1, warn: () => {} });
    });
    expect(partition).toMatchObject({ rows: 100, startOffset: 0, nextOffset: 100 });
  });

  test.each([
    ['its record', /^create .*\/c-p00000-.*\/record\.json\.tmp$/],
    ['the root of its chain', /^create .*\/b-p00000-.*\/record\.json\.tmp$/],
  ])('has lost, and no more than that, if its staging is swept while it writes %s', async (what, moment) => {
    const topic = what.replaceAll(' ', '-');
    const partition = await overtaken(
      topic,
      async (setup) => {
        await loadTopics(setup, topic, { warn: () => {} });
        throw new Error('ENOENT: its directory is gone');
      },
      (name) => moment.test(name),
    );
    expect(partition).toMatchObject({ rows: 0, nextOffset: 100, caughtUp: true });
  });
});
