/**
 * Forgetting: chains and the rewrite log are sealed and their old generations removed, while other processes sleep with an
 * old view of them.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readChain } from '../../../loader/commit-chain.ts';
import { boundsOf } from '../../../loader/fold.ts';
import { forgetHistory } from '../../../loader/forget.ts';
import { openGeneration, removeHistory, sealChain } from '../../../loader/generation.ts';
import { generationDirectory } from '../../../loader/paths.ts';
import { RecoveredTopic, recoverChain, recoverTopic } from '../../../loader/recover.ts';
import { lastBatchOf } from '../../../loader/same-log.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { readTopicState } from '../../../loader/table-state.ts';
import { commitMade, MADE_HOUR, mergeMade, rootMade } from '../../support/made-table.ts';
import { StoppingStore } from '../../support/stopping-store.ts';
import { TempDir } from '../../support/temp-dir.ts';

const TOPIC = 't';
const SEALER = { run: 'sealer', nowMs: Date.UTC(2026, 2, 3) };
const FORGET = { limit: 2, sealer: SEALER };

let dir: TempDir;
let store: DirectoryStore;
beforeEach(async () => {
  dir = new TempDir();
  store = await DirectoryStore.open(dir.path);
  for (const partition of [0, 1]) await rootMade(store, TOPIC, partition);
});
afterEach(() => dir[Symbol.dispose]());

const forget = async (on: Store, topic: string) => forgetHistory(on, await readTopicState(on, topic), FORGET);
const commit = (partition: number, rows: number) => commitMade(store, TOPIC, { partition, rows });
const merge = () => mergeMade(new RecoveredTopic(store, TOPIC));
const liveNames = async () => [...(await readTopicState(store, TOPIC)).live.keys()].sort();
const visible = async () =>
  (await store.list(`${TOPIC}/dt=${MADE_HOUR.slice(0, 10)}/hour=00`)).map(({ name }) => name).sort();

test('a sealed chain goes on in the next generation, and knows its files, bounds and last batch', async () => {
  for (const rows of [3, 4]) await commit(0, rows);
  const before = (await readChain(store, TOPIC, 0))!;
  const files = await liveNames();
  await forget(store, TOPIC);
  const after = (await readChain(store, TOPIC, 0))!;
  expect([after.generation, after.head, after.commits.length]).toEqual([1, 7, 0]);
  expect(boundsOf(after)).toEqual(boundsOf(before));
  expect(lastBatchOf(after)).toEqual(lastBatchOf(before));
  expect(await liveNames()).toEqual(files);
  expect(await store.stat(generationDirectory(TOPIC, 0, 0))).toBeUndefined();
  expect(await commit(0, 5)).toBe('won');
  expect((await readChain(store, TOPIC, 0))!.head).toBe(12);
});

test('a loader that slept through a seal is outbid, also when another sleeper makes the old directory anew', async () => {
  await commit(0, 3);
  const sleeper = (await recoverChain(store, TOPIC, 0))!;
  for (const rows of [1, 1]) await commit(0, rows);
  await forget(store, TOPIC);
  for (const rows of [1, 1]) await commit(0, rows);
  await forget(store, TOPIC);
  const head = (await readChain(store, TOPIC, 0))!.head;
  const files = await liveNames();
  // The sleeper saw the seal of generation 0 and opens generation 1, which was removed long ago.
  await openGeneration(store, sleeper, { ...(await sealOf(sleeper.head)), prevSha256: sleeper.headSha256 });
  expect((await readChain(store, TOPIC, 0))!.head).toBe(head);
  // And another one wins a name in there.
  const stale = { ...sleeper, generation: 1 };
  expect(await sealChain(store, stale, SEALER)).toBeUndefined();
  expect(await liveNames()).toEqual(files);
  await removeHistory(store, await recoverTopic(store, TOPIC));
  expect(await store.stat(generationDirectory(TOPIC, 0, 1))).toBeUndefined();
});

async function sealOf(head: number) {
  await rootMade(store, 'other', 0);
  if (head > 0) await commitMade(store, 'other', { partition: 0, rows: head });
  const chain = (await recoverChain(store, 'other', 0))!;
  const commit = chain.commits[0]!;
  const opens = { topicId: 'id', incarnation: 0, head };
  return {
    ...commit,
    kind: 'seal' as const,
    topic: TOPIC,
    start: head,
    next: head,
    opens,
    files: [],
    counts: NONE,
  };
}
const NONE = { read: 0, data: 0, lateInHour: 0, lateDir: 0, quarantined: 0, filtered: 0, perHour: {} };

test('rewrites are forgotten only when every chain was sealed after them, and the files stay the same', async () => {
  for (const partition of [0, 1]) await commit(partition, 3);
  await merge();
  await commit(0, 2); // partition 1 stays below the limit
  await merge();
  await commit(0, 4);
  const files = await liveNames();
  expect(await visible()).toEqual(files.map((name) => name.slice(name.lastIndexOf('/') + 1)));
  await forget(store, TOPIC);
  const { log, chains } = await readTopicState(store, TOPIC);
  expect([log.generation, log.rewrites.length, log.sealedUntil]).toEqual([1, 0, 3]);
  expect([...chains.values()].map(({ base }) => base.rewriteSeq)).toEqual([3, 3]);
  expect(await liveNames()).toEqual(files);
  await merge();
  expect(await liveNames()).toHaveLength(1);
  expect((await readTopicState(store, TOPIC)).log.seq).toBe(4);
});

test('forgetting that dies after any step is finished by the next, and no file is lost from the fold', async () => {
  for (let dies = 0, isDone = false; !isDone; dies++) {
    const topic = `t${dies}`;
    for (const partition of [0, 1]) await rootMade(store, topic, partition);
    for (const partition of [0, 1, 0, 1]) await commitMade(store, topic, { partition, rows: 2 });
    const files = [...(await readTopicState(store, topic)).live.keys()];
    const dying = new StoppingStore(store, (_, index) => index === dies, 'dies after');
    await forget(dying, topic).then(
      () => (isDone = true),
      () => {},
    );
    expect([...(await recoverTopic(store, topic)).live.keys()]).toEqual(files);
    await forget(store, topic);
    const { chains, live } = await readTopicState(store, topic);
    expect([...live.keys()]).toEqual(files);
    for (const { generation, partition } of chains.values()) {
      expect(
        await store.list(`${topic}/_loader/commits/p=0000${partition}`),
        `after step ${dies}`,
      ).toHaveLength(1);
      expect(generation).toBeGreaterThanOrEqual(1);
    }
  }
});
