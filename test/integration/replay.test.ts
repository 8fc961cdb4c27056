/**
 * Replay and undo over a real broker and a local warehouse, looked at with foreign eyes: DuckDB over the visible files,
 * plain listings, and the records as JSON.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';

import { webRequest } from '../support/events.ts';
import { listing, quarantineLines, queryTable, visibleFiles } from '../support/foreign-eyes.ts';
import { createTopic, type LoadSetup, sendRecords, type TestRecord } from '../support/load-topic.ts';
import { offsets, Workshop } from '../support/replay-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let broker: Broker;
const shops: Workshop[] = [];
beforeAll(async () => {
  dir = new TempDir('replay');
  broker = await startBroker(dir.join('data'));
});
afterAll(async () => {
  for (const shop of shops) await shop[Symbol.asyncDispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

const setupOf = (topic: string): LoadSetup => ({
  address: addressOf(broker),
  warehouse: dir.join(topic),
  topics: { [topic]: { schema: 'web_request' } },
});

/** Creates a topic and loads each group of records by a load of its own. */
async function loaded(topic: string, groups: TestRecord[][], partitions = 1): Promise<Workshop> {
  await createTopic(addressOf(broker), topic, partitions);
  const shop = await Workshop.open(setupOf(topic));
  for (const group of groups) {
    await sendRecords(addressOf(broker), topic, group);
    await shop.load(topic);
  }
  shops.push(shop);
  return shop;
}

const group = (from: number, until: number, hours: number): TestRecord[] =>
  Array.from({ length: until - from }, (_, i) => ({ value: webRequest(from + i, (from + i) % hours) }));

/** Every column of every row, and the hour it lies in. */
const rowsOf = ({ warehouse }: Workshop, topic: string) =>
  queryTable(warehouse, topic, 'SELECT * FROM TABLE ORDER BY _partition, _offset');
/** Visible files by name, each with the identity of its bytes. */
const filesOf = ({ warehouse }: Workshop, topic: string) =>
  new Map(
    visibleFiles(warehouse, topic).map((name) => {
      const { ino, size } = statSync(join(warehouse, topic, name));
      return [name, `${ino} ${size}`];
    }),
  );
const everything = ({ warehouse }: Workshop, topic: string) => listing(warehouse, topic);
const marked = (shop: Workshop, topic: string) =>
  everything(shop, topic).filter((path) => path.endsWith('/_SUCCESS'));
const stagedOf = (shop: Workshop, topic: string) =>
  everything(shop, topic).filter((path) => path.startsWith('_loader/staging/'));
/** Without the notes to judges that one process leaves when another has applied its rewrite for it: they are swept by age. */
const filesStagedOf = (shop: Workshop, topic: string) =>
  stagedOf(shop, topic).filter((path) => !/\/h-markers\/[^/]*\/withdrawn$/.test(path));

