/**
 * A load in the test's own process, by the tests' clock: to see that nothing is left to do. Unlike the loads under test
 * it is never mutated, so what they left undone it would do, and be seen.
 */
import { load } from '../../../loader/loader.ts';
import { openStore } from '../../../loader/store/open-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { type LoadSetup, setupSettings } from '../../support/load-topic.ts';

/** The store, with the times of its files moved. */
function shifted(store: Store, byMs: number): Store {
  const stat: Store['stat'] = async (path) => {
    const entry = await store.stat(path);
    return entry && { ...entry, modifiedMs: entry.modifiedMs + byMs };
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'stat') return stat;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Loads once and returns the rows it loaded; complains of partitions that stopped, and of warnings. */
export async function idleLoad(
  setup: LoadSetup,
  topic: string,
  nowMs: number,
): Promise<{ rows: number; complaints: string[] }> {
  const settings = setupSettings(setup);
  const byMs = nowMs - Date.now();
  await using store = await openStore(settings);
  const complaints: string[] = [];
  const { rows, topics } = await load({
    settings,
    store: shifted(store, byMs),
    topics: [topic],
    now: () => Date.now() + byMs,
    warn: (message) => complaints.push(message),
  });
  for (const { error } of topics[0]!.partitions) if (error !== null) complaints.push(error);
  return { rows, complaints };
}
