/**
 * Many topics in one load, a hot partition in several tasks, and one load spread over several runs by shards.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import type { Commit } from '../../loader/commit.ts';
import type { LoadOptions } from '../../loader/loader.ts';
import { isInShard } from '../../loader/shard.ts';
import { webRequests } from '../support/events.ts';
import { listing, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let broker: Broker;
let address: string;
beforeAll(async () => {
  dir = new TempDir('load-many');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const schemas = (...topics: string[]) =>
  Object.fromEntries(topics.map((topic) => [topic, { schema: 'web_request' }]));

/** Creates topics with so many events each. */
async function fill(topics: Record<string, number>, partitions: number, hours = 1): Promise<void> {
  for (const [topic, events] of Object.entries(topics)) {
    await createTopic(address, topic, partitions);
    await sendRecords(address, topic, webRequests(0, events, { partitions, hours }));
  }
}

describe('a load of many topics', () => {
  it('loads all of them, more than are planned at a time, and tells them in the order of the broker', async () => {
    const names = ['many-a', 'many-b', 'many-c', 'many-d', 'many-e'];
    await fill(Object.fromEntries(names.map((name, i) => [name, (i + 1) * 20])), 2);
    const loader = { topicsAtOnce: 2 };
    const setup = { address, warehouse: dir.join('many'), topics: schemas(...names), loader };
    const result = await loadTopics(setup, names);
    expect(result).toMatchObject({ rows: 300, files: 10 });
    expect(result.topics.map(({ topic, error }) => [topic, error])).toEqual(
      names.map((name) => [name, null]),
    );
    expect(result.topics.map(({ partitions }) => partitions.map(({ rows }) => rows))).toEqual(
      [10, 20, 30, 40, 50].map((rows) => [rows, rows]),
    );
  });

  it('loads the others where topics are unknown or have a schema that is not there, and says which', async () => {
    await fill({ 'good-a': 10, 'good-b': 20, bad: 5 }, 1);
    const topics = { ...schemas('good-a', 'good-b'), bad: { schema: 'nowhere' } };
    const setup = { address, warehouse: dir.join('some'), topics };
    const result = await loadTopics(setup, ['good-a', 'unknown', 'bad', 'good-b']);
    expect(result.rows).toBe(30);
    const errors = Object.fromEntries(result.topics.map(({ topic, error }) => [topic, error]));
    expect(errors).toEqual({
      'good-a': null,
      'good-b': null,
      bad: expect.stringMatching(/^[^\n]*bad[^\n]*nowhere/),
      unknown: expect.stringMatching(/^no topic "unknown" on the broker/),
    });
  });

  it('throws where none can be loaded', async () => {
    const setup = { address, warehouse: dir.join('none') };
    await expect(loadTopics(setup, ['unknown-a', 'unknown-b'])).rejects.toThrow(/^no topic "unknown-/);
  });

  it('as a command takes those that fit and are not excluded, and ends with 1 where one failed', async () => {
    await fill({ 'cli-a': 10, 'cli-b': 20, 'cli-test': 5 }, 1);
    const common = ['--broker', address, '--warehouse', `file:${dir.join('cli')}`];
    const some = await runCli([
      'load',
      '--topics',
      'cli-.*',
      '--exclude',
      '.*-test|.*-b',
      '--json',
      ...common,
    ]);
    expect(some).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(some.stdout).topics).toEqual([{ topic: 'cli-a', partitions: expect.any(Array) }]);
    const failed = await runCli(['load', '--topics', 'cli-b', '--topic', 'cli-none', ...common]);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toMatch(/^error: no topic "cli-none" on the broker [^\n]*\n$/);
    expect(failed.stdout).toContain('20 rows');
  });
});

it('a hot partition is loaded by several tasks, into one record whose files follow the offsets', async () => {
  await createTopic(address, 'hot', 3);
  const events = [...webRequests(0, 1_000)].map((event, n) => ({
    ...event,
    partition: n < 800 ? 0 : 1 + (n % 2),
  }));
  await sendRecords(address, 'hot', events);
  const warehouse = dir.join('hot');
  const loader = { workers: 4, taskOffsets: 100 };
  const result = await loadTopics({ address, warehouse, topics: schemas('hot'), loader }, 'hot');
  expect(result.topics[0]!.partitions).toMatchObject([{ rows: 800, files: 4 }, { files: 1 }, { files: 1 }]);
  const commits = join(warehouse, 'hot/_loader/commits/p=00000/g=000000');
  expect(readdirSync(commits).filter((name) => /^\d+\.json$/.test(name))).toEqual([`${'0'.repeat(20)}.json`]);
  const record = JSON.parse(readFileSync(join(commits, `${'0'.repeat(20)}.json`), 'utf8')) as Commit;
  expect(record).toMatchObject({ start: 0, next: 800, counts: { read: 800, data: 800 } });
  const ranges = record.files.map(({ final, minOffset, maxOffset }) => [
    final.slice(-11, -8),
    minOffset,
    maxOffset,
  ]);
  expect(ranges).toEqual([0, 1, 2, 3].map((k) => [`00${k}`, k * 200, k * 200 + 199]));
  expect(await visibleOffsets(warehouse, 'hot')).toMatchObject([{ rows: 800, distinct: 800 }, {}, {}]);
});

