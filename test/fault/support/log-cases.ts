/**
 * The cases of the matrix about the log, the clock and the operator: a broker that loses or remakes what was loaded, new
 * partitions, clocks that are wrong, records that somebody deletes.
 */
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { readRecords } from './foreign-chain.ts';
import type { Place } from './place.ts';
import type { Scene } from './scene.ts';
import { HOUR_MS, MIDNIGHT_MS, MINUTE_MS, type Round } from './topic-truth.ts';
import { markedHours, stateOf } from './watcher.ts';

export interface LogCase {
  id: string;
  name: string;
  /** When the loads run, unless at the usual time. */
  loadMs?: number;
  /** Whether what a killed process had not fsynced is lost. */
  losesPower?: boolean;
  play: (scene: Scene, place: Place) => Promise<void>;
}

const DAY_MS = 24 * HOUR_MS;
/** As hours before and after the tests' midnight. */
const [YEAR_1970, YEAR_2099] = [-24 * 365 * 56, 24 * 365 * 73];
export const minute = (n: number) => MIDNIGHT_MS + n * MINUTE_MS;
export const round = (partitions: readonly number[], each: number, more: Partial<Round> = {}): Round => ({
  each,
  partitions,
  hours: [0, 1],
  atMs: minute(50),
  ...more,
});
const BEFORE_PLAN = { op: 'create', path: '\\.plan\\.json$', act: 'hang before' } as const;
const AFTER_PLAN = { op: 'create', path: '\\.plan\\.json$', act: 'hang after' } as const;

/** A load that must be refused, with a line that fits, and change nothing. */
export async function isRefused(scene: Scene, line: RegExp): Promise<void> {
  const before = stateOf(scene.root).join('\n');
  const { status, stderr } = await scene.load();
  scene.expect(
    status === 1 && line.test(stderr),
    `a load that must be refused ended with ${status}: ${stderr.trim()}`,
  );
  scene.expect(stateOf(scene.root).join('\n') === before, 'a load that was refused changed the table');
}

export async function loads(scene: Scene, argv: readonly string[] = []): Promise<void> {
  const { status, stderr } = await scene.load({ argv });
  scene.expect(status === 0, `a load ended with ${status}: ${stderr.trim()}`);
}

/** From an empty first load on `latest`: what comes later is loaded, whoever is killed in between. */
async function emptyLatest(scene: Scene, place: Place): Promise<void> {
  await place.produce(round([0, 1], 10));
  await loads(scene, ['--set', 'loader.startPolicy=latest']);
  place.truth.forget(() => true);
  await place.produce(round([0, 1], 20));
  await scene.load({ points: [{ op: 'publish', path: '/\\d{20}\\.json$', act: 'kill after' }] });
  await scene.settle({ argv: ['--set', 'loader.startPolicy=latest'] });
}

/** The broker loses what was loaded, and gives the offsets to others. */
async function tailReused(scene: Scene, place: Place): Promise<void> {
  for (let batch = 0; batch < 3; batch++) await place.produce(round([0, 1], 10));
  await loads(scene);
  await place.restart(() => place.cutLastBatch(0));
  await isRefused(scene, /the log ends at offset 20, below 30/);
  const lost = [...place.truth.produced];
  await place.produce(round([0], 25));
  place.truth.forget(() => true);
  for (const [key, record] of lost) place.truth.produced.set(key, record);
  await isRefused(scene, /not the one that was loaded|gave their offsets to others/);
  await scene.check();
}

/** The log loses its end between plan and read: what is left is loaded, and others that get the offsets as well. */
async function cutMeanwhile(scene: Scene, place: Place): Promise<void> {
  for (let batch = 0; batch < 3; batch++) await place.produce(round([0, 1], 10));
  const load = scene.start({ points: [AFTER_PLAN] });
  await load.hung();
  await place.restart(() => {
    const end = place.cutLastBatch(0);
    place.truth.forget(({ partition, offset }) => partition === 0 && offset >= end);
  });
  load.goOn();
  await load.ended;
  await scene.watcher.look();
  await place.produce(round([0], 25, { atMs: minute(110) }));
  await scene.settle();
}

/** A partition comes at minute 59, with rows of the hour: the hour waits for it. */
async function newPartition(scene: Scene, place: Place): Promise<void> {
  await place.produce(round([0, 1], 20));
  const load = scene.start({ points: [AFTER_PLAN] });
  await load.hung();
  await place.restart(() => place.addPartition());
  await place.produce(round([2], 20, { atMs: minute(59) }));
  load.goOn();
  const { status, stderr } = await load.ended;
  scene.expect(status === 0, `a load ended with ${status}: ${stderr.trim()}`);
  await scene.watcher.look();
  scene.expect(
    markedHours(scene.root).length === 0,
    'an hour was marked before the new partition was loaded',
  );
  await scene.settle();
}

