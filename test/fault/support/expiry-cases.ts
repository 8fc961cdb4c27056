/**
 * The cases of the matrix about retention: an expiry killed at each of its steps, and beside replays, undoes, compactions
 * and loads. Its hour goes as a whole, nothing else does, and nothing of it ever comes back.
 */
import type { Failpoint } from './fault-plan.ts';
import { readRecords } from './foreign-chain.ts';
import {
  BEFORE_PUBLISH,
  BEFORE_TRASH,
  COMPACT,
  ends,
  RECORD,
  REPLAY,
  type RewriteCase,
  type Rewriting,
  UNDO,
} from './rewrite-cases.ts';
import { LOAD_MS, type Scene } from './scene.ts';
import { HOUR_MS, MIDNIGHT_MS } from './topic-truth.ts';

/** Hours that the history of runs is kept, at least. */
const HISTORY_HOURS = 24;

/** Keeps so many hours; trash goes at once, and every log of so many records is sealed. */
const expiry = (hours: number, sealAfterRecords = 2): Rewriting => ({
  command: 'expire',
  argv: Object.entries({
    dataKeepHours: hours,
    lateHorizonHours: 0,
    trashKeepHours: 0,
    historyKeepHours: HISTORY_HOURS,
    sealAfterRecords,
  }).flatMap(([name, value]) => ['--set', `loader.${name}=${value}`]),
});
/** Hour 0 goes. */
const EXPIRE = expiry(1);
/** Only trash goes; a seal would forbid to undo as well. */
const FENCE = expiry(-1, 1_000);

const LOG_BASE = '/rewrites/g=000001/base\\.json$';

/** Where an expiry is killed. */
const STEPS: Readonly<Record<string, Failpoint>> = {
  'before its record is staged': { op: 'create', path: '/w-.*record\\.json\\.tmp$', act: 'kill before' },
  'with half a staged record': { op: 'create', path: '/w-.*record\\.json\\.tmp$', act: 'kill halfway' },
  'before it publishes': { op: 'publish', path: RECORD, act: 'kill before' },
  'between link and unlink': { op: 'fs.link', path: RECORD, act: 'kill after' },
  'when it has published': { op: 'publish', path: RECORD, act: 'kill after' },
  'when a _SUCCESS is withdrawn': { op: 'remove', path: '/_SUCCESS$', act: 'kill after' },
  'when one file is gone': { op: 'remove', path: '/dt=.*parquet$', act: 'kill after' },
  'when all files are gone': { op: 'sync', path: '/trash/', act: 'kill before' },
  'when their directories are fsynced': { op: 'sync', path: '/trash/', act: 'kill after' },
  'when the trash is gone': { op: 'remove', path: '/trash/\\d+$', act: 'kill after' },
  'before it sweeps its staging': { op: 'remove', path: '/staging/w-', act: 'kill before' },
  'when it has swept its staging': { op: 'remove', path: '/staging/w-', act: 'kill after' },
  'when it has sealed the log': { op: 'publish', path: RECORD, nth: 2, act: 'kill after' },
  'before the next log is rooted': { op: 'publish', path: LOG_BASE, act: 'kill before' },
  'when the next log is rooted': { op: 'publish', path: LOG_BASE, act: 'kill after' },
  'when it has sealed a chain': { op: 'publish', path: '/commits/.*/\\d{20}\\.json$', act: 'kill after' },
  'when the next chain is rooted': { op: 'publish', path: '/commits/.*/base\\.json$', act: 'kill after' },
  'when a generation is gone': { op: 'remove', path: '/g=000000$', act: 'kill after' },
};

/** Rows of the hours before one must be gone from now on. A refused record belongs to the hour it was produced in. */
function forget(scene: Scene, before: number): void {
  const hourOf = ({ hour, producedMs }: { hour: number | undefined; producedMs: number }) =>
    hour ?? Math.floor((producedMs - MIDNIGHT_MS) / HOUR_MS);
  scene.truth.forget((record) => hourOf(record) < before);
  scene.complete = scene.complete.filter((hour) => hour >= before);
}

/** Killed at a step, put right by loads alone; then expired to the end. */
async function killedAt(scene: Scene, expire: Rewriting, point: Failpoint): Promise<void> {
  await ends(scene, scene.start(REPLAY));
  const { status, stderr } = await scene.load({ ...expire, points: [point] });
  scene.expect(status !== 1, `expire failed: ${stderr.trim()}`);
  await scene.watcher.look();
  // Of what was published the files may still be there: the next load takes them away.
  await ends(scene, scene.start());
  if (readRecords(scene.root).expiredBefore !== undefined) forget(scene, 1);
  await scene.settle();
  await ends(scene, scene.start(expire));
  forget(scene, 1);
  await scene.settle();
}

