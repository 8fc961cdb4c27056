/**
 * Expiry over made tables: what the settings let go is gone, whatever else is named stays, and a stop at any operation is
 * finished by the next run.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { settingsSchema } from '../../../config/settings.ts';
import { expire, RetentionError } from '../../../jobs/expire.ts';
import { expireRuns } from '../../../jobs/expire-runs.ts';
import { asDataFile } from '../../../loader/fold.ts';
import { trashDirectory } from '../../../loader/paths.ts';
import { RecoveredTopic, recoverTopic } from '../../../loader/recover.ts';
import { rewriteTopic } from '../../../loader/rewrite-topic.ts';
import { listRuns, writeOutcome, writePlan, writeStarted } from '../../../loader/run-history.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { commitMade, madeBody, madeFile, rootMade } from '../../support/made-table.ts';
import { StoppingStore } from '../../support/stopping-store.ts';
import { TempDir } from '../../support/temp-dir.ts';

const TOPIC = 't';
const NOW = Date.parse('2026-03-10T00:00:00Z');
const [OLD, YOUNG] = ['2026-03-01T00', '2026-03-09T00'];
const DAY = 24;

let dir: TempDir;
let store: DirectoryStore;
beforeEach(async () => {
  dir = new TempDir();
  store = await DirectoryStore.open(dir.path);
});
afterEach(() => dir[Symbol.dispose]());

async function makeTable(topic: string): Promise<void> {
  await rootMade(store, topic, 0);
  for (const hour of [OLD, YOUNG]) await commitMade(store, topic, { partition: 0, rows: 3, hour });
}

const expireTable = (on: Store, change: object, { topic = TOPIC, dryRun = false } = {}) => {
  const { loader } = settingsSchema.parse({ loader: { lateHorizonHours: DAY, ...change } });
  return expire({ store: on, topic, loader, run: 'expiry', now: () => NOW, dryRun });
};

const hoursOf = async (topic = TOPIC) =>
  [...(await recoverTopic(store, topic)).live.values()].map(({ hour }) => hour).sort();
const visible = async (hour: string, topic = TOPIC) =>
  (await store.list(`${topic}/dt=${hour.slice(0, 10)}/hour=${hour.slice(11)}`)).map(({ name }) => name);

test('by default no hour of the table goes', async () => {
  await makeTable(TOPIC);
  expect(await expireTable(store, {})).toMatchObject({ hours: [], files: 0, trash: [] });
  expect(await hoursOf()).toEqual([OLD, YOUNG]);
});

test('old hours go from the records and from the directories, the others stay', async () => {
  await makeTable(TOPIC);
  const keep = { dataKeepHours: 3 * DAY };
  expect(await expireTable(store, keep, { dryRun: true })).toMatchObject({ hours: [OLD], rows: 3, files: 1 });
  expect(await hoursOf()).toEqual([OLD, YOUNG]);
  expect(await expireTable(store, keep)).toMatchObject({ hours: [OLD], rows: 3, files: 1 });
  expect([await hoursOf(), await visible(OLD)]).toEqual([[YOUNG], []]);
  expect(await visible(YOUNG)).toHaveLength(1);
  expect((await recoverTopic(store, TOPIC)).log.expiredBefore).toBe('2026-03-07T00');
  expect(await expireTable(store, keep)).toMatchObject({ hours: [] });
});

test('hours that late rows may still come for are not deleted', async () => {
  await makeTable(TOPIC);
  const contradiction = expireTable(store, { dataKeepHours: DAY });
  await expect(contradiction).rejects.toThrow(RetentionError);
  await expect(contradiction).rejects.toThrow(/lateHorizonHours/);
  expect(await hoursOf()).toEqual([OLD, YOUNG]);
});

/** Replaces the file of an hour, as a replay would; `daysAgo` is when. */
async function rewriteHour(hour: string, daysAgo: number): Promise<number> {
  const now = () => NOW - daysAgo * DAY * 3_600_000;
  const done = await rewriteTopic(
    new RecoveredTopic(store, TOPIC),
    { run: 'replay', now },
    async ({ live }, { seq, staging }) => {
      const file = [...live.values()].find((one) => one.hour === hour)!;
      const [from, next] = [file.minOffset, file.maxOffset + 1];
      const add = madeFile({ partition: 0, from, next, rewrite: seq, hour }, `${staging}/000-000.staged`);
      await store.create(`${TOPIC}/${add.staged}`, madeBody(0, from, next));
      return { kind: 'replay', removes: [asDataFile(file)], adds: [add] };
    },
  );
  return done!.seq;
}

