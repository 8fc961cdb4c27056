import { expect, test } from 'vitest';
import { predictableIds } from './attempt-ids.ts';
import { crowd } from './crowd.ts';
import { runSeed } from './random-schedule.ts';

/** How many random schedules, and the seed of the first; MODEL_SEED=n MODEL_SCHEDULES=1 runs one again. */
const SCHEDULES = Number(process.env['MODEL_SCHEDULES'] ?? 500);
const FIRST_SEED = Number(process.env['MODEL_SEED'] ?? 1);

test(`${SCHEDULES} random schedules of everybody at once keep the invariants`, {
  timeout: 24 * 60 * 60_000,
}, async () => {
  using _ = predictableIds();
  let choices = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    const ran = await runSeed(crowd(seed), seed);
    choices += ran.choices;
    if (ran.violation === undefined) continue;
    const { problem, trace } = ran.violation;
    const again = `MODEL_SEED=${seed} MODEL_SCHEDULES=1 npm run test:models`;
    expect.fail(`seed ${seed}: ${problem}\n(again: ${again})\n${trace.join('\n')}`);
  }
  console.log(`${SCHEDULES} schedules from seed ${FIRST_SEED}: ${choices} choices`);
});
