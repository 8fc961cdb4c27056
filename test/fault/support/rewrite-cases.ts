/**
 * The cases of the matrix about rewrites: replay, undo and compaction, each killed at every step, and beside each other,
 * loads and sleepers. They begin with a table into which everything was loaded. A command that this millrace does not have
 * yet makes its rows say so.
 */

import { COMMANDS } from '../../../cli/commands.ts';
import type { Failpoint } from './fault-plan.ts';
import type { FaultyProcess } from './faulty-process.ts';
import { LOAD_MS, type LoadOptions, type Scene } from './scene.ts';
import { HOUR_MS } from './topic-truth.ts';

export interface RewriteCase {
  id: string;
  name: string;
  needs: readonly string[];
  losesPower: boolean;
  /** Begins before the second load. */
  isUnloaded?: boolean;
  /** When it happens, unless soon after both loads. */
  loadMs?: number;
  play: (scene: Scene) => Promise<void>;
}

export const RECORD = '/_loader/rewrites/g=\\d+/\\d{8}\\.json$';

/** Where a rewrite is killed. */
const STEPS: Readonly<Record<string, Failpoint>> = {
  'before it publishes': { op: 'publish', path: RECORD, act: 'kill before' },
  'when it has published': { op: 'publish', path: RECORD, act: 'kill after' },
  'when a _SUCCESS is withdrawn': { op: 'remove', path: '/_SUCCESS$', act: 'kill after' },
  'when one file is in the trash': { op: 'move', path: '\\.retired$', act: 'kill after' },
  'before the trash is fsynced': { op: 'fs.sync', path: '/trash/\\d+$', act: 'kill before' },
  'when the trash is fsynced, the hour not': { op: 'fs.sync', path: '/trash/\\d+$', act: 'kill after' },
  'when all old files are gone': { op: 'sync', path: '/trash/', act: 'kill after' },
  'when one new file is there': { op: 'move', path: '/dt=', act: 'kill after' },
  'when its new files are fsynced': { op: 'sync', path: '/staging/w-[^ ]*$', act: 'kill after' },
  'when it has swept its staging': { op: 'remove', path: '/(?:staging/w-|trash/)', act: 'kill after' },
};

/** Where one sleeps. */
export const BEFORE_PUBLISH: Failpoint = { op: 'publish', path: RECORD, act: 'hang before' };
export const BEFORE_TRASH: Failpoint = { op: 'move', path: '\\.retired$', act: 'hang before', nth: 0 };
const BEFORE_WITHDRAWAL: Failpoint = { op: 'remove', path: '/_SUCCESS$', act: 'hang before', nth: 0 };
const BEFORE_ARRIVAL: Failpoint = { op: 'move', path: '/dt=', act: 'hang before', nth: 0 };

export type Rewriting = Pick<LoadOptions, 'command' | 'argv'>;
/** From the middle of the first load's file to the middle of the second's: both are cut. */
export const REPLAY: Rewriting = {
  command: 'replay',
  argv: ['--partition', '0', '--from-offset', '5', '--to-offset', '30'],
};
export const COMPACT: Rewriting = { command: 'compact', argv: [] };
export const UNDO: Rewriting = { command: 'undo', argv: ['1'] };

export async function ends(scene: Scene, process: FaultyProcess): Promise<void> {
  const { status, stderr } = await process.ended;
  scene.expect(status === 0, `${process.argv[0]} ended with ${status}: ${stderr.trim()}`);
  await scene.watcher.look();
}

/** Killed at a step, then loads until all is quiet. */
async function killedAt(scene: Scene, rewriting: Rewriting, point: Failpoint): Promise<void> {
  if (rewriting === UNDO) await ends(scene, scene.start(REPLAY));
  const { status, stderr } = await scene.load({ ...rewriting, points: [point] });
  scene.expect(status !== 1, `${rewriting.command} failed: ${stderr.trim()}`);
  await scene.watcher.look();
  await scene.settle();
}

/** Killed when it has published; the load that rolls it forward is killed too. */
async function killedTwice(scene: Scene): Promise<void> {
  await scene.load({ ...REPLAY, points: [STEPS['when it has published']!] });
  await scene.load({ points: [STEPS['when one new file is there']!] });
  await scene.watcher.look();
  await scene.settle();
}

/** One sleeps at a point, others work, it wakes. */
async function sleeps(scene: Scene, one: LoadOptions, others: readonly LoadOptions[]): Promise<void> {
  const sleeper = scene.start(one);
  await sleeper.hung();
  for (const other of others) await ends(scene, scene.start(other));
  sleeper.goOn();
  const { status, stderr } = await sleeper.ended;
  // Whoever finds that others were faster may give up, with a line; never may he do harm.
  scene.expect(status === 0 || status === 1, `the sleeper ended with ${status}: ${stderr.trim()}`);
  await scene.watcher.look();
  await scene.settle();
}

