/**
 * A process that carries what it has recovered from rewrite to rewrite: it reads no more than what was added, and yet knows
 * at every moment all that a process knows which reads everything.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { isRewriteApplied } from '../../../loader/apply-rewrite.ts';
import { forgetHistory } from '../../../loader/forget.ts';
import {
  generationDirectory,
  recordName,
  rewriteGenerationDirectory,
  rewriteName,
} from '../../../loader/paths.ts';
import { RecoveredTopic } from '../../../loader/recover.ts';
import type { Store } from '../../../loader/store/store.ts';
import { readTopicState } from '../../../loader/table-state.ts';
import { commitMade, MADE_AT, mergeMade, rootMade } from '../../support/made-table.ts';
import { MemoryFiles, MemoryStore } from '../../support/memory-store.ts';
import { StoppingStore } from '../../support/stopping-store.ts';

const TOPIC = 't';
const SEALER = { run: 'sealer', nowMs: Date.parse(MADE_AT) };

let files: MemoryFiles;
let store: Store;
const begin = async () => {
  files = new MemoryFiles();
  store = new MemoryStore(files);
  await rootMade(store, TOPIC, 0);
};
beforeEach(begin);

/** What other processes may do meanwhile. */
const OTHERS: Record<string, () => Promise<unknown>> = {
  commits: () => commitMade(store, TOPIC, { partition: 0, rows: 2 }),
  rewrites: () => mergeMade(new RecoveredTopic(store, TOPIC)),
  'seals and forgets': async () =>
    forgetHistory(store, await readTopicState(store, TOPIC), { limit: 1, sealer: SEALER }),
  'roots a partition': () => rootMade(store, TOPIC, 1),
  'wakes and makes an old generation anew': async () => {
    await store.makeDirectory(generationDirectory(TOPIC, 0, 0));
    await store.makeDirectory(rewriteGenerationDirectory(TOPIC, 0));
  },
};
const acts = Object.keys(OTHERS);

/** Carries a table's state through what others do, one after the other. */
async function carryThrough(order: readonly string[]): Promise<void> {
  await begin();
  for (const rows of [1, 1]) await commitMade(store, TOPIC, { partition: 0, rows });
  const table = new RecoveredTopic(store, TOPIC);
  await mergeMade(table);
  await commitMade(store, TOPIC, { partition: 0, rows: 1 });
  await table.recover();
  for (const act of order) {
    await OTHERS[act]!();
    expect(await table.recover(), `${order}, after it ${act}`).toEqual(await readTopicState(store, TOPIC));
  }
  const { log } = await table.recover();
  if (await mergeMade(table)) expect((await readTopicState(store, TOPIC)).log.seq).toBe(log.seq + 1);
}

test.each(acts)(
  'knows all that was added since, when another process %s and does two things more',
  async (a) => {
    for (const b of acts) for (const c of acts) await carryThrough([a, b, c]);
  },
);

describe('what another process published and did not put in place', () => {
  const published = async (act: (dying: Store) => Promise<unknown>) => {
    const dying = new StoppingStore(store, (name) => name.startsWith('publish '), 'dies after');
    await expect(act(dying)).rejects.toThrow();
  };

  test('is in place before anything is planned: a commit', async () => {
    const table = new RecoveredTopic(store, TOPIC);
    await table.recover();
    await published((dying) => commitMade(dying, TOPIC, { partition: 0, rows: 3 }));
    const [name] = [...(await table.recover()).live.keys()];
    expect(await store.stat(`${TOPIC}/${name}`)).toBeDefined();
  });

  test('is in place before anything is planned: a rewrite', async () => {
    for (const rows of [1, 1]) await commitMade(store, TOPIC, { partition: 0, rows });
    const table = new RecoveredTopic(store, TOPIC);
    await mergeMade(table);
    await commitMade(store, TOPIC, { partition: 0, rows: 1 });
    await table.recover();
    await published((dying) => mergeMade(new RecoveredTopic(dying, TOPIC)));
    const { log, live } = await table.recover();
    expect(log.seq).toBe(2);
    expect(await isRewriteApplied(store, log.rewrites.at(-1)!, log.generation!)).toBe(true);
    expect(await store.stat(`${TOPIC}/${[...live.keys()][0]}`)).toBeDefined();
  });
});

test('a record that continues nothing is found out, not built on', async () => {
  await commitMade(store, TOPIC, { partition: 0, rows: 1 });
  const table = new RecoveredTopic(store, TOPIC);
  await mergeMade(table);
  await table.recover();
  const rubbish = `${rewriteGenerationDirectory(TOPIC, 0)}/${rewriteName(2)}`;
  await store.create(rubbish, '{}');
  await expect(table.recover()).rejects.toThrow(/nothing was changed/);
  await store.remove(rubbish);
  await store.create(`${generationDirectory(TOPIC, 0, 0)}/${recordName(1)}`, '{}');
  await expect(table.recover()).rejects.toThrow(/nothing was changed/);
});

test('a rewrite costs no more calls, however many there were before it', async () => {
  let calls = 0;
  const counted = new MemoryStore(async ({ act }) => {
    calls++;
    return act(files);
  });
  const table = new RecoveredTopic(counted, TOPIC);
  const costs: number[] = [];
  for (let round = 0; round < 20; round++) {
    await commitMade(store, TOPIC, { partition: 0, rows: 1 });
    calls = 0;
    await mergeMade(table);
    costs.push(calls);
  }
  expect(new Set(costs.slice(2)).size).toBe(1);
});
