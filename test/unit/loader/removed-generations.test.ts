/**
 * Generations that are removed while somebody reads them. A listing is no snapshot: what it names may be gone when it is
 * opened, and must then not be taken for something that was never there.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { isHistory, readChain } from '../../../loader/commit-chain.ts';
import { removeHistory, sealChain, sealRewriteLog } from '../../../loader/generation.ts';
import { partitionDirectory, rewritesDirectory } from '../../../loader/paths.ts';
import { recoverChain, recoverRewrites } from '../../../loader/recover.ts';
import { readRewriteLog, rootRewriteLog } from '../../../loader/rewrite-log.ts';
import type { Store } from '../../../loader/store/store.ts';
import { readTopicState } from '../../../loader/table-state.ts';
import { commitMade, MADE_AT, rootMade } from '../../support/made-table.ts';
import { MemoryFiles, MemoryStore, withOverrides } from '../../support/memory-store.ts';

const TOPIC = 't';
const SEALER = { run: 'sealer', nowMs: Date.parse(MADE_AT) };
const CHAIN = partitionDirectory(TOPIC, 0);

let store: Store;
beforeEach(async () => {
  store = new MemoryStore(new MemoryFiles());
  await rootMade(store, TOPIC, 0);
  await commitMade(store, TOPIC, { partition: 0, rows: 10 });
});

/** Seals log and chain, and removes what is history. */
async function forget(): Promise<void> {
  await sealRewriteLog(store, await recoverRewrites(store, TOPIC), SEALER);
  await sealChain(store, (await recoverChain(store, TOPIC, 0))!, SEALER);
  await removeHistory(store, await readTopicState(store, TOPIC));
}

/** A store in which something happens right after the first listing of a directory. */
function afterListing(directory: string, meanwhile: () => Promise<void>): Store {
  let isFirst = true;
  return withOverrides(store, {
    list: async (path) => {
      const found = await store.list(path);
      if (path === directory && isFirst) {
        isFirst = false;
        await meanwhile();
      }
      return found;
    },
  });
}

describe('a generation that is removed right after it was listed', () => {
  test('does not make a partition look as if it had no chain', async () => {
    const chain = await readChain(afterListing(CHAIN, forget), TOPIC, 0);
    expect(chain).toMatchObject({ generation: 1, head: 10 });
  });

  test('does not make the log of rewrites look empty', async () => {
    await rootRewriteLog(store, { topic: TOPIC, seq: 0, createdAt: MADE_AT }, 0);
    const log = await readRewriteLog(afterListing(rewritesDirectory(TOPIC), forget), TOPIC);
    expect(log).toMatchObject({ generation: 1, seq: 1 });
  });

  test('does not make an older one look like the current one', async () => {
    await forget();
    expect(await isHistory(afterListing(CHAIN, forget), CHAIN, 0)).toBe(true);
    expect(await isHistory(store, CHAIN, 2)).toBe(false);
  });
});
