/**
 * What a topic's table consists of: the chains of its partitions, the log of rewrites, and the files they make live. This
 * is the only truth about which rows count; a directory listing is not.
 */
import { BrokenRecord, type DataFile } from './commit.ts';
import { type Chain, continueChain, listPartitions, readChain } from './commit-chain.ts';
import { foldFiles, type LiveFile } from './fold.ts';
import type { Hour } from './hour.ts';
import { type RewriteLog, readRewriteLog } from './rewrite-log.ts';
import type { Store } from './store/store.ts';

export interface TopicState {
  topic: string;
  /** By partition, ascending. */
  chains: ReadonlyMap<number, Chain>;
  log: RewriteLog;
  /** Every live file, of every role, by final name. */
  live: ReadonlyMap<string, LiveFile>;
}

/** Most looks at a table whose chains are being sealed meanwhile. */
const LOOKS = 8;
/** Chains read side by side. */
const CHAINS_AT_ONCE = 8;

/**
 * Reads the state of a topic. A topic never loaded has no chains. Throws BrokenRecord if a chain or the log is broken.
 * `read`: chains that this process has read before; of those only what was added since is read.
 */
export async function readTopicState(
  store: Store,
  topic: string,
  read: ReadonlyMap<number, Chain> = new Map(),
): Promise<TopicState> {
  let before: string | undefined;
  for (let look = 0; look < LOOKS; look++) {
    const chains = await readChains(store, topic, look === 0 ? read : new Map());
    const state = foldState(topic, chains, await readRewriteLog(store, topic));
    const old = chainsOlderThanLog(state);
    if (old === '' || old === before) return state;
    before = old;
  }
  throw new BrokenRecord(
    `${topic}: its chains were sealed ${LOOKS} times while they were read; run this again`,
  );
}

async function readChains(
  store: Store,
  topic: string,
  read: ReadonlyMap<number, Chain>,
): Promise<Map<number, Chain>> {
  const chains = new Map<number, Chain>();
  const queue = (await listPartitions(store, topic)).values();
  const readers = Array.from({ length: CHAINS_AT_ONCE }, async () => {
    for (const partition of queue) {
      const before = read.get(partition);
      const chain = before ? await continueChain(store, before) : await readChain(store, topic, partition);
      if (chain !== undefined) chains.set(partition, chain);
    }
  });
  await Promise.all(readers);
  return new Map([...chains].sort(([a], [b]) => a - b));
}

export function foldState(topic: string, chains: ReadonlyMap<number, Chain>, log: RewriteLog): TopicState {
  return { topic, chains, log, live: foldFiles(chains.values(), log.rewrites) };
}

/**
 * The chains, with their generations, whose base is older than the log. Rewrites go only when every chain was sealed
 * after them: so such a chain was read before it was sealed, and reads otherwise the next time; or, if it reads the same,
 * it was rooted by a loader that had looked at the log before, and none of those rewrites is about its files.
 */
function chainsOlderThanLog({ chains, log }: TopicState): string {
  const oldest = (log.rewrites[0]?.seq ?? log.seq + 1) - 1;
  return [...chains.values()]
    .filter(({ base }) => base.rewriteSeq < oldest)
    .map(({ partition, generation }) => `${partition}:${generation}`)
    .join(' ');
}

/** Every live file of one role. */
export function* liveFiles(state: TopicState, role: DataFile['role'] = 'data'): Generator<LiveFile> {
  for (const file of state.live.values()) if (file.role === role) yield file;
}

/** Live files of one role by hour. */
export function liveFilesByHour(state: TopicState, role: DataFile['role'] = 'data'): Map<Hour, LiveFile[]> {
  return Map.groupBy(liveFiles(state, role), ({ hour }) => hour);
}
