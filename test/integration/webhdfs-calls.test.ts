/**
 * What a load costs the NameNode, counted over a made-up HDFS that every call passes through, and what becomes of uploads
 * under way when a load ends early.
 */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { RecoveredTopic } from '../../loader/recover.ts';
import { rewriteTopic } from '../../loader/rewrite-topic.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { FIRST_DAY, webRequest } from '../support/events.ts';
import { FakeWebHdfs } from '../support/fake-webhdfs.ts';
import {
  createTopic,
  type LoadSetup,
  loadTopics,
  sendRecords,
  setupSettings,
} from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

/** Calls per partition and per file. Of those per partition one is the look for a later generation after a name was won. */
const [PER_PARTITION, PER_FILE] = [13, 3];
/** Of those per partition of a chain that has records, where nothing new is to be loaded; and where the load before saw none either. */
const [PER_EMPTY_PARTITION, PER_IDLE_PARTITION] = [6, 2];
/** Of a load, for the warehouse itself. */
const PER_LOAD = 2;
/** And what the aim has no word for: once per new hour directory, per hour marked complete, and per run of a topic. */
const [PER_DIRECTORY, PER_MARK, PER_RUN] = [1, 9, 22];

const REWRITES = 6;
const HOUR_MS = 3_600_000;
/** Of tables whose hours are not to be marked: longer than any of their hours is past. */
const GRACE_MS = 24 * HOUR_MS;

