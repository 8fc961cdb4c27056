/**
 * A replay, and an undo, that die after every single store operation they do; then a recovery and a judge, as any later
 * run does them. Whatever happened, no row is ever visible twice, a marked hour is whole, and in the end every row is
 * there once with the values it had, whichever version of its file the log has made live.
 */
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { openStore } from '../../loader/store/open-store.ts';
import type { Store } from '../../loader/store/store.ts';
import { webRequest } from '../support/events.ts';
import {
  listing,
  quarantineLines,
  queryTable,
  visibleFiles,
  visibleOffsets,
} from '../support/foreign-eyes.ts';
import { createTopic, sendRecords, setupSettings } from '../support/load-topic.ts';
import { inPlace, offsets, Workshop } from '../support/replay-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { StoppingStore, type Trouble } from '../support/stopping-store.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'web_request';
const [ROWS, HOURS] = [40, 2];
/** More operations than any replay here does. */
const MOST_OPERATIONS = 150;
const [FROM, UNTIL] = [5, 33];

let dir: TempDir;
let broker: Broker;
let shop: Workshop;
const setupOf = (warehouse: string) => ({ address: addressOf(broker), warehouse });
const template = () => dir.join('template');
beforeAll(async () => {
  dir = new TempDir('replay-stops');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, 1);
  shop = await Workshop.open(setupOf(template()));
  const value = (n: number) => (n % 10 === 9 ? 'not json' : webRequest(n, n % HOURS));
  for (const from of [0, ROWS / 2]) {
    const group = Array.from({ length: ROWS / 2 }, (_, i) => ({
      value: value(from + i),
      timestampMs: Date.UTC(2026, 2, 1),
    }));
    await sendRecords(addressOf(broker), TOPIC, group);
    await shop.load(TOPIC);
  }
}, 120_000);
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

const rowsOf = (warehouse: string) =>
  queryTable(warehouse, TOPIC, 'SELECT * FROM TABLE ORDER BY _partition, _offset');
const refusedOf = (warehouse: string) =>
  quarantineLines(warehouse, TOPIC)
    .map((line) => JSON.stringify(line))
    .sort();
const marked = (warehouse: string) => listing(warehouse, TOPIC).filter((path) => path.endsWith('/_SUCCESS'));

/** What readers see after a stop: no row twice, and a marker only on an hour that is whole. */
async function expectHonest(warehouse: string): Promise<void> {
  for (const { rows, distinct } of await visibleOffsets(warehouse, TOPIC)) expect(rows).toBe(distinct);
  const refused = refusedOf(warehouse);
  expect(new Set(refused).size).toBe(refused.length);
  for (const path of marked(warehouse)) {
    const marker = JSON.parse(readFileSync(join(warehouse, TOPIC, path), 'utf8')) as {
      hour: string;
      rows: number;
    };
    const own = visibleFiles(warehouse, TOPIC).filter((name) =>
      name.startsWith(path.slice(0, path.lastIndexOf('/'))),
    );
    expect(own.length, path).toBeGreaterThan(0);
    const [found] = await queryTable(
      warehouse,
      TOPIC,
      `SELECT count(*)::INTEGER AS n FROM TABLE WHERE dt || 'T' || hour = '${marker.hour}'`,
    );
    expect(found!.n, path).toBe(marker.rows);
  }
}

type Step = (store: Store, warehouse: string) => Promise<unknown>;

/** One trial: the step meets its end at one operation; then a load without anything to read puts everything right. */
async function trial(from: string, step: Step, at: number, trouble: Trouble): Promise<string | undefined> {
  const warehouse = dir.join('trial');
  rmSync(warehouse, { recursive: true, force: true });
  cpSync(from, warehouse, { recursive: true });
  await using own = await openStore(setupSettings(setupOf(warehouse)));
  const store = new StoppingStore(own, (_, index) => index === at, trouble);
  await step(store, warehouse).catch(() => {});
  if (store.met === undefined) return undefined;
  await store.settled();
  try {
    await expectHonest(warehouse);
    await shop.load(TOPIC, inPlace(own, warehouse));
    await expectHonest(warehouse);
    expect(await rowsOf(warehouse)).toEqual(await rowsOf(template()));
    expect(refusedOf(warehouse)).toEqual(refusedOf(template()));
    expect(marked(warehouse)).toEqual(marked(template()));
    expect(unnamed(warehouse)).toEqual([]);
  } catch (cause) {
    throw new Error(`${trouble} ${store.met}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  return store.met;
}

/** Visible files that no record names: none may be left. */
function unnamed(warehouse: string): string[] {
  const records = listing(warehouse, TOPIC).filter((path) =>
    /_loader\/(commits|rewrites)\/.*\d\.json$/.test(path),
  );
  const text = records.map((path) => readFileSync(join(warehouse, TOPIC, path), 'utf8')).join('\n');
  return visibleFiles(warehouse, TOPIC).filter((name) => !text.includes(name));
}

async function tryAll(from: string, step: Step, trouble: Trouble): Promise<Set<string | undefined>> {
  const kinds = new Set<string | undefined>();
  for (let at = 0; at < MOST_OPERATIONS; at++) {
    const met = await trial(from, step, at, trouble);
    if (met === undefined) break;
    kinds.add(met.split(' ')[0]);
  }
  return kinds;
}

const EVERY_KIND = 'create makeDirectory move overwrite publish remove sync upload'.split(' ');
const replaying: Step = async (store, warehouse) =>
  await shop.replay(TOPIC, offsets(0, FROM, UNTIL), inPlace(store, warehouse));
const undoing: Step = async (store, warehouse) => await shop.undo(TOPIC, 1, inPlace(store, warehouse));

test('a replay that dies after any operation is made good by the next run', {
  timeout: 900_000,
}, async () => {
  expect([...(await tryAll(template(), replaying, 'dies after'))].sort()).toEqual(EVERY_KIND);
});

test('so is an undo', { timeout: 900_000 }, async () => {
  const replayed = dir.join('replayed');
  cpSync(template(), replayed, { recursive: true });
  expect(existsSync(replayed)).toBe(true);
  await using store = await openStore(setupSettings(setupOf(replayed)));
  await replaying(store, replayed);
  expect([...(await tryAll(replayed, undoing, 'dies after'))].sort()).toEqual(
    EVERY_KIND.filter((kind) => kind !== 'upload'),
  );
});