describe('a replay of a part of the offsets', { timeout: 300_000 }, () => {
  const TOPIC = 'partial';
  let shop: Workshop;
  beforeAll(async () => {
    // Three commits of 60 records over three hours: each hour's file of a commit holds every third offset.
    shop = await loaded(TOPIC, [group(0, 60, 3), group(60, 120, 3), group(120, 180, 3)]);
  });

  test('says beforehand what it would change, and changes nothing', async () => {
    const before = everything(shop, TOPIC);
    const preview = await shop.preview(TOPIC, offsets(0, 30, 130));
    expect(preview).toMatchObject({
      filesRemoved: 3,
      filesCut: 6,
      hours: ['2026-03-01T00', '2026-03-01T01', '2026-03-01T02'],
    });
    expect(preview.partitions).toMatchObject([{ partition: 0, from: 30, until: 130, rowsRemoved: 60 }]);
    const isCut = (path: string) => !path.includes('-o00000000000000000060-');
    const files = visibleFiles(shop.warehouse, TOPIC).map((path) => [path, isCut(path)]);
    expect(preview.files.map((file) => [file.path, file.isCut])).toEqual(files);
    expect(everything(shop, TOPIC)).toEqual(before);
  });

  test('replaces the files inside, carries over what lies outside, and can be taken back', async () => {
    const [rows, files, marks] = [await rowsOf(shop, TOPIC), filesOf(shop, TOPIC), marked(shop, TOPIC)];
    const { rewrite, read, filesRemoved, filesAdded } = await shop.replay(TOPIC, offsets(0, 30, 130));
    // Six files carried over in part, and three hours of each of three commits read again.
    expect({ rewrite, read, filesRemoved, filesAdded }).toEqual({
      rewrite: 1,
      read: 100,
      filesRemoved: 9,
      filesAdded: 15,
    });
    expect(await rowsOf(shop, TOPIC)).toEqual(rows);
    expect([...filesOf(shop, TOPIC).keys()].filter((name) => files.has(name))).toEqual([]);
    expect(marked(shop, TOPIC)).toEqual(marks);
    expect(stagedOf(shop, TOPIC)).toEqual([]);
    await shop.undo(TOPIC, 1);
    expect(await rowsOf(shop, TOPIC)).toEqual(rows);
    expect([...filesOf(shop, TOPIC).values()].sort()).toEqual([...files.values()].sort());
    expect(marked(shop, TOPIC)).toEqual(marks);
    await expect(shop.undo(TOPIC, 1)).rejects.toThrow('taken back already, by rewrite 2');
    await expect(shop.undo(TOPIC, 2)).rejects.toThrow('is an undo itself');
  });

  test('refuses offsets that were never loaded', async () => {
    const before = everything(shop, TOPIC);
    await expect(shop.replay(TOPIC, offsets(0, 180, 500))).rejects.toThrow(
      'nothing of that was loaded, so there is nothing to replay; loaded are the offsets 0: 0 to 180',
    );
    await expect(shop.replay(TOPIC, offsets(4, 0, 500))).rejects.toThrow('partial-4 was never loaded');
    expect(everything(shop, TOPIC)).toEqual(before);
  });

  test('refuses to cut a file that is not the one its record tells of', async () => {
    const own = await loaded('damaged', [group(0, 20, 1)]);
    const [name] = visibleFiles(own.warehouse, 'damaged');
    const other = await loaded('foreign', [group(0, 30, 1)]);
    const [foreign] = visibleFiles(other.warehouse, 'foreign');

    writeFileSync(
      join(own.warehouse, 'damaged', name!),
      readFileSync(join(other.warehouse, 'foreign', foreign!)),
    );
    await expect(own.replay('damaged', offsets(0, 5, 10))).rejects.toThrow(
      /holds 30 rows of digest [0-9a-f]{16}, its record says 20 of [0-9a-f]{16}: nothing was changed/,
    );
    expect(visibleFiles(own.warehouse, 'damaged')).toEqual([name]);
    // A replay of all of it needs no row of the old file.
    await own.replay('damaged', { from: { offset: 0 } }, { warn: () => {} });
    expect(await queryTable(own.warehouse, 'damaged', 'SELECT count(*)::INTEGER AS n FROM TABLE')).toEqual([
      { n: 20 },
    ]);
  });
});

test('undos follow each other from the youngest back, whatever names the files bear by then', {
  timeout: 300_000,
}, async () => {
  const topic = 'undone';
  const shop = await loaded(topic, [group(0, 40, 2)]);
  const [rows, files] = [await rowsOf(shop, topic), filesOf(shop, topic)];
  await shop.replay(topic, offsets(0, 0, 20));
  await shop.replay(topic, offsets(0, 10, 30));
  await expect(shop.undo(topic, 1)).rejects.toThrow(
    /rewrite 2 \(replay, run .*\) has replaced .*; undo that one first/,
  );
  await shop.undo(topic, 2);
  await shop.undo(topic, 1);
  expect(await rowsOf(shop, topic)).toEqual(rows);
  expect([...filesOf(shop, topic).values()].sort()).toEqual([...files.values()].sort());
});

