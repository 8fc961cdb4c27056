/**
 * What a topic's table consists of: the chains of its partitions, and the files they make live. This is the only truth
 * about which rows count; a directory listing is not.
 */
import { BrokenRecord, type DataFile } from './commit.ts';
import { type Chain, continueChain, listPartitions, readChain } from './commit-chain.ts';
import type { Hour } from './hour.ts';
import { rewritesDirectory } from './paths.ts';
import type { Store } from './store/store.ts';

/** A live file with the record it belongs to. */
export interface LiveFile extends DataFile {
  partition: number;
  /** Start offset of its record. */
  start: number;
}

export interface TopicState {
  topic: string;
  /** By partition, ascending. */
  chains: ReadonlyMap<number, Chain>;
  /** Sequence number of the last rewrite; 0 while there is none. */
  rewriteSeq: number;
}

/** Chains read side by side. */
const CHAINS_AT_ONCE = 8;

/**
 * Reads all chains of a topic. A topic never loaded has none. Throws BrokenRecord if a chain is broken. `read`: chains
 * that this process has read before; of those only what was added since is read.
 */
export async function readTopicState(
  store: Store,
  topic: string,
  read: ReadonlyMap<number, Chain> = new Map(),
): Promise<TopicState> {
  await refuseRewrites(store, topic);
  const partitions = await listPartitions(store, topic);
  const chains = new Map<number, Chain>();
  const queue = partitions.values();
  const readers = Array.from({ length: CHAINS_AT_ONCE }, async () => {
    for (const partition of queue) {
      const before = read.get(partition);
      const chain = before ? await continueChain(store, before) : await readChain(store, topic, partition);
      if (chain !== undefined) chains.set(partition, chain);
    }
  });
  await Promise.all(readers);
  const inOrder = [...chains].sort(([a], [b]) => a - b);
  return { topic, chains: new Map(inOrder), rewriteSeq: 0 };
}

/** Rewrites (replay, compaction, undo, expire) change which files are live; a version that can't fold them must not guess. */
export async function refuseRewrites(store: Store, topic: string): Promise<void> {
  if ((await store.list(rewritesDirectory(topic))).length > 0)
    throw new BrokenRecord(
      `${rewritesDirectory(topic)} holds rewrites, which this version can't read; use the version that wrote them`,
    );
}

/** Every live file of one role, in the order of the records. */
export function* liveFiles(state: TopicState, role: DataFile['role'] = 'data'): Generator<LiveFile> {
  for (const { partition, commits } of state.chains.values())
    for (const { start, files } of commits)
      for (const file of files) if (file.role === role) yield { ...file, partition, start };
}

/** Live files of one role by hour. */
export function liveFilesByHour(state: TopicState, role: DataFile['role'] = 'data'): Map<Hour, LiveFile[]> {
  return Map.groupBy(liveFiles(state, role), ({ hour }) => hour);
}
