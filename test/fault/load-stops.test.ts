/**
 * A load that stops at every single store operation it does, one run per operation; or one answer of the store gets lost, or
 * one call is refused, one run per kind of operation; then an untroubled load. Whatever happened, each record must be in the table once, refused ones in the quarantine once, and nothing else.
 */
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { webRequest } from '../support/events.ts';
import {
  listing,
  quarantineLines,
  queryTable,
  visibleFiles,
  visibleOffsets,
} from '../support/foreign-eyes.ts';
import { createTopic, type LoadSetup, sendRecords, setupSettings } from '../support/load-topic.ts';
import { inPlace, Workshop } from '../support/replay-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { type Moment, StoppingStore, type Trouble } from '../support/stopping-store.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'web_request';
const PARTITIONS = 2;
/** Offsets per partition: the first load's, and all of them. Every tenth record is refused. */
const [EARLIER, ALL] = [20, 50];
/** More operations than any load here does. */
const MOST_OPERATIONS = 200;
/** What a judge that died left of a marker: swept by age, not by the next load. */
const MARKER_STAGING = '_loader/staging/h-markers/';

let dir: TempDir;
let broker: Broker;
let shop: Workshop;
beforeAll(async () => {
  dir = new TempDir('load-stops');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, PARTITIONS);
  shop = await Workshop.open(setupOf(dir.join('template')));
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

/** Record `n` of a partition: two hours in turn, the second only among the later ones. */
const valueAt = (n: number) => (n % 10 === 9 ? 'not json' : webRequest(n, n < EARLIER ? 0 : n % 2));
function* records(from: number, until: number) {
  for (let n = from; n < until; n++)
    for (let partition = 0; partition < PARTITIONS; partition++) yield { value: valueAt(n), partition };
}

const setupOf = (warehouse: string): LoadSetup => ({ address: addressOf(broker), warehouse });

/** One load that meets trouble; the store knows where. */
async function troubledLoad(warehouse: string, isMoment: Moment, trouble: Trouble): Promise<StoppingStore> {
  await using store = new StoppingStore(
    await openStore(setupSettings(setupOf(warehouse))),
    isMoment,
    trouble,
  );
  await shop.load(TOPIC, inPlace(store, warehouse)).catch(() => {});
  await store.settled();
  return store;
}

/** One that must end well: a partition that stops throws. */
async function untroubledLoad(warehouse: string): Promise<void> {
  await using store = await openStore(setupSettings(setupOf(warehouse)));
  await shop.load(TOPIC, inPlace(store, warehouse));
}

/** What readers see between the two loads: possibly a part, never a row twice. */
async function expectNoDuplicates(warehouse: string): Promise<void> {
  if (!existsSync(join(warehouse, TOPIC))) return;
  for (const { rows, distinct } of await visibleOffsets(warehouse, TOPIC)) expect(rows).toBe(distinct);
}

const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const offsetsThat = (isRefused: boolean) =>
  partitions.flatMap((partition) =>
    Array.from({ length: ALL }, (_, offset) => ({ partition, offset })).filter(
      ({ offset }) => (offset % 10 === 9) === isRefused,
    ),
  );

async function expectEverythingOnce(warehouse: string): Promise<void> {
  const rows = await queryTable(
    warehouse,
    TOPIC,
    'SELECT _partition AS partition, _offset::INTEGER AS offset FROM TABLE ORDER BY ALL',
  );
  expect(rows).toEqual(offsetsThat(false));
  const refused = quarantineLines(warehouse, TOPIC).map(({ partition, offset }) => ({ partition, offset }));
  const inOrder = refused.sort(
    (a, b) => Number(a.partition) - Number(b.partition) || Number(a.offset) - Number(b.offset),
  );
  expect(inOrder).toEqual(offsetsThat(true));
  const staged = listing(warehouse, TOPIC).filter((path) => path.startsWith('_loader/staging/'));
  expect(staged.filter((path) => !path.startsWith(MARKER_STAGING))).toEqual([]);
  expectMarkersRight(warehouse);
}

/** A marker that is there, whatever happened, names no more files than its hour has. */
function expectMarkersHonest(warehouse: string): void {
  if (!existsSync(join(warehouse, TOPIC))) return;
  for (const path of listing(warehouse, TOPIC).filter((name) => name.endsWith('/_SUCCESS'))) {
    const { files } = JSON.parse(readFileSync(join(warehouse, TOPIC, path), 'utf8')) as { files: number };
    const hour = path.slice(0, path.lastIndexOf('/') + 1);
    const inPlace = visibleFiles(warehouse, TOPIC).filter((name) => name.startsWith(hour));
    expect(inPlace.length, path).toBeGreaterThanOrEqual(files);
  }
}

/** `_SUCCESS` of each hour is the newest marker, and names the files that are there. */
function expectMarkersRight(warehouse: string): void {
  const all = listing(warehouse, TOPIC);
  for (const hour of ['00', '01']) {
    const versions = all.filter((path) => path.startsWith(`_loader/hours/2026-03-01T${hour}/`));
    const text = (path: string) => readFileSync(join(warehouse, TOPIC, path), 'utf8');
    const success = text(`dt=2026-03-01/hour=${hour}/_SUCCESS`);
    expect(success).toBe(text(versions.at(-1)!));
    const files = visibleFiles(warehouse, TOPIC).filter((path) => path.includes(`/hour=${hour}/`));
    expect(JSON.parse(success)).toMatchObject({ files: files.length });
  }
}

let trials = 0;

/** A load with trouble, then one without, on a copy of `template` or on nothing; returns which operation met the trouble. */
async function trial(trouble: Trouble, isMoment: Moment, template?: string): Promise<string | undefined> {
  const warehouse = dir.join(`warehouse-${trials++}`);
  if (template !== undefined) cpSync(template, warehouse, { recursive: true });
  const { met } = await troubledLoad(warehouse, isMoment, trouble);
  try {
    await expectNoDuplicates(warehouse);
    expectMarkersHonest(warehouse);
    await untroubledLoad(warehouse);
    await expectEverythingOnce(warehouse);
  } catch (cause) {
    throw new Error(`${trouble} ${met}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  rmSync(warehouse, { recursive: true });
  return met;
}

/** An operation's kind: what it does to which sort of file, whatever hour, partition or attempt. */
const kindOf = (operation: string) =>
  operation.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '*').replaceAll(/\d[\dTZ.-]*/g, '*');

/** Tries each kind of operation that a first load does. */
async function tryEveryKind(trouble: Trouble): Promise<void> {
  const untroubled = dir.join(`untroubled-${trials++}`);
  const { done } = await troubledLoad(untroubled, () => false, trouble);
  for (const kind of new Set(done.map(kindOf))) await trial(trouble, (name) => kindOf(name) === kind);
}

describe('a load that meets trouble at any one of its store operations', { timeout: 900_000 }, () => {
  let template: string;
  beforeAll(async () => {
    template = dir.join('template');
    await sendRecords(addressOf(broker), TOPIC, records(0, EARLIER));
    await untroubledLoad(template);
    await sendRecords(addressOf(broker), TOPIC, records(EARLIER, ALL));
  });

  test('one that dies after any operation is made good by the next', async () => {
    const kinds = new Set<string | undefined>();
    for (let at = 0; at < MOST_OPERATIONS; at++) {
      const met = await trial('dies after', (_, index) => index === at, template);
      if (met === undefined) break;
      kinds.add(met.split(' ')[0]);
    }
    expect([...kinds].sort()).toEqual('create makeDirectory move overwrite publish remove sync'.split(' '));
  });

  test('one whose files can not be moved into place marks no hour as if they were', async () => {
    const met = await trial('is refused', (name) => name.startsWith('move '), template);
    expect(met).toMatch(/^move /);
  });

  test('so is the first load of all', async () => {
    await tryEveryKind('dies after');
  });

  test.each(['loses the answer of', 'is refused'] as const)(
    'one that %s any kind of operation is made good by the next',
    async (trouble) => {
      await tryEveryKind(trouble);
    },
  );
});
