/**
 * The cases of the matrix in which an operator signs: for a part of the log that was deleted before it was loaded, and for
 * a topic that was made anew. Without a signature nothing is done; with it, a kill at any step changes nothing of what is
 * signed, and it is written down once.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Failpoint } from './fault-plan.ts';
import { isRefused, type LogCase, loads, minute, round } from './log-cases.ts';
import type { Place } from './place.ts';
import type { Scene } from './scene.ts';

const GAP = ['--accept-gap'];
const RECREATED = ['--accept-recreated'];
const RECORD_TMP = '/staging/c-p00000.*/record\\.json\\.tmp$';
const RECORD = '/p=00000/.*/\\d{20}\\.json$';
const NEXT_BASE = '/p=00000/g=000001/base\\.json$';

/** Where one that signs for a gap is killed. */
const GAP_STEPS: Readonly<Record<string, Failpoint>> = {
  'before it stages its record': { op: 'create', path: RECORD_TMP, act: 'kill before' },
  'with half a staged record': { op: 'create', path: RECORD_TMP, act: 'kill halfway' },
  'when it has staged its record': { op: 'create', path: RECORD_TMP, act: 'kill after' },
  'between link and unlink': { op: 'fs.link', path: RECORD, act: 'kill after' },
  'when it has signed': { op: 'publish', path: RECORD, act: 'kill after' },
  'when it has swept its staging': { op: 'remove', path: '/staging/c-p00000-[^/]*$', act: 'kill after' },
  'when it has published what comes after': { op: 'publish', path: RECORD, nth: 2, act: 'kill after' },
};

/** Where one that goes on with a topic made anew is killed. */
const RECREATED_STEPS: Readonly<Record<string, Failpoint>> = {
  'before it seals': { op: 'publish', path: RECORD, act: 'kill before' },
  'when it has sealed': { op: 'publish', path: RECORD, act: 'kill after' },
  'when it has made the next generation': {
    op: 'makeDirectory',
    path: '/p=00000/g=000001$',
    act: 'kill after',
  },
  'before it roots the next generation': { op: 'publish', path: NEXT_BASE, act: 'kill before' },
  'when it has rooted the next generation': { op: 'publish', path: NEXT_BASE, act: 'kill after' },
  'when the old generation is gone': { op: 'remove', path: '/p=00000/g=000000$', act: 'kill after' },
};

/** The gaps in partition 0's chain, as their records tell them. */
function gapsOf(scene: Scene): string[] {
  const directory = join(scene.root, '_loader/commits/p=00000/g=000000');
  return readdirSync(directory).flatMap((name) => {
    const { kind, start, next } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as {
      kind?: string;
      start: number;
      next: number;
    };
    return kind === 'gap' ? [`${start} to ${next}`] : [];
  });
}

/** Retention deletes offsets 30 to 39 of partition 0 before they are loaded. */
const deleted = (point: Failpoint) => async (scene: Scene, place: Place) => {
  for (let batch = 0; batch < 3; batch++) await place.produce(round([0, 1], 10));
  await loads(scene);
  for (let batch = 0; batch < 3; batch++) await place.produce(round([0], 10, { atMs: minute(130) }));
  await place.restart(() => place.cutFirstBatches(0, 4));
  await isRefused(scene, /offsets 30 to 39 were deleted before they were loaded/);
  place.truth.forget(({ partition, offset }) => partition === 0 && offset >= 30 && offset < 40);
  await scene.load({ argv: GAP, points: [point] });
  await scene.settle({ argv: GAP });
  const gaps = gapsOf(scene).join();
  scene.expect(gaps === '30 to 40', `the chain signs for gaps "${gaps}", not for 30 to 40`);
};

/** The topic is made anew and grows past what was loaded. */
const recreated = (point: Failpoint) => async (scene: Scene, place: Place) => {
  await place.produce(round([0, 1], 20));
  await loads(scene);
  await place.recreate(2);
  await place.produce(round([0, 1], 40, { atMs: minute(130) }));
  await isRefused(scene, /created anew/);
  await scene.load({ argv: RECREATED, points: [point] });
  await scene.settle({ argv: RECREATED });
};

const killed = (name: string, steps: typeof GAP_STEPS, play: (point: Failpoint) => LogCase['play']) =>
  Object.entries(steps).map(
    ([when, point]): LogCase => ({
      id: 'B1',
      name: `${name} killed ${when}; the power goes`,
      losesPower: true,
      play: play(point),
    }),
  );

export const SIGN_CASES: readonly LogCase[] = [
  ...killed('unloaded offsets were deleted; load --accept-gap', GAP_STEPS, deleted),
  ...killed('topic made anew and grown; load --accept-recreated', RECREATED_STEPS, recreated),
];
