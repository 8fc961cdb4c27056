import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ModelProducer, TransactionWorld } from '../../../models/transactions.ts';

/** Thousands of seeds: TRANSACTION_SEEDS=5000. */
const SEEDS = Number(process.env.TRANSACTION_SEEDS ?? 60);
const STEPS = 400;

/** Three producer processes, two of them under one id, a clock, and a broker that dies. */
async function run(seed: number): Promise<TransactionWorld> {
  const world = new TransactionWorld(seed);
  const producers = ['a', 'a', 'b'].map((id) => new ModelProducer(world, id));
  for (let step = 0; step < STEPS; step++) {
    const choice = world.pick(100);
    if (choice < 45) producers[world.pick(producers.length)]?.step();
    else if (choice < 95) world.endWrite(true);
    else if (choice < 97) world.die();
    else {
      world.nowMs += world.pick(600);
      void world.coordinator.check();
    }
    await turn();
  }
  await world.settle();
  world.verify();
  return world;
}

describe('transactions of producers that fence each other, time out, and lose their broker', () => {
  test('are all there or not at all, as the producers were told', async () => {
    const told = { commit: 0, abort: 0, unknown: 0 };
    for (let seed = 0; seed < SEEDS; seed++) {
      try {
        const { attempts } = await run(seed);
        for (const { acknowledged = 'unknown' } of attempts) told[acknowledged] += 1;
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
    expect(told.commit).toBeGreaterThan(SEEDS);
    expect(told.abort).toBeGreaterThan(SEEDS / 4);
    expect(told.unknown).toBeGreaterThan(SEEDS / 4);
  }, 300_000);
});
