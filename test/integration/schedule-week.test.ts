/**
 * A simulated week over a warehouse in a local directory, which refuses every call while it is away.
 */
import { cpSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import { type Store, StoreError } from '../../loader/store/store.ts';
import { SimulatedWeek } from '../support/simulated-week.ts';
import { TempDir } from '../support/temp-dir.ts';
import { checkWeek } from '../support/week-checks.ts';

const MINUTES_MS = 1_800_000;
const EVENTS = ['app', 'site'];

let dir: TempDir;
let week: SimulatedWeek;

beforeAll(async () => {
  dir = new TempDir('week');
  const path = dir.join('warehouse');
  let isAway = false;
  let copies = 0;
  const warehouse = {
    url: `file:${path}`,
    store: sometimesAway(await DirectoryStore.open(path), () => isAway),
    leave: async () => {
      isAway = true;
    },
    comeBack: async () => {
      isAway = false;
    },
    silence: /it does not answer/,
    copyOf: async (directories: readonly string[]) => {
      const to = dir.join(`copy-${++copies}`);
      for (const directory of globSync([...directories], { cwd: path }))
        cpSync(join(path, directory), join(to, directory), { recursive: true });
      return to;
    },
  };
  week = await SimulatedWeek.open(dir, warehouse, { events: EVENTS });
  await week.play();
}, MINUTES_MS);
afterAll(async () => {
  await week[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function sometimesAway(store: Store, isAway: () => boolean): Store {
  const refuse = () => Promise.reject(new StoreError('ask', '', 'it does not answer'));
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return isAway() ? refuse : value.bind(target);
    },
  });
}

checkWeek(EVENTS, () => week);
