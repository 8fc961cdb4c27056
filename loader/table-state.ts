/**
 * What a topic's table consists of: the chains of its partitions, the log of rewrites, and the files they make live. This
 * is the only truth about which rows count; a directory listing is not.
 */
import { BrokenRecord, type DataFile } from './commit.ts';
import { type Chain, continueChain, followChain, listPartitions, readChain } from './commit-chain.ts';
import { foldFiles, foldRewrites, type LiveFile } from './fold.ts';
import type { Hour } from './hour.ts';
import type { Rewrite } from './rewrite.ts';
import { continueRewriteLog, type RewriteLog, readRewriteLog } from './rewrite-log.ts';
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

/** What a process has read of a topic before: of that only what was added since is read. */
export interface ReadBefore {
  chains?: ReadonlyMap<number, Chain>;
  log?: RewriteLog | undefined;
}

/** Reads the state of a topic. A topic never loaded has no chains. Throws BrokenRecord if a chain or the log is broken. */
export async function readTopicState(
  store: Store,
  topic: string,
  { chains: read = new Map(), log: readLog }: ReadBefore = {},
): Promise<TopicState> {
  let before: string | undefined;
  for (let look = 0; look < LOOKS; look++) {
    const isFirst = look === 0;
    const chains = await readChains(store, topic, async (partition) => {
      const known = isFirst ? read.get(partition) : undefined;
      return known ? await continueChain(store, known) : await readChain(store, topic, partition);
    });
    const log = await (isFirst && readLog
      ? continueRewriteLog(store, readLog)
      : readRewriteLog(store, topic));
    const state = foldState(topic, chains, log);
    const old = chainsOlderThanLog(state);
    if (old === '' || old === before) return state;
    before = old;
  }
  throw new BrokenRecord(
    `${topic}: its chains were sealed ${LOOKS} times while they were read; run this again`,
  );
}

/**
 * The state as it is now, from one that was read before: of each chain and of the log what was added is read, or all of it
 * where there is a later generation. Where no chain has grown the fold goes on; the very same object if nothing was added.
 */
export async function followTopicState(store: Store, before: TopicState): Promise<TopicState> {
  const { topic } = before;
  const chains = await readChains(store, topic, async (partition) => {
    const known = before.chains.get(partition);
    return known ? await followChain(store, known) : await readChain(store, topic, partition);
  });
  const log = await continueRewriteLog(store, before.log);
  const added = hasSameChains(before.chains, chains) ? rewritesAfter(before.log, log) : undefined;
  if (added === undefined) {
    const state = foldState(topic, chains, log);
    return chainsOlderThanLog(state) === '' ? state : await readTopicState(store, topic);
  }
  if (log === before.log) return before;
  const live = new Map(before.live);
  foldRewrites(live, added);
  return { topic, chains: before.chains, log, live };
}

function hasSameChains(before: ReadonlyMap<number, Chain>, after: ReadonlyMap<number, Chain>): boolean {
  return (
    before.size === after.size && [...after].every(([partition, chain]) => before.get(partition) === chain)
  );
}

/** The rewrites by which a log goes on from what it was; undefined if it is another reading of it. */
function rewritesAfter(before: RewriteLog, after: RewriteLog): readonly Rewrite[] | undefined {
  const known = before.rewrites.length;
  const isSameReading =
    after === before || (known > 0 && after.rewrites[known - 1] === before.rewrites[known - 1]);
  return isSameReading ? after.rewrites.slice(known) : undefined;
}

async function readChains(
  store: Store,
  topic: string,
  readOne: (partition: number) => Promise<Chain | undefined>,
): Promise<Map<number, Chain>> {
  const chains = new Map<number, Chain>();
  const queue = (await listPartitions(store, topic)).values();
  const readers = Array.from({ length: CHAINS_AT_ONCE }, async () => {
    for (const partition of queue) {
      const chain = await readOne(partition);
      if (chain !== undefined) chains.set(partition, chain);
    }
  });
  await Promise.all(readers);
  return new Map([...chains].sort(([a], [b]) => a - b));
}

function foldState(topic: string, chains: ReadonlyMap<number, Chain>, log: RewriteLog): TopicState {
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
