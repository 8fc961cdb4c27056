import { describe, expect, test } from 'vitest';
import { predictableIds } from './attempt-ids.ts';
import { search } from './search.ts';
import { SMALL_MODELS } from './small-models.ts';

/** States looked at per model; the nightly size is in package.json, `test:models:nightly`. */
const STATES = Number(process.env['MODEL_STATES'] ?? 3_000);

describe('every schedule of a small model, in order of interruptions, keeps the invariants', () => {
  test.each(SMALL_MODELS.map((model) => ({ model, name: model.name })))(
    '$name',
    { timeout: 60 * 60_000 },
    async ({ model }) => {
      using _ = predictableIds();
      const { violation, states, interruptions, isComplete } = await search(model, { maxStates: STATES });
      const reach = isComplete ? 'all there are' : `${interruptions} interruptions`;
      console.log(`${model.name}: ${states} states, ${reach}`);
      expect(violation?.problem, violation?.trace.join('\n')).toBeUndefined();
      expect(states).toBeGreaterThan(100);
    },
  );
});
