import { expect, test } from 'vitest';
import { isApplied } from '../../../loader/apply.ts';
import { recoverTopic } from '../../../loader/recover.ts';
import { commitMade, rootMade } from '../../support/made-table.ts';
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
