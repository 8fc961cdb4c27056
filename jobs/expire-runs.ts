/**
 * Which of the old runs may be forgotten. Plans are more than history: hours are judged complete by their observations, so
 * of each partition the newest satisfied one stays, and every one that is not satisfied yet.
 */
import { HOUR_MS } from '../loader/hour.ts';
import { runStage } from '../loader/paths.ts';
import { listRuns, plansNewestFirst } from '../loader/run-history.ts';
import type { Store } from '../loader/store/store.ts';
import type { TopicState } from '../loader/table-state.ts';

export interface ExpireRunsOptions {
  store: Store;
  keepHours: number;
  nowMs: number;
  dryRun: boolean;
}

/** Deletes the files of old runs; returns how many runs there were. */
export async function expireRuns(
  { store, keepHours, nowMs, dryRun }: ExpireRunsOptions,
  { topic, chains }: TopicState,
): Promise<number> {
  const paths = await listRuns(store, topic);
  const needed = new Set<string>();
  const satisfied = new Set<number>();
  for await (const { run, observations } of plansNewestFirst(store, paths))
    for (const { partition, topicId, headRead, highWatermark } of observations) {
      const chain = chains.get(partition);
      if (chain === undefined || chain.base.topicId !== topicId || highWatermark < headRead) continue;
      if (highWatermark > chain.head) needed.add(run);
      else if (!satisfied.has(partition)) {
        satisfied.add(partition);
        needed.add(run);
      }
    }
  const newestOutcome = paths.find((path) => runStage(path) === 'outcome');
  const before = new Date(nowMs - keepHours * HOUR_MS).toISOString().replaceAll(':', '-');
  const runs = new Set<string>();
  for (const path of paths) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const run = name.slice(before.length + 1).replace(/\.[a-z]+\.json$/, '');
    if (name >= before || needed.has(run) || path === newestOutcome) continue;
    runs.add(run);
    if (!dryRun) await store.remove(path);
  }
  return runs.size;
}