/** One sleeps at a point, an expiry and others work, it wakes. */
async function sleeps(
  scene: Scene,
  one: Rewriting,
  { at, others }: { at: Failpoint; others: readonly Rewriting[] },
): Promise<void> {
  const sleeper = scene.start({ ...one, points: [at] });
  await sleeper.hung();
  for (const other of others) await ends(scene, scene.start(other));
  if (others.includes(EXPIRE)) forget(scene, 1);
  sleeper.goOn();
  const { status, stderr } = await sleeper.ended;
  scene.expect(status === 0 || status === 1, `the sleeper ended with ${status}: ${stderr.trim()}`);
  if (one === EXPIRE) forget(scene, 1);
  await scene.watcher.look();
  await scene.settle();
}

/** An undo is on its way when an expiry deletes the trash that it would bring back. */
async function undoOutbid(scene: Scene): Promise<void> {
  await ends(scene, scene.start(REPLAY));
  const undo = scene.start({ ...UNDO, points: [{ ...BEFORE_PUBLISH, act: 'lands later' }] });
  const { status } = await undo.ended;
  scene.expect(status === 1, `an undo that can't learn what came of its publish ended with ${status}`);
  await ends(scene, scene.start(FENCE));
  const landed = scene.land(undo);
  scene.expect(landed === 'refused', `what was sent was ${landed}, not refused`);
  await scene.settle();
}

async function undoSleeps(scene: Scene): Promise<void> {
  await ends(scene, scene.start(REPLAY));
  await sleeps(scene, UNDO, { at: BEFORE_PUBLISH, others: [FENCE] });
}

/** A day later the history of the first runs goes too. */
async function forgetsRuns(scene: Scene): Promise<void> {
  scene.complete = Array.from({ length: HISTORY_HOURS }, (_, hour) => hour);
  await ends(scene, scene.start());
  const point: Failpoint = { op: 'remove', path: '/runs/', act: 'kill after' };
  await killedAt(scene, expiry(HISTORY_HOURS + 2), point);
}

const story = (id: string, name: string, play: RewriteCase['play'], more: Partial<RewriteCase> = {}) => ({
  id,
  name,
  needs: [],
  losesPower: false,
  play,
  ...more,
});

export const EXPIRY_CASES: readonly RewriteCase[] = [
  ...Object.entries(STEPS).map(([when, point]) =>
    story('X1', `expire killed ${when}; the power goes`, (scene) => killedAt(scene, EXPIRE, point), {
      losesPower: true,
    }),
  ),
  story('X1', 'expire killed when the history of a run is gone; the power goes', forgetsRuns, {
    losesPower: true,
    loadMs: LOAD_MS + (HISTORY_HOURS + 1) * HOUR_MS,
  }),
  story('X2', 'a replay sleeps before it publishes, an expiry works', (scene) =>
    sleeps(scene, REPLAY, { at: BEFORE_PUBLISH, others: [EXPIRE] }),
  ),
  story('X2', 'a replay sleeps before it fills the trash, an expiry works', (scene) =>
    sleeps(scene, REPLAY, { at: BEFORE_TRASH, others: [EXPIRE] }),
  ),
  story('X2', 'a compaction sleeps before it publishes, an expiry works', (scene) =>
    sleeps(scene, COMPACT, { at: BEFORE_PUBLISH, others: [EXPIRE] }),
  ),
  story('X2', 'an expiry sleeps before it publishes, a replay and a compaction work', (scene) =>
    sleeps(scene, EXPIRE, { at: BEFORE_PUBLISH, others: [REPLAY, COMPACT] }),
  ),
  story('X2', 'an expiry sleeps before it deletes a file, a load and a replay work', (scene) =>
    sleeps(scene, EXPIRE, {
      at: { op: 'remove', path: '/dt=.*parquet$', act: 'hang before', nth: 0 },
      others: [{ command: 'load', argv: [] }, REPLAY],
    }),
  ),
  story(
    'X2',
    'a load sleeps between its moves, its hour is expired',
    (scene) =>
      sleeps(
        scene,
        { command: 'load', argv: [] },
        {
          at: { op: 'move', path: '/dt=', act: 'hang before', nth: 2 },
          others: [EXPIRE],
        },
      ),
    { isUnloaded: true },
  ),
  story('X3', 'an undo sleeps before it publishes, an expiry deletes the trash', undoSleeps),
  story('X3', 'an undo lands after its sender gave up and an expiry deleted the trash', undoOutbid),
];