describe('shards', () => {
  const SHARDS = [0, 1, 2].map((index) => ({ index, of: 3 }));
  const PARTITIONS = [0, 1, 2, 3, 4, 5];
  const ownersOf = (topic: string) =>
    PARTITIONS.map((partition) => SHARDS.findIndex((shard) => isInShard({ topic, partition }, shard)));

  async function prepare(topic: string, loader = {}) {
    await fill({ [topic]: 600 }, PARTITIONS.length, 2);
    const setup = { address, warehouse: dir.join(topic), topics: schemas(topic), loader };
    return async (options: Partial<LoadOptions>) => (await loadTopics(setup, topic, options)).topics[0]!;
  }

  it('load each partition once, and the hour is marked by whoever sees it complete', async () => {
    const run = await prepare('shared');
    const marked: string[][] = [];
    for (const shard of SHARDS) {
      const outcome = await run({ shard });
      const own = PARTITIONS.filter((partition) => ownersOf('shared')[partition] === shard.index);
      expect(outcome.partitions.map(({ partition, rows }) => [partition, rows])).toEqual(
        own.map((partition) => [partition, 100]),
      );
      marked.push(outcome.marked.slice(0, 2));
    }
    expect(new Set(ownersOf('shared'))).toEqual(new Set([0, 1, 2]));
    expect(marked).toEqual([[], [], ['2026-03-01T00', '2026-03-01T01']]);
    for (const { rows, distinct } of await visibleOffsets(dir.join('shared'), 'shared'))
      expect([rows, distinct]).toEqual([100, 100]);
  });

  it('do no harm where they overlap, side by side with each other and with a whole load', async () => {
    const run = await prepare('overlapping');
    const all = [...SHARDS, ...SHARDS, undefined, { index: 0, of: 2 }];
    const outcomes = await Promise.all(all.map((shard) => run(shard ? { shard } : {})));
    const rows = outcomes.flatMap(({ partitions }) => partitions.map((partition) => partition.rows));
    expect(rows.reduce((a, b) => a + b, 0)).toBe(600);
    for (const offsets of await visibleOffsets(dir.join('overlapping'), 'overlapping'))
      expect(offsets).toMatchObject({ rows: 100, distinct: 100 });
    expect(await run({})).toMatchObject({ partitions: PARTITIONS.map(() => ({ rows: 0, error: null })) });
    expect(existsSync(join(dir.join('overlapping'), 'overlapping/dt=2026-03-01/hour=01/_SUCCESS'))).toBe(
      true,
    );
  });

  it('begin where the first of them found the log, all of them', async () => {
    const run = await prepare('latest', { startPolicy: 'latest' });
    const outcomes = [await run({ shard: SHARDS[ownersOf('latest')[0]!]! })];
    await sendRecords(address, 'latest', webRequests(0, 60, { partitions: 6 }));
    for (const shard of SHARDS) outcomes.push(await run({ shard }));
    expect(new Set(outcomes.shift()!.partitions.map(({ rows }) => rows))).toEqual(new Set([0]));
    const found = outcomes
      .flatMap(({ partitions }) => partitions)
      .map(({ startOffset, rows }) => [startOffset, rows]);
    expect(found).toEqual(PARTITIONS.map(() => [100, 10]));
  });

  it('without a partition of a topic leave it alone', async () => {
    const run = await prepare('left');
    const own = PARTITIONS.map((partition) => ({ topic: 'left', partition }));
    const index = Array.from({ length: 1_000 }, (_, i) => i).find(
      (i) => !own.some((part) => isInShard(part, { index: i, of: 1_000 })),
    )!;
    expect(await run({ shard: { index, of: 1_000 } })).toMatchObject({ partitions: [], error: null });
    expect(listing(dir.join('left'), '')).toEqual([]);
  });

  it('notice a lost record of their partitions, though another shard was the last to run', async () => {
    const run = await prepare('lost');
    for (const shard of SHARDS) await run({ shard });
    const [first] = PARTITIONS.filter((partition) => ownersOf('lost')[partition] === 0);
    const records = listing(dir.join('lost'), 'lost').filter((path) =>
      new RegExp(`commits/p=0000${first}/g=000000/0{20}\\.json$`).test(path),
    );
    expect(records).toHaveLength(1);
    rmSync(join(dir.join('lost'), 'lost', records[0]!));
    for (const shard of [{ shard: SHARDS[0]! }, {}]) {
      const { partitions } = await run({ ...shard, warn: () => {} });
      expect(partitions.find(({ partition }) => partition === first)?.error).toMatch(
        /its chain ends at offset 0, but run .* had committed up to 100/,
      );
    }
  });
});