/** Rows are acknowledged after the high watermark was asked for, and the load then sleeps past the hour. */
async function sleepsOverTheHour(scene: Scene, place: Place): Promise<void> {
  await place.produce(round([0, 1], 20));
  const load = scene.start({ points: [BEFORE_PLAN] });
  await load.hung();
  await place.produce(round([0, 1], 20, { hours: [1], atMs: minute(119.9) }));
  load.goOn(0, 10 * MINUTE_MS);
  const { status, stderr } = await load.ended;
  scene.expect(status === 0, `a load ended with ${status}: ${stderr.trim()}`);
  await scene.watcher.look();
  scene.complete = [0];
  await scene.settle();
}

const wrongClock = (aheadMs: number) => async (scene: Scene, place: Place) => {
  await place.produce(round([0, 1], 20, { hours: [0, 1, 2] }));
  const { status, stderr } = await scene.load({ nowMs: minute(126) + aheadMs });
  scene.expect(
    status === 0 && /clocks .* differ/.test(stderr),
    `${status}, and no warning of the clocks: ${stderr}`,
  );
  scene.expect(markedHours(scene.root).length === 0, 'an hour was marked by a wrong clock');
  await scene.settle();
};

/** Somebody deletes a record in the middle of a chain; later it is put back. */
async function recordDeleted(scene: Scene, place: Place): Promise<void> {
  await place.produce(round([0, 1], 10));
  await loads(scene);
  const later = { atMs: minute(130) };
  for (let load = 0; load < 2; load++) {
    await place.produce(round([0, 1], 10, later));
    await loads(scene);
  }
  await place.produce(round([0, 1], 10, later));
  scene.watcher.namesAreKept = false;
  const directory = join(scene.root, '_loader/commits/p=00000/g=000000');
  const name = readdirSync(directory).sort()[1]!;
  renameSync(join(directory, name), join(scene.warehouse, name));
  const records = readRecords(scene.root).heads.get('p=00000');
  const { status, stderr } = await scene.load();
  scene.expect(
    status === 1 && /is not reached from the chain/.test(stderr),
    `ended with ${status}: ${stderr.trim()}`,
  );
  scene.expect(readRecords(scene.root).heads.get('p=00000') === records, 'a broken chain was extended');
  renameSync(join(scene.warehouse, name), join(directory, name));
  scene.watcher.namesAreKept = true;
  await scene.settle();
}

/** Wild event times: refused ones are kept, and no hour is held up or marked early by the others. */
async function wildTimes(scene: Scene, place: Place): Promise<void> {
  await place.produce(round([0, 1], 30, { hours: [0, 1, YEAR_1970, -3, YEAR_2099, 20] }));
  await scene.load({ points: [{ op: 'publish', path: '/\\d{20}\\.json$', act: 'kill after' }] });
  await scene.watcher.look();
  await scene.settle();
}

const DOWN_HOURS = 6;

/** The warehouse can't be reached while events come in for hours; when it can, loads catch up within their budget. */
async function warehouseDown(scene: Scene, place: Place): Promise<void> {
  const hours = Array.from({ length: DOWN_HOURS }, (_, hour) => hour);
  for (const hour of hours) {
    await place.produce(round([0, 1], 10, { hours: [hour], atMs: minute(hour * 60 + 30) }));
    const { status, stderr } = await scene.load({ points: [{ op: 'list', act: 'error', nth: 0 }] });
    scene.expect(
      status === 1 && /refused by the test/.test(stderr),
      `a load without a warehouse ended with ${status}: ${stderr.trim()}`,
    );
  }
  scene.expect(stateOf(scene.root).length === 0, 'a load without a warehouse left something in it');
  scene.complete = hours;
  const budget = ['--max-events', '50'];
  for (let load = 0; load < 2; load++) {
    await loads(scene, budget);
    await scene.watcher.look();
    scene.expect(markedHours(scene.root).length === 0, 'an hour was marked before all was caught up');
  }
  await loads(scene, budget);
  await scene.settle();
}

export const LOG_CASES: readonly LogCase[] = [
  { id: 'B1', name: 'what was loaded is lost by the broker, its offsets given to others', play: tailReused },
  { id: 'B3', name: 'the log loses its end between plan and read', play: cutMeanwhile },
  { id: 'B4', name: 'a partition is added at minute 59, after the plan', play: newPartition },
  { id: 'K0', name: 'an empty first load on latest, then one that is killed', play: emptyLatest },
  {
    id: 'H2',
    name: 'the warehouse is down for six hours, then loads catch up within their budget',
    loadMs: minute(DOWN_HOURS * 60 + 6),
    play: warehouseDown,
  },
  { id: 'T1', name: 'this clock is a day ahead of the store', play: wrongClock(DAY_MS) },
  { id: 'T1', name: 'this clock is a day behind the store', play: wrongClock(-DAY_MS) },
  { id: 'T1', name: 'event times of 1970, of yesterday, of tonight and of 2099', play: wildTimes },
  {
    id: 'T1',
    name: 'one sleeps over the end of an hour, after it asked for the high watermark',
    loadMs: minute(119.8),
    play: sleepsOverTheHour,
  },
  { id: 'O1', name: 'a record of the chain is deleted, and put back', play: recordDeleted },
];
