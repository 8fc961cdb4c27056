import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bringUpToDate } from '../../../jobs/aggregate.ts';
import type { HourState, TopicHours } from '../../../jobs/aggregate-plan.ts';
import { aggregateFile, readNewestRecord } from '../../../jobs/aggregate-record.ts';
import { DuckDbEngine } from '../../../jobs/engine/duckdb.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { openDuckDb, readRows, type WebEvent, writeEvents } from '../../support/event-files.ts';

const TOPIC = 'web_request';
const QUERY = 'sessions_by_hour';
const H12 = '2026-11-22T12';
const H13 = '2026-11-22T13';

let root: string;
let duckdb: DuckDBConnection;
let engine: DuckDbEngine;
let warehouses = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'aggregate-'));
  duckdb = await openDuckDb();
  engine = await DuckDbEngine.open({
    memoryBytes: 128 * 1024 * 1024,
    temporaryDirectory: join(root, 'spill'),
  });
});
afterAll(async () => {
  duckdb.closeSync();
  await engine[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

/** A warehouse whose table is set by hand. */
class Warehouse {
  readonly store: DirectoryStore;
  hours: TopicHours = new Map();
  #files = 0;

  constructor(store: DirectoryStore) {
    this.store = store;
  }

  static async open(): Promise<Warehouse> {
    return new Warehouse(await DirectoryStore.open(join(root, `w${++warehouses}`)));
  }

  /** Adds a file with these events to an hour; the state of the table after that, not set yet. */
  async with(hour: string, ...events: WebEvent[]): Promise<TopicHours> {
    const path = `${TOPIC}/dt=${hour.slice(0, 10)}/hour=${hour.slice(11)}/f${++this.#files}.parquet`;
    await writeEvents(duckdb, this.store.readablePath(path), events);
    const entry = await this.store.stat(path);
    const { marker, files, rewriteSeq }: HourState = this.hours.get(hour) ?? {
      marker: 0,
      rewriteSeq: 0,
      files: [],
    };
    const file = { path, rows: events.length, bytes: entry!.size };
    return new Map([...this.hours, [hour, { marker: marker! + 1, rewriteSeq, files: [...files, file] }]]);
  }

  async run(store: Store = this.store, hours: () => TopicHours = () => this.hours, queries = [QUERY]) {
    return await bringUpToDate(
      {
        store,
        topic: TOPIC,
        engine,
        localDirectory: root,
        now: () => 0,
        log: pino({ level: 'silent' }),
        queries,
      },
      async () => hours(),
    );
  }

  /** Sessions by host of an hour as a reader finds them; undefined: no file. */
  async sessions(hour: string): Promise<unknown> {
    const path = this.store.readablePath(aggregateFile(QUERY, TOPIC, hour));
    const [row] = await readRows(duckdb, [path]);
    return row?.['sessions_by_host'] ?? 'no rows';
  }

  /** Computes again until nothing is to do, which is at once; returns what the first run computed. */
  async settle(): Promise<number | undefined> {
    const { queries, unsettled } = await this.run();
    expect(unsettled).toEqual([]);
    expect((await this.run()).queries[0]?.computed).toBe(0);
    return queries[0]?.computed;
  }
}

const at = (hour: string, minute: string, host: string): WebEvent => ({ at: `${hour}:${minute}:00Z`, host });

test('hours are computed once, again when they change, and handed on to the hour that looks back', async () => {
  const w = await Warehouse.open();
  w.hours = await w.with(H12, at(H12, '00', 'a'));
  w.hours = await w.with(H13, at(H13, '10', 'a'));
  expect(await w.settle()).toBe(2);
  expect([await w.sessions(H12), await w.sessions(H13)]).toEqual([1, 1]);
  w.hours = await w.with(H12, at(H12, '50', 'a'));
  expect(await w.settle()).toBe(2);
  expect([await w.sessions(H12), await w.sessions(H13)]).toEqual([2, 0]);
  w.hours = await w.with(H13, at(H13, '11', 'b'));
  expect(await w.settle()).toBe(1);
  expect(await w.sessions(H13)).toBe(1);
  const directory = w.store.readablePath(aggregateFile(QUERY, TOPIC, H13)).replace(/[/][^/]*$/, '');
  expect(await readdir(directory)).toHaveLength(1);
  expect((await readNewestRecord(w.store, TOPIC, QUERY, H13)).n).toBe(3);
});

test('an empty complete hour has a record and a file without rows', async () => {
  const w = await Warehouse.open();
  w.hours = new Map([[H12, { marker: 1, rewriteSeq: 0, files: [] }]]);
  expect(await w.settle()).toBe(1);
  expect(await w.sessions(H12)).toBe('no rows');
  expect((await readNewestRecord(w.store, TOPIC, QUERY, H12)).record).toMatchObject({
    rows: 0,
    inputs: [{}, {}],
  });
});

test('a file that was deleted or replaced by hand is computed again, and so is one whose record is damaged', async () => {
  const w = await Warehouse.open();
  w.hours = await w.with(H12, at(H12, '00', 'a'));
  await w.settle();
  const file = aggregateFile(QUERY, TOPIC, H12);
  await w.store.remove(file);
  expect(await w.settle()).toBe(1);
  const zeros = Buffer.alloc((await w.store.stat(file))!.size);
  await w.store.remove(file);
  await w.store.create(file, zeros);
  expect(await w.settle()).toBe(1);
  const { n } = await readNewestRecord(w.store, TOPIC, QUERY, H12);
  await w.store.create(
    `${TOPIC}/_loader/queries/${QUERY}/${H12}/${String(n + 1).padStart(6, '0')}.json`,
    '{',
  );
  expect(await w.settle()).toBe(1);
  expect(await w.sessions(H12)).toBe(1);
});

const CHANGES = ['upload', 'create', 'makeDirectory', 'overwrite', 'publish', 'remove'];

/** A store that calls `meddle` before or after its `k`th change. */
function meddledStore(store: Store, k: number, when: 'before' | 'after', meddle: () => Promise<void>): Store {
  let count = 0;
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!CHANGES.includes(String(name))) return value.bind(target);
      return async (...args: unknown[]) => {
        const mine = ++count === k;
        if (mine && when === 'before') await meddle();
        const result: unknown = await Reflect.apply(value, target, args);
        if (mine && when === 'after') await meddle();
        return result;
      };
    },
  });
}