test('refused and late events go where they went when they were first read', {
  timeout: 300_000,
}, async () => {
  const topic = 'bounds';
  const ahead = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const event = (n: number, at?: string) => {
    const value = JSON.parse(webRequest(n, 0)) as object;
    return JSON.stringify(at === undefined ? value : { ...value, event_time: at });
  };
  await createTopic(addressOf(broker), topic, 1);
  const send = (values: string[]) =>
    sendRecords(
      addressOf(broker),
      topic,
      values.map((value) => ({ value })),
    );
  const shop = await Workshop.open(setupOf(topic));
  shops.push(shop);
  // The first load refuses what lies ahead and marks the hour; the second finds it closed.
  await send([event(0), event(1), 'not json', event(2, ahead(2)), event(3)]);
  await shop.load(topic, { loader: { eventTimeMaxAheadMs: 0 } });
  await send([event(4), event(5), '{"half":']);
  await shop.load(topic, { loader: { lateHorizonHours: 0 } });
  const where = () => {
    const refused = quarantineLines(shop.warehouse, topic).map(({ offset, reason }) => [offset, reason]);
    const late = everything(shop, topic).filter((path) => path.endsWith('.parquet.late'));
    return { refused: refused.sort((a, b) => Number(a[0]) - Number(b[0])), late: late.length };
  };
  const [rows, places] = [await rowsOf(shop, topic), where()];
  expect(rows.map(({ _offset }) => Number(_offset))).toEqual([0, 1, 4]);
  expect(places.refused.map(([offset]) => offset)).toEqual([2, 3, 7]);
  expect(places.late).toBe(1);
  for (const range of [offsets(0, 0, 8), offsets(0, 1, 6), offsets(0, 3, 7)]) {
    const { read } = await shop.replay(topic, range, { loader: { lateHorizonHours: 0 } });
    expect(read).toBeGreaterThan(0);
    expect(await rowsOf(shop, topic)).toEqual(rows);
    const now = where();
    expect(now.refused).toEqual(places.refused);
    expect(await lateOffsets(shop, topic)).toEqual([5, 6]);
  }
});

/** Offsets in late files. */
async function lateOffsets({ warehouse }: Workshop, topic: string): Promise<number[]> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const glob = join(warehouse, topic, '_late/dt=*/hour=*/*.parquet.late');
  const reader = await connection.runAndReadAll(
    `SELECT _offset::INTEGER AS o FROM read_parquet('${glob}') ORDER BY o`,
  );
  return reader.getRowObjects().map(({ o }) => Number(o));
}

