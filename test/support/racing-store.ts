/**
 * A store whose operations each wait a little first, by a seed: two loads over two of them meet in another order under
 * every seed. One load at a time may stand still much longer, in the middle of what it does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import type { Store } from '../../loader/store/store.ts';

const CHANGES: ReadonlySet<string | symbol> = new Set([
  'makeDirectory',
  'create',
  'publish',
  'move',
  'overwrite',
  'sync',
  'remove',
]);
/** Of a hundred changes, how many are held up for long. */
const HELD_UP = 4;

/** Wraps a store; `maxMs` is the longest ordinary wait, of which a long one is ten times. */
export function racingStore(store: Store, seed: number, maxMs: number): Store {
  const random = new SeededRandom(seed);
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (!CHANGES.has(name)) return value.bind(target);
      return async (...args: unknown[]) => {
        const longer = random.below(100) < HELD_UP ? 10 : 1;
        await sleep(random.below(maxMs * longer + 1));
        return await value.apply(target, args);
      };
    },
  });
}
