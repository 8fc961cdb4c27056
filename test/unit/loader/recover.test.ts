import { expect, test } from 'vitest';
import { isApplied } from '../../../loader/apply.ts';
import { sealRewriteLog } from '../../../loader/generation.ts';
import { recoverRewrites, recoverTopic } from '../../../loader/recover.ts';
import { readRewriteLog, rootRewriteLog } from '../../../loader/rewrite-log.ts';
import { commitMade, MADE_AT, rootMade } from '../../support/made-table.ts';
import { MemoryFiles, MemoryStore, withOverrides } from '../../support/memory-store.ts';

const TOPIC = 't';

/** The state that is recovered while another loader publishes a record, before the `moment`-th operation, and dies. */
async function recoveredWhile(moment: number) {
  const files = new MemoryFiles();
  const store = new MemoryStore(files);
  await rootMade(store, TOPIC, 0);
  await commitMade(store, TOPIC, { partition: 0, rows: 10 });
  const dying = withOverrides(store, { makeDirectory: () => Promise.reject(new Error('killed')) });
  let operations = 0;
  const overtaken = new MemoryStore(async ({ act }) => {
    if (operations++ === moment)
      await expect(commitMade(dying, TOPIC, { partition: 0, rows: 5 })).rejects.toThrow('killed');
    return act(files);
  });
  return { state: await recoverTopic(overtaken, TOPIC), store, operations };
}

test('the state of a recovered topic is in place, whenever another loader publishes and dies', async () => {
  const heads = new Set<number>();
  for (let moment = 0; ; moment++) {
    const { state, store, operations } = await recoveredWhile(moment);
    if (operations <= moment) break;
    const { commits, generation, head } = state.chains.get(0)!;
    expect(await isApplied(store, commits.at(-1)!, generation), `before operation ${moment}`).toBe(true);
    heads.add(head);
  }
  expect([...heads].sort()).toEqual([10, 15]);
});

test('a log of rewrites that was sealed again while it was opened is opened again', async () => {
  const store = new MemoryStore(new MemoryFiles());
  const sealer = { run: 'sealer', nowMs: 0 };
  await rootRewriteLog(store, { topic: TOPIC, seq: 0, createdAt: MADE_AT }, 0);
  /** Seals and dies. */
  const sealOnly = async () => {
    const dying = withOverrides(store, { makeDirectory: () => Promise.reject(new Error('killed')) });
    await expect(sealRewriteLog(dying, await readRewriteLog(store, TOPIC), sealer)).rejects.toThrow('killed');
  };
  await sealOnly();
  let isFirst = true;
  const overtaken = withOverrides(store, {
    makeDirectory: async (path) => {
      if (isFirst) {
        isFirst = false;
        await recoverRewrites(store, TOPIC);
        await sealOnly();
      }
      await store.makeDirectory(path);
    },
  });
  const log = await recoverRewrites(overtaken, TOPIC);
  expect(log).toMatchObject({ generation: 2, seq: 2, seal: undefined });
});
