/**
 * Judges of one topic at work at the same time, on a real store: whatever their order, the newest marker and its copy come
 * to tell of all files.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Commit } from '../../../loader/commit.ts';
import { newAttempt, publishCommit, readChain, rootChain } from '../../../loader/commit-chain.ts';
import { type Judgement, judgeHours } from '../../../loader/hour-judge.ts';
import { listMarkedHours, newestMarker, publishMarker } from '../../../loader/hour-marker.ts';
import {
  attemptDirectory,
  finalName,
  markerStagingDirectory,
  markersStagingDirectory,
  successPath,
} from '../../../loader/paths.ts';
import { writeOutcome, writePlan, writeStarted } from '../../../loader/run-history.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { sweepMarkers } from '../../../loader/sweep.ts';
import { readTopicState, type TopicState } from '../../../loader/table-state.ts';
import { StoppingStore } from '../../support/stopping-store.ts';
import { TempDir } from '../../support/temp-dir.ts';

const [TOPIC, HOUR, ZEROS] = ['t', '2026-03-01T00', '0'.repeat(64)];
const NOW = '2026-03-02T00:00:00.000Z';

let dir: TempDir;
let store: DirectoryStore;
let minutes = 0;
beforeEach(async () => {
  dir = new TempDir();
  store = await DirectoryStore.open(dir.path);
});
afterEach(() => dir[Symbol.dispose]());

async function root(partition: number): Promise<void> {
  const base = { topicId: 'id', partition, incarnation: 0, head: 0, policy: 'earliest' as const };
  await rootChain(store, { topic: TOPIC, ...base, createdAt: NOW, rewriteSeq: 0 });
}

/** Commits the next `rows` records of a partition, all of them in the hour, and observes that there are no more. */
async function commit(partition: number, rows: number): Promise<void> {
  const { head: start, headSha256 } = (await readChain(store, TOPIC, partition))!;
  const [attempt, next] = [newAttempt(), start + rows];
  const place = { partition, incarnation: 0, from: start, next, rewrite: 0, part: 0 };
  const final = finalName('data', HOUR, place);
  const times = { minTime: 0, maxTime: 0, digest: '0'.repeat(16) };
  const offsets = { minOffset: start, maxOffset: next - 1 };
  const file = {
    role: 'data' as const,
    staged: 's',
    final,
    hour: HOUR,
    rows,
    bytes: 4,
    ...offsets,
    ...times,
  };
  const empty = { lateInHour: 0, lateDir: 0, quarantined: 0, filtered: 0 };
  const record: Commit = {
    v: 1,
    kind: 'data',
    topic: TOPIC,
    topicId: 'id',
    incarnation: 0,
    partition,
    start,
    next,
    prevSha256: headSha256,
    run: 'r',
    attempt,
    planTakenAt: NOW,
    committedAt: NOW,
    leaderEpoch: 0,
    last: null,
    lateBefore: NOW,
    skewAfter: NOW,
    schema: { name: 'raw', sha256: ZEROS },
    files: [file],
    counts: { read: rows, data: rows, ...empty, perHour: { [HOUR]: rows } },
  };
  expect(await publishCommit(store, 0, record)).toBe('won');
  await store.create(`${TOPIC}/${final}`, 'PAR1');
  await store.remove(attemptDirectory(TOPIC, { kind: 'commit', partition, generation: 0, start }, attempt));
  await observe(partition, next);
}

async function observe(partition: number, head: number): Promise<void> {
  const timeMs = Date.parse(NOW);
  const observation = { partition, topicId: 'id', headRead: head, timeMs, highWatermark: head };
  const id = newRun();
  const plan = { v: 1 as const, run: id.run, topic: TOPIC, takenAt: NOW };
  await writePlan(store, id, { ...plan, observations: [observation], ranges: [] });
}

/** Runs in the order of their start. */
function newRun() {
  const startedAt = new Date(Date.parse(NOW) + 60_000 * ++minutes).toISOString();
  return { topic: TOPIC, run: newAttempt(), startedAt };
}

interface Judge {
  on?: Store;
  state?: TopicState;
  markedHours?: Iterable<string>;
  partitions?: number[];
  /** False: it has not written its outcome yet. */
  hasEnded?: boolean;
  isShared?: boolean;
}

