/**
 * A chain of ten thousand hourly commits, a year and more, sealed as often as the default setting says: what became of its
 * old generations, and of loaders that slept since the first one.
 */
import { expect, test } from 'vitest';
import { settingsSchema } from '../../../config/settings.ts';
import { type Chain, listGenerations, readChain } from '../../../loader/commit-chain.ts';
import { emptyRecord, openGeneration, sealChain } from '../../../loader/generation.ts';
import { partitionDirectory } from '../../../loader/paths.ts';
import { RecoveredTopic } from '../../../loader/recover.ts';
import { liveFiles, readTopicState } from '../../../loader/table-state.ts';
import { HOURLY_SEALER, makeHourly, publishHour } from '../../support/hourly-chain.ts';
import { MemoryFiles, MemoryStore } from '../../support/memory-store.ts';

const [TOPIC, COMMITS, SLEPT_AT] = ['hourly', 10_000, 3_000];
const GENERATIONS = partitionDirectory(TOPIC, 0);

test('a chain of 10,000 commits keeps every file through two seals, and nobody who slept can add to it', async () => {
  const files = new MemoryFiles();
  const store = new MemoryStore(files);
  const limit = settingsSchema.parse({}).loader.sealAfterRecords;
  let sleeper: Chain | undefined;
  const { seals } = await makeHourly(store, TOPIC, { commits: COMMITS, limit }, (chain) => {
    if (chain.head === SLEPT_AT) sleeper = chain;
  });
  expect(seals).toBe(2);
  expect(await listGenerations(store, GENERATIONS)).toEqual([2]);
  const before = await new RecoveredTopic(store, TOPIC).recover();
  expect(before.chains.get(0)).toMatchObject({ head: COMMITS, generation: 2, older: 0 });
  expect([...liveFiles(before)].map(({ start }) => start)).toEqual(
    Array.from({ length: COMMITS }, (_, i) => i),
  );

  const publishes = async (chain: Chain) => {
    expect((await publishHour(store, chain)).outcome).toBe('lost');
    expect(await sealChain(store, chain, HOURLY_SEALER)).toBeUndefined();
  };
  await publishes(sleeper!); // its generation is gone
  const opens = { topicId: 'id', incarnation: 0, head: SLEPT_AT };
  const seal = { ...emptyRecord(sleeper!, HOURLY_SEALER), kind: 'seal' as const, next: SLEPT_AT, opens };
  // Another sleeper believes that it has just sealed, and makes the second generation anew.
  await openGeneration(store, sleeper!, seal);
  expect(await listGenerations(store, GENERATIONS)).toEqual([1, 2]);
  await publishes({ ...sleeper!, generation: 1 });

  expect((await readChain(store, TOPIC, 0))?.head).toBe(COMMITS);
  expect((await readTopicState(store, TOPIC)).live).toEqual(before.live);
}, 60_000);
