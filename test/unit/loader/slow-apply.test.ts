/**
 * Processes that fall asleep while they apply a record: others apply it, go on, even forget it. Whoever wakes must neither
 * undo what they did nor complain of what is rightly gone.
 */
import { beforeEach, expect, test } from 'vitest';
import { applyCommit } from '../../../loader/apply.ts';
import { applyRewrite } from '../../../loader/apply-rewrite.ts';
import type { Commit } from '../../../loader/commit.ts';
import { asDataFile } from '../../../loader/fold.ts';
import { removeHistory, sealChain, sealRewriteLog } from '../../../loader/generation.ts';
import { markersStagingDirectory, successPath, trashDirectory } from '../../../loader/paths.ts';
import { RecoveredTopic, recoverChain, recoverRewrites, recoverTopic } from '../../../loader/recover.ts';
import type { Rewrite } from '../../../loader/rewrite.ts';
import { rewriteTopic } from '../../../loader/rewrite-topic.ts';
import type { Store } from '../../../loader/store/store.ts';
import { readTopicState } from '../../../loader/table-state.ts';
import { commitMade, MADE_AT, MADE_HOUR, mergeMade, rootMade } from '../../support/made-table.ts';
import { MemoryFiles, MemoryStore, withOverrides } from '../../support/memory-store.ts';

const TOPIC = 't';
const NOW_MS = Date.parse(MADE_AT);
const SUCCESS = successPath(TOPIC, MADE_HOUR);

let store: Store;
let commit: Commit;
beforeEach(async () => {
  store = new MemoryStore(new MemoryFiles());
  await rootMade(store, TOPIC, 0);
  await commitMade(store, TOPIC, { partition: 0, rows: 10 });
  commit = (await recoverChain(store, TOPIC, 0))!.commits[0]!;
});

const mark = async () => {
  await store.create('t/mark', '{}');
  await store.overwrite('t/mark', SUCCESS);
};

/** Takes the hour out of the table. */
const expireHour = async (): Promise<Rewrite> =>
  (await rewriteTopic(
    new RecoveredTopic(store, TOPIC),
    { run: 'expiry', now: () => NOW_MS },
    async ({ live }) => ({
      kind: 'expire',
      removes: [...live.values()].map(asDataFile),
      adds: [],
      expiredBefore: '2026-03-02T00',
    }),
  ))!;

test('a file that was expired, and its expiry forgotten, is not missed by who applies its commit late', async () => {
  await expireHour();
  const sealer = { run: 'sealer', nowMs: NOW_MS };
  await sealRewriteLog(store, await recoverRewrites(store, TOPIC), sealer);
  await sealChain(store, (await recoverChain(store, TOPIC, 0))!, sealer);
  await removeHistory(store, await readTopicState(store, TOPIC));
  await applyCommit(store, commit, 0, false);
  expect((await recoverTopic(store, TOPIC)).live.size).toBe(0);
});

test('the mark of an hour stays when a rewrite is applied again that others have applied', async () => {
  const rewrite = await expireHour();
  await mark();
  await applyRewrite(store, rewrite, 0, true);
  expect(await store.read(SUCCESS)).toBeDefined();
  expect(await store.list(markersStagingDirectory(TOPIC))).toEqual([]);
});

test('one that is withdrawn all the same makes the next judge look at every mark', async () => {
  const rewrite = await expireHour();
  await mark();
  // It looked while its staging was still there, and slept.
  let looks = 0;
  const slept = withOverrides(store, {
    stat: async (path) =>
      path.includes('/staging/w-') && looks++ === 0
        ? { name: '', kind: 'directory', size: 0, modifiedMs: 0 }
        : await store.stat(path),
  });
  await applyRewrite(slept, rewrite, 0, true);
  expect(await store.read(SUCCESS)).toBeUndefined();
  expect(await store.list(markersStagingDirectory(TOPIC))).toHaveLength(1);
});

test.each([
  ['removed', 'makeDirectory'],
  ['added', 'sync'],
] as const)(
  'a judge who marks late, just before files are %s, has marked no half of a swap',
  async (_, moment) => {
    await commitMade(store, TOPIC, { partition: 0, rows: 10 });
    const markedAtMoves: boolean[] = [];
    let late = 0;
    const beside = withOverrides(store, {
      [moment]: async (names: string & string[]) => {
        await store[moment](names);
        if ([names].flat().includes(trashDirectory(TOPIC, 1)) && ++late === 1) await mark();
      },
      move: async (from, to) => {
        markedAtMoves.push((await store.stat(SUCCESS)) !== undefined);
        return await store.move(from, to);
      },
    });
    await mergeMade(new RecoveredTopic(beside, TOPIC));
    expect(late).toBe(1);
    expect(markedAtMoves).toEqual([false, false, false]);
  },
);