/** As many changes as one computed hour makes to the store. */
const STEPS = Array.from({ length: CHANGES.length }, (_, i) => i + 1);
const POINTS = STEPS.flatMap((k) => [[k, 'before'] as const, [k, 'after'] as const]);

test.each(POINTS)(
  'a run killed at change %i (%s) leaves nothing wrong after the next run',
  async (k, when) => {
    const w = await Warehouse.open();
    w.hours = await w.with(H13, at(H13, '00', 'a'));
    await w.settle();
    w.hours = await w.with(H13, at(H13, '00', 'b'));
    let dead = false;
    const dying = meddledStore(w.store, k, when, async () => {
      dead = true;
      await new Promise(() => {});
    });
    const run = w.run(dying);
    // A killed process never answers: the run is left hanging where it stands.
    for (let i = 0; i < 400 && !dead; i++) {
      const ended = await Promise.race([run.then(() => true), new Promise((r) => setTimeout(r, 5, false))]);
      if (ended) break;
    }
    await w.settle();
    expect(await w.sessions(H13)).toBe(2);
    const names = await readdir(w.store.readablePath(`${TOPIC}/_loader/queries/${QUERY}/${H13}`));
    expect(names.filter((name) => name.endsWith('.staged'))).toEqual([]);
  },
);

test.each(POINTS)(
  'a stalled run with old state, overtaken at change %i (%s), does no harm',
  async (k, when) => {
    const w = await Warehouse.open();
    const old = await w.with(H13, at(H13, '00', 'a'));
    w.hours = old;
    w.hours = await w.with(H13, at(H13, '00', 'b'));
    let state: TopicHours = old;
    const stalled = meddledStore(w.store, k, when, async () => {
      await w.run();
      state = w.hours;
    });
    const { unsettled } = await w.run(stalled, () => state);
    expect(unsettled).toEqual([]);
    await w.settle();
    expect(await w.sessions(H13)).toBe(2);
  },
);

test('a stalled run that dies after it put an old file over a newer one is found out', async () => {
  const w = await Warehouse.open();
  const old = await w.with(H13, at(H13, '00', 'a'));
  w.hours = old;
  w.hours = await w.with(H13, at(H13, '00', 'b'));
  const stalled = new Proxy(w.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name === 'upload')
        return async (from: string, to: string) => {
          const bytes = await target.upload(from, to);
          await w.run();
          return bytes;
        };
      if (name === 'publish')
        return async () => {
          throw new Error('killed');
        };
      if (name === 'read') return async () => undefined;
      return value.bind(target);
    },
  });
  await expect(w.run(stalled, () => old)).rejects.toThrow('killed');
  expect(await w.sessions(H13)).toBe(1);
  expect(await w.settle()).toBe(1);
  expect(await w.sessions(H13)).toBe(2);
});

test('an hour whose file is away is left for later, the others are computed', async () => {
  const w = await Warehouse.open();
  w.hours = await w.with('2026-11-22T10', at('2026-11-22T10', '00', 'a'));
  w.hours = await w.with(H13, at(H13, '00', 'a'));
  const away = w.hours.get(H13)!.files[0]!.path;
  await w.store.makeDirectory('aside');
  await w.store.move(away, 'aside/file');
  const result = await w.run();
  expect(result.unsettled).toEqual([{ query: QUERY, hour: H13 }]);
  expect(result.queries).toMatchObject([{ computed: 1 }]);
  await w.store.move('aside/file', away);
  expect(await w.settle()).toBe(1);
});

test('progress is told hour by hour, and an aborted run stops', async () => {
  const w = await Warehouse.open();
  w.hours = await w.with(H12, at(H12, '00', 'a'));
  w.hours = await w.with(H13, at(H13, '00', 'a'));
  const options = {
    store: w.store,
    topic: TOPIC,
    engine,
    localDirectory: root,
    now: () => 0,
    log: pino({ level: 'silent' }),
  };
  const abort = new AbortController();
  abort.abort(new Error('stopped'));
  await expect(bringUpToDate({ ...options, signal: abort.signal }, async () => w.hours)).rejects.toThrow(
    'stopped',
  );
  const seen: [number, number][] = [];
  await bringUpToDate({ ...options, onProgress: (...at) => seen.push(at) }, async () => w.hours);
  expect(seen.at(-1)).toEqual([18, 18]);
  await expect(bringUpToDate({ ...options, from: '2026-11-22' }, async () => w.hours)).rejects.toThrow(
    'is no hour',
  );
});
