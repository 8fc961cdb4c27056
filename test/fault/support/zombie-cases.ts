/**
 * The cases of the matrix in which two processes meet: one stands still at a moment of its load, another does its work,
 * the first wakes. And a publish that its sender has given up lands late.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failpoint } from './fault-plan.ts';
import type { FaultyProcess } from './faulty-process.ts';
import { readRecords } from './foreign-chain.ts';
import type { Scene } from './scene.ts';

export interface StoryCase {
  id: string;
  name: string;
  isFirst?: boolean;
  play: (scene: Scene) => Promise<void>;
}

/** Of both partitions: each hangs as it comes by. */
const HANGS = {
  'before it writes its record': {
    op: 'create',
    path: '/c-.*/record\\.json\\.tmp$',
    act: 'hang before',
    nth: 0,
  },
  'before it publishes': { op: 'publish', path: '/commits/.*/\\d{20}\\.json$', act: 'hang before', nth: 0 },
  'when it has published': { op: 'makeDirectory', path: '/dt=', act: 'hang before', nth: 0 },
  'before its second move': { op: 'move', path: '/dt=', act: 'hang before', nth: 2 },
  'before it sweeps its staging': {
    op: 'remove',
    path: '/staging/c-[^/]*$',
    act: 'hang before',
    nth: 0,
  },
  'before it marks': { op: 'publish', path: '/hours/', act: 'hang before', nth: 0 },
  'before it overwrites _SUCCESS': { op: 'overwrite', path: '/_SUCCESS$', act: 'hang before', nth: 0 },
} as const satisfies Record<string, Failpoint>;

/** When it has read how the table stands, and before it says what it will read. */
const AFTER_RECOVERY: Failpoint = { op: 'create', path: '\\.started\\.json$', act: 'hang before' };
/** A load that finds nothing to read, but judges and sweeps. */
const NOTHING = ['--until', '2000-01-01T00:00:00Z'];
const LOOK_MS = 10;
const MAX_LOOKS = 6_000;

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let look = 0; !isSo(); look++) {
    if (look === MAX_LOOKS) throw new Error(`waited in vain: ${what}`);
    await sleep(LOOK_MS);
  }
}

/** Ends well, as a load that lost a race does too. */
async function endsWell(scene: Scene, process: FaultyProcess): Promise<void> {
  const { status, stderr } = await process.ended;
  scene.expect(status === 0, `a load ended with ${status}: ${stderr.trim()}`);
  await scene.watcher.look();
}

async function wakes(scene: Scene, point: Failpoint, argv: readonly string[] = []): Promise<void> {
  const zombie = scene.start({ points: [point], argv });
  await zombie.hung();
  await endsWell(scene, scene.start());
  const before = readRecords(scene.root).records;
  zombie.goOn();
  await endsWell(scene, zombie);
  scene.expect(readRecords(scene.root).records === before, 'the one that woke published a record');
  await scene.settle();
}

/** Another load stands between recovery and judging while one publishes and does not get further. */
async function judgedWhileUnapplied(scene: Scene): Promise<void> {
  const before = readRecords(scene.root).records;
  const judge = scene.start({ points: [AFTER_RECOVERY], argv: NOTHING });
  await judge.hung();
  const loader = scene.start({ points: [{ op: 'move', path: '/dt=', act: 'hang before', nth: 0 }] });
  await until('two records', () => readRecords(scene.root).records === before + 2);
  const hour = join(scene.root, 'dt=2026-03-01/hour=01');
  await until('the directory of the hour', () => existsSync(hour));
  judge.goOn();
  await endsWell(scene, judge);
  await loader.kill();
  await scene.settle();
}

const GIVEN_UP: readonly Failpoint[] = [0, 1].map((partition) => ({
  op: 'publish',
  path: `/commits/p=0000${partition}/.*/\\d{20}\\.json$`,
  act: 'lands later',
}));

/** A load gives its publishes up; whatever happens between, they land. */
async function landsLate(scene: Scene, between: () => Promise<void>, isTooLate: boolean): Promise<void> {
  const before = readRecords(scene.root).records;
  const sender = scene.start({ points: GIVEN_UP });
  const { status } = await sender.ended;
  scene.expect(status === 1, `a load that can't learn what came of its publish ended with ${status}`);
  await between();
  const landed = GIVEN_UP.map((_, point) => scene.land(sender, point));
  const wanted = isTooLate ? 'refused' : 'landed';
  scene.expect(
    landed.every((each) => each === wanted),
    `what was sent was ${landed}, not ${wanted}`,
  );
  await scene.settle();
  const records = readRecords(scene.root).records - before;
  scene.expect(records === 2, `${records} records were published, not 2`);
}