describe('a replay of one day among many of hourly commits', { timeout: 3_600_000 }, () => {
  const TOPIC = 'month';
  /** A month by REPLAY_TEST_DAYS=30, which takes minutes: .ci/run has a step for it. */
  const DAYS = Number(process.env['REPLAY_TEST_DAYS'] ?? 4);
  const [PER_HOUR, PARTITIONS, LAST_HOURS] = [4, 2, 20];
  const REPLAYED = Math.floor(DAYS / 2);
  const FIRST = Date.UTC(2026, 2, 1);
  const HOUR_MS = 3_600_000;
  const day = (n: number) => new Date(FIRST + n * 24 * HOUR_MS).toISOString().slice(0, 10);
  let shop: Workshop;
  beforeAll(async () => {
    await createTopic(addressOf(broker), TOPIC, PARTITIONS);
    shop = await Workshop.open(setupOf(TOPIC));
    shops.push(shop);
    const records = Array.from({ length: DAYS * 24 * PER_HOUR * PARTITIONS }, (_, n): TestRecord => {
      const hour = Math.floor(n / PER_HOUR / PARTITIONS);
      return { value: webRequest(n, hour), partition: n % PARTITIONS, timestampMs: FIRST + hour * HOUR_MS };
    });
    await sendRecords(addressOf(broker), TOPIC, records);
    for (let hour = 1; hour <= DAYS * 24; hour++) await shop.load(TOPIC, { untilMs: FIRST + hour * HOUR_MS });
    await shop.load(TOPIC);
  }, 3_600_000);

  const aggregated = async () => {
    const at = ['--broker', addressOf(broker), '--warehouse', `file:${shop.warehouse}`];
    const days = ['--from', `${day(REPLAYED)}T00`, '--to', `${day(REPLAYED)}T23`];
    const query = ['--query', 'traffic_by_hour', '--query', 'sessions_by_hour'];
    const { status, stdout } = await runCli([
      'aggregate',
      '--topic',
      TOPIC,
      '--json',
      ...query,
      ...days,
      ...at,
    ]);
    const { queries, rows } = JSON.parse(stdout) as { queries: { computed: number }[]; rows: unknown };
    return { status, computed: queries.map(({ computed }) => computed), rows };
  };

  test('changes only files of that day, its aggregates rerun to the same numbers, and undo restores them', async () => {
    const [rows, files, marks] = [await rowsOf(shop, TOPIC), filesOf(shop, TOPIC), marked(shop, TOPIC)];
    expect([rows.length, files.size, marks.length]).toEqual([
      DAYS * 24 * PER_HOUR * PARTITIONS,
      DAYS * 24 * PARTITIONS,
      DAYS * 24,
    ]);
    const before = await aggregated();
    expect(before).toMatchObject({ status: 0, computed: [24, 24] });
    const midnight = (n: number) => ({ timeMs: FIRST + n * 24 * HOUR_MS });
    const done = await shop.replay(TOPIC, { from: midnight(REPLAYED), to: midnight(REPLAYED + 1) });
    expect(done).toMatchObject({ read: 24 * PER_HOUR * PARTITIONS, filesRemoved: 48, filesAdded: 48 });
    expect(done.hours).toHaveLength(24);
    expect(done.marked).toEqual(done.hours);
    const after = filesOf(shop, TOPIC);
    const isOfDay = (name: string) => name.startsWith(`dt=${day(REPLAYED)}/`);
    for (const [name, bytes] of files) expect(after.get(name), name).toBe(isOfDay(name) ? undefined : bytes);
    expect([...after.keys()].filter((name) => !files.has(name)).every(isOfDay)).toBe(true);
    expect(await rowsOf(shop, TOPIC)).toEqual(rows);
    expect(marked(shop, TOPIC)).toEqual(marks);
    // The hours that look back one hour are computed anew too: those of this day.
    expect(await aggregated()).toEqual(before);
    await shop.undo(TOPIC, done.rewrite);
    expect(await rowsOf(shop, TOPIC)).toEqual(rows);
    expect([...filesOf(shop, TOPIC).values()].sort()).toEqual([...files.values()].sort());
    expect(marked(shop, TOPIC)).toEqual(marks);
    expect(await aggregated()).toEqual(before);
  });

  test('beside a compaction of that day and of another changes none of these numbers', async () => {
    const [rows, marks, before] = [await rowsOf(shop, TOPIC), marked(shop, TOPIC), await aggregated()];
    const compacting = async () => {
      for (const hour of [`${day(REPLAYED)}T05`, `${day(REPLAYED - 1)}T05`]) {
        const at = ['--broker', addressOf(broker), '--warehouse', `file:${shop.warehouse}`];
        const { status, stderr } = await runCli(['compact', '--topic', TOPIC, '--hour', hour, ...at]);
        expect([status, stderr]).toEqual([0, '']);
      }
    };
    const midnight = (n: number) => ({ timeMs: FIRST + n * 24 * HOUR_MS });
    const selection = { from: midnight(REPLAYED), to: midnight(REPLAYED + 1) };
    await Promise.all([shop.replay(TOPIC, selection, { warn: () => {} }), compacting()]);
    await shop.load(TOPIC);
    expect(await rowsOf(shop, TOPIC)).toEqual(rows);
    expect(marked(shop, TOPIC)).toEqual(marks);
    expect((await aggregated()).rows).toEqual(before.rows);
  });

  test('by a run begins with the first offset that the run committed', async () => {
    const chain = JSON.parse(
      readFileSync(
        join(
          shop.warehouse,
          TOPIC,
          '_loader/commits/p=00001/g=000000',
          `${String((DAYS * 24 - LAST_HOURS) * PER_HOUR).padStart(20, '0')}.json`,
        ),
        'utf8',
      ),
    ) as { run: string };
    const preview = await shop.preview(TOPIC, { from: { run: chain.run } });
    const range = {
      from: (DAYS * 24 - LAST_HOURS) * PER_HOUR,
      until: DAYS * 24 * PER_HOUR,
      filesRemoved: LAST_HOURS,
      filesCut: 0,
    };
    expect(preview.partitions).toMatchObject([range, range]);
    await expect(shop.preview(TOPIC, { from: { run: 'none' } })).rejects.toThrow(
      'no commit of run none is in the chains',
    );
  });
});

