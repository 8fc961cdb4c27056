/**
 * The second look at the log, after everything was read and before it is published. What the broker says is made up here;
 * `test/integration/same-log.test.ts` has the first look with a real one.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KafkaClient } from '../../../broker/client/client.ts';
import type { OffsetRange } from '../../../broker/topic-partition.ts';
import { type Chain, readChain, rootChain } from '../../../loader/commit-chain.ts';
import { MadeDirectories } from '../../../loader/made-directories.ts';
import { type LoadedPartition, loadPartition, type TopicRun } from '../../../loader/partition-load.ts';
import type { LogView } from '../../../loader/same-log.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { TaskDone, TaskInput, TaskResult } from '../../../loader/task.ts';
import { TempDir } from '../../support/temp-dir.ts';

const [TOPIC, TOPIC_ID, RANGE] = ['t', 'id', { from: 0, until: 100 }];
const LOG: LogView = { topicId: TOPIC_ID, logStart: 0, highWatermark: 100 };

let dir: TempDir;
let store: DirectoryStore;
let chain: Chain;
beforeEach(async () => {
  dir = new TempDir();
  store = await DirectoryStore.open(dir.path);
  const base = { topicId: TOPIC_ID, partition: 0, incarnation: 0, head: 0, policy: 'earliest' as const };
  chain = await rootChain(store, {
    topic: TOPIC,
    ...base,
    createdAt: '2026-03-01T00:00:00.000Z',
    rewriteSeq: 0,
  });
});
afterEach(() => dir[Symbol.dispose]());

/** A task that read a hundred records, all of them filtered, of leader epoch 3. */
const DONE: TaskDone = {
  ok: true,
  next: RANGE.until,
  files: [],
  read: 100,
  filtered: 100,
  expired: 0,
  last: { baseOffset: 0, crc: 0 },
  leaderEpoch: 3,
  seconds: 2,
};

/** Loads those records, while the log becomes what `seen` and `epochEnd` say. */
async function loadWhile(seen: LogView, epochEnd = 100): Promise<number> {
  await loadWith(async () => DONE, [RANGE], seen, epochEnd);
  return (await readChain(store, TOPIC, 0))!.head;
}

/** Loads by tasks that end as `task` says. */
async function loadWith(
  task: (input: TaskInput, lag?: number) => Promise<TaskResult>,
  tasks: OffsetRange[],
  seen = LOG,
  epochEnd = 100,
): Promise<LoadedPartition> {
  const endOfEpoch = async (_: unknown, leaderEpoch: number) => ({ leaderEpoch, endOffset: epochEnd });
  const run = {
    store,
    // All that loading one partition asks of client and pool.
    client: { endOfEpoch } as unknown as KafkaClient,
    pool: { run: task } as unknown as TopicRun['pool'],
    now: Date.now,
    made: new MadeDirectories(store),
    look: async () => seen,
    task: {} as TopicRun['task'],
    run: 'r',
    planTakenMs: 0,
    lateBeforeMs: 0,
    skewAfterMs: 0,
    schema: undefined,
    markedHours: new Set<string>(),
  };
  const range = { from: tasks[0]!.from, until: tasks.at(-1)!.until };
  return await loadPartition(run, chain, { partition: 0, range, tasks });
}

test('records that retention deleted after they were read are loaded', async () => {
  expect(await loadWhile({ ...LOG, logStart: 60, highWatermark: 200 })).toBe(100);
});

test('a log that lost its end after it was read is refused', async () => {
  await expect(loadWhile({ ...LOG, logStart: 1, highWatermark: 60 })).rejects.toThrow(
    't-0: the log ends at offset 60, below 100, up to which it was loaded',
  );
  expect((await readChain(store, TOPIC, 0))?.head).toBe(0);
});

test('a log that lost its end after it was read and was filled with other records is refused', async () => {
  await expect(loadWhile({ ...LOG, logStart: 1, highWatermark: 200 }, 60)).rejects.toThrow(
    't-0: leader epoch 3 ends at offset 60, below 100, up to which it was loaded',
  );
  expect((await readChain(store, TOPIC, 0))?.head).toBe(0);
});

test('each of several tasks waits for a worker with the lag of all of its partition', async () => {
  const ranges = [0, 1, 2].map((i) => ({ from: i * 30, until: i * 30 + 30 }));
  const lags: unknown[] = [];
  await loadWith(
    async ({ range: { from, until } }, lag) => {
      lags.push(lag);
      return { ...DONE, next: until, read: until - from, filtered: until - from };
    },
    ranges,
    { ...LOG, logStart: 1 },
  );
  expect(lags).toEqual([90, 90, 90]);
});

test('where one of several tasks fails nothing of the partition is loaded, and what the others staged is gone', async () => {
  const ranges = [0, 1, 2].map((i) => ({ from: i * 30, until: i * 30 + 30 }));
  const tasks = ranges.map(async ({ until }, i): Promise<TaskResult> => {
    if (i === 1) return { ok: false, abandoned: false, message: 'no room', stack: undefined };
    return { ...DONE, next: until };
  });
  await expect(loadWith(async ({ task }) => await tasks[task]!, ranges)).rejects.toThrow('t-0: no room');
  expect((await readChain(store, TOPIC, 0))?.head).toBe(0);
  expect(await store.list(`${TOPIC}/_loader/staging`)).toEqual([]);
});

test('where a time budget cuts one of several tasks short the record ends there, in order', async () => {
  const ranges = [0, 1, 2].map((i) => ({ from: i * 30, until: i * 30 + 30 }));
  const run = async ({ task, range }: Pick<TaskInput, 'task' | 'range'>) => {
    const next = task === 1 ? 40 : range.until;
    return { ...DONE, next, read: next - range.from, filtered: next - range.from };
  };
  const { commits, seconds } = await loadWith(run, ranges, { ...LOG, logStart: 1 });
  expect(commits).toMatchObject([{ start: 0, next: 40, counts: { read: 40 } }]);
  expect(seconds).toBe(6);
});