const baseOf = (scene: Scene, partition: string) =>
  join(scene.root, '_loader/commits', partition, 'g=000000/base.json');
const headOf = (path: string) => (JSON.parse(readFileSync(path, 'utf8')) as { head: number }).head;

/** Two loads at once, of which the later is done with one partition's root before the first has it. */
async function twoPolicies(scene: Scene, first: string, second: string): Promise<void> {
  const policy = (name: string) => ['--set', `loader.startPolicy=${name}`];
  const root: Failpoint = { op: 'publish', path: '/p=00000/.*base\\.json$', act: 'hang before' };
  const one = scene.start({ points: [root], argv: policy(first) });
  await one.hung();
  const other = baseOf(scene, 'p=00001');
  await until('the other root', () => existsSync(other));
  scene.truth.forget(({ partition, offset }) => partition === 1 && offset < headOf(other));
  await endsWell(scene, scene.start({ argv: policy(second) }));
  one.goOn();
  await endsWell(scene, one);
  // Whoever comes second finds a topic that has a chain, and begins at the earliest record.
  scene.expect(headOf(baseOf(scene, 'p=00000')) === 0, 'the root of partition 0 is not at its first record');
  await scene.settle();
}

const GENERATION_0 = '_loader/commits/p=00000/g=000000';

async function wakesInGoneGeneration(scene: Scene): Promise<void> {
  const toRecord: Failpoint = { op: 'create', path: '/c-p00000.*/record\\.json\\.tmp$', act: 'hang before' };
  const published: Failpoint = { op: 'publish', path: '/p=00000/.*/\\d{20}\\.json$', act: 'kill after' };
  const zombie = scene.start({ points: [toRecord, published] });
  await zombie.hung();
  await endsWell(scene, scene.start({ argv: ['--set', 'loader.sealAfterRecords=2'] }));
  scene.expect(!existsSync(join(scene.root, GENERATION_0)), 'the sealed generation is still there');
  zombie.goOn();
  await zombie.ended;
  scene.expect(zombie.met(1), 'the one that woke did not try to publish');
  scene.expect(!existsSync(join(scene.root, GENERATION_0)), 'a generation that was gone is back');
  scene.problems.push(...readRecords(scene.root).problems);
  await scene.settle();
}

export const ZOMBIE_CASES: readonly StoryCase[] = [
  { id: 'K14', name: 'swept and judged while a record is unapplied', play: judgedWhileUnapplied },
  ...Object.entries(HANGS).map(
    ([when, point]): StoryCase => ({
      id: 'K15',
      name: `one sleeps ${when}, another loads, it wakes`,
      play: (scene) => wakes(scene, point),
    }),
  ),
  {
    id: 'K15',
    name: 'one sleeps before it writes the record of a part, another loads, it wakes',
    play: (scene) => wakes(scene, HANGS['before it writes its record'], ['--max-events', '30']),
  },
  {
    id: 'K15',
    name: 'one sleeps before it publishes into a generation that is sealed and removed meanwhile',
    play: wakesInGoneGeneration,
  },
  {
    id: 'K17',
    name: 'a publish lands after its sender gave up',
    play: (scene) => landsLate(scene, async () => {}, false),
  },
  {
    id: 'K17',
    name: 'a publish lands after its sender gave up and another load swept',
    play: (scene) => landsLate(scene, () => endsWell(scene, scene.start({ argv: NOTHING })), false),
  },
  {
    id: 'K17',
    name: 'a publish lands after its sender gave up and another load was faster',
    play: (scene) => landsLate(scene, () => endsWell(scene, scene.start()), true),
  },
  {
    id: 'K8',
    name: 'two first loads, from the earliest and, faster, from the latest record',
    isFirst: true,
    play: (scene) => twoPolicies(scene, 'earliest', 'latest'),
  },
  {
    id: 'K8',
    name: 'two first loads, from the latest and, faster, from the earliest record',
    isFirst: true,
    play: (scene) => twoPolicies(scene, 'latest', 'earliest'),
  },
];
