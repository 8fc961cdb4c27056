/**
 * Whether a chain has lost its last records. Such a chain is whole as it stands, and a load would read the same offsets
 * again beside the rows that are there. So it is held against what the last run wrote into the history: if that run had
 * committed more, and files of it lie in the table that no record names, the partition stops. Once somebody has moved
 * them away, there is nothing to double, and the load goes on.
 */
import type { Chain } from './commit-chain.ts';
import { parseFinalName } from './paths.ts';
import { listRuns, newestOutcomes, plansNewestFirst } from './run-history.ts';
import type { Store } from './store/store.ts';

/** Outcomes looked at, of each shard, for one in which a partition did not stop. */
const MOST_OUTCOMES = 8;

/** Up to where a run had committed a partition. */
export interface Committed {
  topicId: string;
  next: number;
  run: string;
}

/**
 * By partition, what the newest run in which it did not stop had committed. To be asked before the chains are read. A run
 * may have loaded some of the partitions only: `shards` tells how many runs make a whole.
 */
export async function committedBefore(
  store: Store,
  topic: string,
  wanted: readonly number[],
  shards = 1,
): Promise<Map<number, Committed>> {
  const found = new Map<number, Committed>();
  const runs = await listRuns(store, topic);
  const missing = (partition: number) => wanted.includes(partition) && !found.has(partition);
  let looks = 0;
  for await (const { run, kind, partitions } of newestOutcomes(store, runs)) {
    if (looks++ === MOST_OUTCOMES * shards) break;
    if (kind !== undefined || !partitions.some(({ partition }) => missing(partition))) continue;
    const plans = plansNewestFirst(
      store,
      runs.filter((path) => path.includes(run)),
    );
    for await (const { observations } of plans)
      for (const { partition, topicId } of observations) {
        const of = partitions.find((one) => one.partition === partition && one.error === null);
        if (of !== undefined && !found.has(partition))
          found.set(partition, { topicId, next: of.nextOffset, run });
      }
    if (!wanted.some(missing)) break;
  }
  return found;
}

/** What is wrong with a chain's end, in one line with the remedy; undefined if nothing is. */
export async function endProblem(
  store: Store,
  { topic, partition, base, head }: Chain,
  committed: Committed | undefined,
): Promise<string | undefined> {
  if (committed === undefined || committed.topicId !== base.topicId || committed.next <= head)
    return undefined;
  const stray = await strayFile(
    store,
    topic,
    ({ partition: of, incarnation, from, rewrite }) =>
      of === partition && incarnation === base.incarnation && rewrite === 0 && from >= head,
  );
  return (
    stray &&
    `${topic}-${partition}: its chain ends at offset ${head}, but run ${committed.run} had committed up to ${committed.next}, and ${stray} is still there: the record that names it was deleted; restore the record from a copy, or move the files that \`millrace doctor --topic ${topic}\` tells of out of the table`
  );
}

async function strayFile(
  store: Store,
  topic: string,
  isStray: (id: NonNullable<ReturnType<typeof parseFinalName>>) => boolean,
): Promise<string | undefined> {
  for (const root of ['', '_late/', '_quarantine/'])
    for (const { name: dt } of await store.list(`${topic}/${root}`.replace(/\/$/, '')))
      if (dt.startsWith('dt='))
        for (const { name: hour } of await store.list(`${topic}/${root}${dt}`))
          for (const { name } of await store.list(`${topic}/${root}${dt}/${hour}`)) {
            const path = `${root}${dt}/${hour}/${name}`;
            const id = parseFinalName(path);
            if (id !== undefined && isStray(id)) return `${topic}/${path}`;
          }
  return undefined;
}