test('old trash goes, by a number of the log; young trash stays', async () => {
  await makeTable(TOPIC);
  const [old, young] = [await rewriteHour(OLD, 8), await rewriteHour(YOUNG, 2)];
  expect(await expireTable(store, {})).toMatchObject({ trash: [old] });
  expect(await store.stat(trashDirectory(TOPIC, old))).toBeUndefined();
  expect(await store.list(trashDirectory(TOPIC, young))).toHaveLength(1);
  const { log } = await recoverTopic(store, TOPIC);
  expect([log.rewrites.at(-1)?.kind, [...log.trashGone]]).toEqual(['fence', [old]]);
  expect(await hoursOf()).toEqual([OLD, YOUNG]);
});

test('an expiry that dies after any operation is finished by the next', async () => {
  for (let dies = 0, isDone = false; !isDone; dies++) {
    const topic = `t${dies}`;
    await makeTable(topic);
    const dying = new StoppingStore(store, (_, index) => index === dies, 'dies after');
    await expireTable(dying, { dataKeepHours: 3 * DAY }, { topic }).then(
      () => (isDone = true),
      () => {},
    );
    await expireTable(store, { dataKeepHours: 3 * DAY }, { topic });
    expect([await hoursOf(topic), await visible(OLD, topic)], dying.met).toEqual([[YOUNG], []]);
  }
});

test('a dry run changes nothing, not even what a dead process left to do', async () => {
  await makeTable(TOPIC);
  const isPublish = (name: string) => name.startsWith('publish') && name.endsWith('00000001.json');
  const dying = new StoppingStore(store, isPublish, 'dies after');
  await expect(expireTable(dying, { dataKeepHours: 3 * DAY })).rejects.toThrow();
  const counting = new StoppingStore(store, () => false, 'is refused');
  const change = { dataKeepHours: 3 * DAY, sealAfterRecords: 2 };
  expect(await expireTable(counting, change, { dryRun: true })).toMatchObject({ hours: [], chainsSealed: 1 });
  expect(counting.done).toEqual([]);
  expect(await visible(OLD)).toHaveLength(1);
  expect(await expireTable(counting, change)).toMatchObject({ chainsSealed: 1 });
  expect(await visible(OLD)).toEqual([]);
});

test('history goes, but the observations that hours are judged by stay', async () => {
  await makeTable(TOPIC);
  const runAt = async (day: number, highWatermark: number) => {
    const id = { topic: TOPIC, run: `run-${day}`, startedAt: `2026-03-0${day}T00:00:00.000Z` };
    await writeStarted(store, id, new Map());
    const observation = { partition: 0, topicId: 'id', headRead: 0, timeMs: 0, highWatermark };
    const plan = { v: 1 as const, run: id.run, topic: TOPIC, takenAt: id.startedAt };
    await writePlan(store, id, { ...plan, observations: [observation], ranges: [] });
    const ended = { endedAt: id.startedAt, partitions: [], hoursMarked: 0, judgedHeads: {} };
    await writeOutcome(store, id, { v: 1, ...id, ...ended });
  };
  for (const [day, seen] of [
    [1, 1],
    [2, 100],
    [3, 2],
    [4, 3],
    [9, 100],
  ] as const)
    await runAt(day, seen);
  const options = { store, keepHours: 2 * DAY, nowMs: NOW, dryRun: false };
  expect(await expireRuns(options, await recoverTopic(store, TOPIC))).toBe(2);
  const left = (await listRuns(store, TOPIC)).flatMap((path) => /run-\d(?=\.plan)/.exec(path) ?? []);
  expect(left.sort()).toEqual(['run-2', 'run-4', 'run-9']);
});