const killed = (id: string, rewriting: Rewriting): RewriteCase[] =>
  Object.entries(STEPS).map(([when, point]) => ({
    id,
    name: `${rewriting.command} killed ${when}; the power goes`,
    needs: [rewriting.command!, ...(rewriting === UNDO ? ['replay'] : [])],
    losesPower: true,
    play: (scene) => killedAt(scene, rewriting, point),
  }));

const slept = (id: string, name: string, one: LoadOptions, others: readonly LoadOptions[]): RewriteCase => ({
  id,
  name,
  needs: [one, ...others].map(({ command = 'load' }) => command),
  losesPower: false,
  play: (scene) => sleeps(scene, one, others),
});

const LOADING: LoadOptions = { points: [{ op: 'move', path: '/dt=', act: 'hang before', nth: 2 }] };

/** What no unmutated store comes by: moves are no links. */
export const LINK_CASE: RewriteCase = {
  id: 'R1',
  name: 'replay killed between link and unlink',
  needs: ['replay'],
  losesPower: false,
  play: (scene) => killedAt(scene, REPLAY, { op: 'fs.link', path: '\\.retired$', act: 'kill after' }),
};

const MONTH_MS = 30 * 24 * HOUR_MS;

/** All hours of the day have ended since, most of them empty. */
async function monthLater(scene: Scene): Promise<void> {
  scene.complete = Array.from({ length: 24 }, (_, hour) => hour);
  await ends(scene, scene.start());
  await killedAt(scene, REPLAY, STEPS['when one new file is there']!);
  await ends(scene, scene.start(UNDO));
  await scene.settle();
}

export const REWRITE_CASES: readonly RewriteCase[] = [
  {
    id: 'R1',
    name: 'replay of an hour of a month ago, killed when one new file is there, and undone',
    needs: ['replay', 'undo'],
    losesPower: false,
    loadMs: LOAD_MS + MONTH_MS,
    play: monthLater,
  },
  ...killed('R1', REPLAY),
  {
    id: 'R1',
    name: 'replay killed when it has published, the next load when one new file is there',
    needs: ['replay'],
    losesPower: false,
    play: killedTwice,
  },
  ...killed('R1', UNDO),
  ...killed('C1', COMPACT),
  ...Object.entries({ ...STEPS, 'before a _SUCCESS is withdrawn': BEFORE_WITHDRAWAL }).map(
    ([when, { act, ...point }]) =>
      slept(
        'R6',
        `a replay sleeps ${when}, the hourly judge works`,
        { ...REPLAY, points: [{ ...point, act: act.endsWith('before') ? 'hang before' : 'hang after' }] },
        [{}],
      ),
  ),
  slept(
    'R6',
    'a compaction sleeps before it stages a file, a replay works',
    {
      ...COMPACT,
      points: [{ op: 'upload', path: '/staging/w-', act: 'hang before' }],
    },
    [REPLAY],
  ),
  slept('R6', 'a replay sleeps before it publishes, a load works', { ...REPLAY, points: [BEFORE_PUBLISH] }, [
    {},
  ]),
  slept('R6', 'two replays of one range', { ...REPLAY, points: [BEFORE_PUBLISH] }, [REPLAY]),
  slept(
    'R6',
    'a compaction sleeps before it publishes, a replay works',
    { ...COMPACT, points: [BEFORE_PUBLISH] },
    [REPLAY],
  ),
  slept(
    'R6',
    'a replay sleeps before it publishes, a compaction works',
    { ...REPLAY, points: [BEFORE_PUBLISH] },
    [COMPACT],
  ),
  slept(
    'R6',
    'a replay sleeps before it publishes, a replay is done and undone',
    { ...REPLAY, points: [BEFORE_PUBLISH] },
    [REPLAY, UNDO],
  ),
  slept(
    'K16',
    'a replay sleeps before it fills the trash, a load and a compaction work',
    { ...REPLAY, points: [BEFORE_TRASH] },
    [{}, COMPACT],
  ),
  slept(
    'K16',
    'a replay sleeps before its files arrive, a load and a replay work',
    { ...REPLAY, points: [BEFORE_ARRIVAL] },
    [{}, REPLAY],
  ),
  slept(
    'K16',
    'a compaction sleeps before it fills the trash, a load and a replay work',
    { ...COMPACT, points: [BEFORE_TRASH] },
    [{}, REPLAY],
  ),
  {
    ...slept('K16', 'a load sleeps between its moves, its files are replayed away', LOADING, [{}, REPLAY]),
    isUnloaded: true,
  },
];

/** What a case needs and this millrace has not. */
export function missingCommand({ needs }: RewriteCase): string | undefined {
  return needs.find((name) => !COMMANDS.some((command) => command.name === name));
}