/** One run's judgement, from what it has seen; by default all there is now. Its outcome goes into the history. */
async function judge(options: Judge = {}): Promise<Judgement> {
  const { on = store, state, markedHours, partitions = [0], hasEnded = true, isShared = false } = options;
  const id = newRun();
  await writeStarted(store, id, new Map());
  const judgement = await judgeHours({
    store: on,
    state: state ?? (await readTopicState(store, TOPIC)),
    partitions,
    markedHours: new Set(markedHours ?? (await listMarkedHours(store, TOPIC))),
    isShared,
    graceMs: 0,
    emptyHoursPerRun: 0,
    run: id.run,
    now: () => Date.parse(NOW),
  });
  if (!hasEnded) return judgement;
  const { judgedHeads } = judgement;
  const ended = { endedAt: NOW, partitions: [], hoursMarked: judgement.marked.length };
  await writeOutcome(store, id, { v: 1, ...id, ...ended, judgedHeads });
  return judgement;
}

const marker = () => newestMarker(store, TOPIC, HOUR);
const success = async () => {
  const body = await store.read(successPath(TOPIC, HOUR));
  return body && (JSON.parse(body.toString()) as { version: number; rows: number });
};

describe('judges of one hour', () => {
  test('that lose a version to one who knew fewer files leave the hour to the next run', async () => {
    await root(0);
    await commit(0, 5);
    await judge();
    await commit(0, 4);
    // Began before the first judge marked the hour.
    expect((await judge({ markedHours: [] })).marked).toEqual([]);
    expect(await marker()).toMatchObject({ version: 1, rows: 5 });
    expect((await judge()).marked).toEqual([HOUR]);
    expect([await marker(), await success()]).toMatchObject([
      { version: 2, rows: 9 },
      { version: 2, rows: 9 },
    ]);
    expect((await judge()).marked).toEqual([]);
  });

  test('never put fewer files in the place of more', async () => {
    await root(0);
    await commit(0, 5);
    const state = await readTopicState(store, TOPIC);
    await commit(0, 4);
    await judge({ hasEnded: false });
    expect((await judge({ state })).marked).toEqual([]);
    expect(await marker()).toMatchObject({ version: 1, rows: 9 });
  });

  test('that copy their marker too late put the newer one back', async () => {
    await root(0);
    await commit(0, 5);
    const slow = new StoppingStore(
      store,
      (name) => name === `overwrite ${successPath(TOPIC, HOUR)}`,
      async () => {
        await commit(0, 4);
        expect((await judge()).marked).toEqual([HOUR]);
      },
    );
    await judge({ on: slow });
    expect(slow.met).toBeDefined();
    expect(await success()).toMatchObject({ version: 2, rows: 9 });
  });
});

test('a marked hour that changed while a new partition held everything up is marked anew later', async () => {
  await root(0);
  await commit(0, 5);
  await judge();
  await commit(0, 4);
  expect((await judge({ partitions: [0, 1] })).marked).toEqual([]);
  await root(1);
  await observe(1, 0);
  expect((await judge({ partitions: [0, 1] })).marked).toEqual([HOUR]);
  expect(await success()).toMatchObject({ version: 2, rows: 9 });
});

test('a marker whose judge died before copying it is copied, though later runs ended well', async () => {
  await root(0);
  await commit(0, 5);
  const dying = new StoppingStore(store, (name) => name.startsWith('publish '), 'dies after');
  const died = newRun();
  await writeStarted(store, died, new Map());
  const nextOffsets = { 0: 5 };
  const none = { late: { inHour: 0, apart: 0 }, filesSha256: '' };
  const times = { markedAt: NOW, firstMarkedAt: NOW };
  const body = { topic: TOPIC, hour: HOUR, version: 1, run: died.run, nextOffsets, rewriteSeq: 0 };
  const staging = markerStagingDirectory(TOPIC, newAttempt());
  const dead = publishMarker(dying, { ...body, ...times, rows: 5, bytes: 4, files: 1, ...none }, staging);
  await expect(dead).rejects.toThrow('time-out');
  // A run that began before the marker was there, and ends after it.
  await judge({ markedHours: [] });
  await sweepMarkers(store, TOPIC, Date.now());
  expect(await success()).toBeUndefined();
  await judge();
  expect(await success()).toBeDefined();
  await sweepMarkers(store, TOPIC, Number.MAX_SAFE_INTEGER);
  expect(await store.list(markersStagingDirectory(TOPIC))).toEqual([]);
});

test('a run that has not ended makes the next one look at all marks again, but not where several share the topic', async () => {
  await root(0);
  await commit(0, 5);
  await judge();
  await store.remove(successPath(TOPIC, HOUR));
  await writeStarted(store, newRun(), new Map());
  await judge({ isShared: true });
  expect(await success()).toBeUndefined();
  await writeStarted(store, newRun(), new Map());
  await judge();
  expect(await success()).toBeDefined();
});