let dir: TempDir;
let broker: Broker;
let address: string;
beforeAll(async () => {
  dir = new TempDir('webhdfs-calls');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

interface Shape {
  partitions: number;
  hours: number;
}

/** A topic and its warehouse. `isMarking`: hours are complete as soon as they are loaded; else none ever is. */
async function prepare(topic: string, { partitions }: Shape, isMarking: boolean) {
  const fake = await FakeWebHdfs.start({ dialect: 'webhdfs', pageEntries: 1_000 });
  await createTopic(address, topic, partitions);
  const setup: LoadSetup = {
    address,
    warehouse: fake.url(),
    topics: { [topic]: { schema: 'web_request' } },
    loader: { workers: 1, graceMs: isMarking ? 0 : GRACE_MS, spoolDir: dir.join(`spool-${topic}`) },
  };
  return { fake, setup, topic };
}

/** Loads what one sends of these events; the calls it cost. */
async function cost(
  { fake, setup, topic }: Awaited<ReturnType<typeof prepare>>,
  shape: Shape,
  from = 0,
): Promise<number> {
  const rows = shape.partitions * shape.hours * 2;
  await sendRecords(address, topic, eventsOf(shape, from));
  fake.seen.length = 0;
  const result = await loadTopics(setup, topic);
  expect(result).toMatchObject({ rows, files: shape.partitions * shape.hours });
  return fake.nameNodeOps.length;
}

/** Two events for each hour of each partition; the hours are the last ones that have passed. */
function* eventsOf({ partitions, hours }: Shape, from: number) {
  const firstHour = Math.floor((Date.now() - Date.parse(FIRST_DAY)) / HOUR_MS) - hours;
  for (let partition = 0; partition < partitions; partition++)
    for (let n = from; n < from + hours * 2; n++)
      yield { value: webRequest(n, firstHour + (n % hours)), partition };
}

it('a first load asks at most 13 times per partition, 3 times per file, and once per new hour', async () => {
  const costs: Record<string, number> = {};
  for (const shape of [
    { partitions: 1, hours: 1 },
    { partitions: 5, hours: 1 },
    { partitions: 5, hours: 4 },
  ]) {
    const name = `p${shape.partitions}-h${shape.hours}`;
    const table = await prepare(name, shape, false);
    await using _fake = table.fake;
    costs[name] = await cost(table, shape);
  }
  const { 'p1-h1': one = 0, 'p5-h1': wide = 0, 'p5-h4': deep = 0 } = costs;
  expect((wide - one) / 4).toBeLessThanOrEqual(PER_PARTITION + PER_FILE);
  expect((deep - wide) / 3).toBeLessThanOrEqual(5 * PER_FILE + PER_DIRECTORY);
  expect(one).toBeLessThanOrEqual(PER_RUN + PER_PARTITION + PER_FILE + PER_DIRECTORY);
});

it('an hourly load asks no more often, however long the chains are', async () => {
  const shape = { partitions: 4, hours: 1 };
  const table = await prepare('hourly', shape, false);
  await using _fake = table.fake;
  const costs: number[] = [];
  for (let load = 0; load < 8; load++) costs.push(await cost(table, shape, load * 2));
  expect(new Set(costs.slice(2)).size).toBe(1);
  expect(costs.at(-1)).toBeLessThanOrEqual(
    PER_RUN + shape.partitions * (PER_PARTITION + PER_FILE) + PER_DIRECTORY,
  );

  // On a machine that has not loaded this table before every record is read, once.
  const elsewhere = { ...table.setup, loader: { ...table.setup.loader, spoolDir: dir.join('elsewhere') } };
  const rows = await cost({ ...table, setup: elsewhere }, shape, 16);
  expect(rows).toBe(costs.at(-1)! + shape.partitions * 7);
});

it('a load of many topics asks as often of each as a load of one, and of an idle partition twice', async () => {
  const shape = { partitions: 4, hours: 1 };
  const first = await prepare('many-0', shape, false);
  await using fake = first.fake;
  const names = ['many-0', 'many-1', 'many-2'];
  for (const name of names.slice(1)) await createTopic(address, name, shape.partitions);
  const topics = Object.fromEntries(names.map((name) => [name, { schema: 'web_request' }]));
  const load = async (loads: number, filled: readonly string[]) => {
    for (const name of filled) await sendRecords(address, name, eventsOf(shape, loads * 2));
    fake.seen.length = 0;
    const { files } = await loadTopics({ ...first.setup, topics }, names);
    expect(files).toBe(filled.length * shape.partitions);
    return fake.nameNodeOps.length;
  };
  const ofLoaded = PER_RUN + shape.partitions * (PER_PARTITION - 1 + PER_FILE) + PER_DIRECTORY;
  const ofEmpty = PER_RUN + shape.partitions * PER_EMPTY_PARTITION;
  const ofIdle = PER_RUN + shape.partitions * PER_IDLE_PARTITION;
  fake.namespace.directoriesAgeMs = HOUR_MS; // between two loads
  await load(0, names);
  expect(await load(1, names)).toBeLessThanOrEqual(PER_LOAD + names.length * ofLoaded);
  expect(await load(2, names.slice(1))).toBeLessThanOrEqual(PER_LOAD + 2 * ofLoaded + ofEmpty);
  expect(await load(3, [])).toBeLessThanOrEqual(PER_LOAD + ofIdle + 2 * ofEmpty);
  expect(await load(4, [])).toBeLessThanOrEqual(PER_LOAD + names.length * ofIdle);
  expect(await load(5, names)).toBeLessThanOrEqual(PER_LOAD + names.length * ofLoaded);
});

it('an hourly load asks no more often, however many rewrites there were', async () => {
  const shape = { partitions: 1, hours: 1 };
  const table = await prepare('rewritten', shape, false);
  await using _fake = table.fake;
  await using store = await openStore(setupSettings(table.setup));
  const fences = async () => {
    const own = new RecoveredTopic(store, table.topic);
    const by = { run: 'fences', now: Date.now };
    for (let n = 0; n < REWRITES; n++)
      await rewriteTopic(own, by, async () => ({ kind: 'fence', removes: [], adds: [] }));
  };
  let load = 0;
  const next = () => cost(table, shape, load++ * 2);
  for (let n = 0; n < 3; n++) await next();
  const costs: number[] = [];
  for (let round = 0; round < 2; round++) {
    await fences();
    await next(); // reads them, once
    costs.push(await next());
  }
  expect(costs[1]).toBe(costs[0]);
});

it('an hour that is marked complete costs nine calls', async () => {
  const shape = { partitions: 1, hours: 4 };
  const marking = await prepare('marking', shape, true);
  const plain = await prepare('plain', shape, false);
  await using _fakes = new AsyncDisposableStack();
  _fakes.use(marking.fake);
  _fakes.use(plain.fake);
  const marked = await cost(marking, shape);
  const marks = marking.fake.nameNodeOps.filter((op) => op === 'LISTSTATUS_BATCH').length;
  expect(marks).toBeGreaterThan(2 * shape.hours);
  expect(marked - (await cost(plain, shape))).toBeLessThanOrEqual(shape.hours * PER_MARK + 1);
});

it('a load that is stopped leaves no upload behind that would write to staging after it was removed', async () => {
  const shape = { partitions: 1, hours: 12 };
  const { fake, setup, topic } = await prepare('stopped', shape, false);
  await using _fake = fake;
  await sendRecords(address, topic, eventsOf(shape, 0));
  const stop = new AbortController();
  let held = 0;
  fake.hold = async ({ server, op, path }) => {
    if (!server.startsWith('dn') || op !== 'CREATE' || !path.endsWith('.staged')) return;
    held++;
    stop.abort(new Error('stopped'));
    await new Promise((resolve) => {
      setTimeout(resolve, 150);
    });
  };
  await expect(loadTopics(setup, topic, { signal: stop.signal })).rejects.toThrow('stopped');
  expect(held).toBeGreaterThan(0);
  const asked = fake.seen.length;
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  expect(fake.seen.length).toBe(asked);
  expect([...fake.namespace.filesBelow(`/warehouse/${topic}/_loader/staging`)]).toEqual([]);
  expect(readdirSync(dir.join(`spool-${topic}`))).toEqual([]);
});

it('several uploads are under way while further files are written, and their names stay in order', async () => {
  const shape = { partitions: 1, hours: 12 };
  const { fake, setup, topic } = await prepare('overlap', shape, false);
  await using _fake = fake;
  await sendRecords(address, topic, eventsOf(shape, 0));
  let [under, most] = [0, 0];
  fake.hold = async ({ server, op, path }) => {
    if (!server.startsWith('dn') || op !== 'CREATE' || !path.endsWith('.staged')) return;
    most = Math.max(most, ++under);
    // The earlier of two is the slower.
    await new Promise((resolve) => {
      setTimeout(resolve, path.endsWith('0.staged') ? 120 : 40);
    });
    under--;
  };
  expect(await loadTopics(setup, topic)).toMatchObject({ rows: 24, files: 12 });
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(4);
  const files = [...fake.namespace.filesBelow(`/warehouse/${topic}`)]
    .flatMap(([path]) => /dt=(.*)\/hour=(\d\d)\/.*-(\d{3})\.parquet$/.exec(path)?.slice(1).join(' ') ?? [])
    .sort();
  expect(files.map((file) => Number(file.slice(-3)))).toEqual(Array.from({ length: 12 }, (_, i) => i));
});