test('a file that a compaction merged from several partitions is cut, and rows of the others are carried over', {
  timeout: 300_000,
}, async () => {
  const topic = 'merged';
  const spread = (from: number, until: number) =>
    group(from, until, 2).map((record, i) => ({ ...record, partition: i % 3 }));
  const shop = await loaded(topic, [spread(0, 60), spread(60, 120)], 3);
  const [rows, marks] = [await rowsOf(shop, topic), marked(shop, topic)];
  const at = ['--broker', addressOf(broker), '--warehouse', `file:${shop.warehouse}`];
  expect((await runCli(['compact', '--topic', topic, ...at])).status).toBe(0);
  const merged = filesOf(shop, topic);
  expect(merged.size).toBe(2);
  // Partition 0 goes, so the rest belongs to partition 1; then a part of partition 1 goes from both.
  const first = await shop.replay(topic, { partition: 0, from: { offset: 0 } });
  expect(first.filesRemoved).toBe(2);
  expect(await rowsOf(shop, topic)).toEqual(rows);
  const second = await shop.replay(topic, offsets(1, 7, 25));
  expect(second.filesRemoved).toBe(2);
  expect(await rowsOf(shop, topic)).toEqual(rows);
  expect(marked(shop, topic)).toEqual(marks);
  await shop.undo(topic, second.rewrite);
  await shop.undo(topic, first.rewrite);
  expect([...filesOf(shop, topic).values()].sort()).toEqual([...merged.values()].sort());
  expect(await rowsOf(shop, topic)).toEqual(rows);
  await shop.undo(topic, 1); // the compaction of one of the two hours
  expect(await rowsOf(shop, topic)).toEqual(rows);
});

describe('beside other runs', { timeout: 300_000 }, () => {
  const names = (shop: Workshop, topic: string) =>
    readdirSync(join(shop.warehouse, topic, '_loader/rewrites/g=000000')).sort();

  test('two replays of one range both take place, one after the other', async () => {
    const topic = 'twice';
    const shop = await loaded(topic, [group(0, 40, 2), group(40, 80, 2)]);
    const rows = await rowsOf(shop, topic);
    const both = await Promise.all([
      shop.replay(topic, offsets(0, 10, 60), { warn: () => {} }),
      shop.replay(topic, offsets(0, 10, 60), { warn: () => {} }),
    ]);
    expect(both.map(({ rewrite }) => rewrite).sort()).toEqual([1, 2]);
    expect(names(shop, topic)).toEqual(['00000001.json', '00000002.json', 'base.json']);
    expect(await rowsOf(shop, topic)).toEqual(rows);
    await shop.load(topic);
    expect(marked(shop, topic)).toHaveLength(2);
    expect(filesStagedOf(shop, topic)).toEqual([]);
  });

  test('a replay and loads leave every row once', async () => {
    const topic = 'beside';
    const shop = await loaded(topic, [group(0, 40, 2)]);
    const expected = new Map<number, number>();
    for (let round = 1; round <= 4; round++) {
      await sendRecords(addressOf(broker), topic, group(round * 40, (round + 1) * 40, 2));
      const quiet = { warn: () => {} };
      await Promise.all([shop.load(topic, quiet), shop.replay(topic, offsets(0, 5, round * 40), quiet)]);
      expected.set(round, (round + 1) * 40);
      const [found] = await queryTable(
        shop.warehouse,
        topic,
        'SELECT count(*)::INTEGER AS n, count(DISTINCT _offset)::INTEGER AS d, max(_offset)::INTEGER AS last FROM TABLE',
      );
      const all = (round + 1) * 40;
      expect(found).toEqual({ n: all, d: all, last: all - 1 });
    }
    await shop.load(topic);
    expect(marked(shop, topic)).toHaveLength(2);
    expect(filesStagedOf(shop, topic)).toEqual([]);
  });
});
