/**
 * The chain of commit records of one partition: reading it, rooting it, and adding to it. Adding a link is one rename
 * that cannot overwrite; that act is at once the offset commit, the file commit and the fence against every other
 * loader. There is no lock, no lease and no second place that remembers offsets.
 */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path/posix';
import {
  type Base,
  BrokenRecord,
  type Commit,
  decodeBase,
  decodeCommit,
  encodeBase,
  encodeCommit,
  sha256Of,
} from './commit.ts';
import {
  attemptDirectory,
  BASE_NAME,
  chainsDirectory,
  generationDirectory,
  generationName,
  parseGenerationName,
  parsePartitionName,
  parseRecordName,
  partitionDirectory,
  recordName,
  type WantedName,
  wantedPath,
} from './paths.ts';
import { type Published, publishRecord } from './publish.ts';
import { ReadAhead } from './read-ahead.ts';
import { BASE_KEY, type Kept, type RecordCache, walkThrough } from './record-cache.ts';
import type { Store } from './store/store.ts';

/** Looks at a chain that is not whole, after the first: what is whole the second time was only being changed. */
const LOOKS = 2;

/** The current generation of a partition's chain, read and checked link by link. */
export interface Chain {
  topic: string;
  partition: number;
  generation: number;
  base: Base;
  commits: Commit[];
  /** The seal that ends the generation, while the next one has no base yet: to be rolled forward before anything else. */
  seal: Commit | undefined;
  /** Earlier generations that are still there, to be removed. */
  older: number;
  /** The offset the next record starts at and is named by. */
  head: number;
  /** SHA-256 of the last record, or of the base while there is none: the next record repeats it. */
  headSha256: string;
}

/** The partitions that have a chain in this topic, ascending. */
export async function listPartitions(store: Store, topic: string): Promise<number[]> {
  const entries = await store.list(chainsDirectory(topic));
  return entries.flatMap(({ name }) => parsePartitionName(name) ?? []).sort((a, b) => a - b);
}

/**
 * Reads the chain of a partition, or undefined if it has none. The current generation is the highest that has a base: its
 * base was made of the seal of the one below, which therefore is history, whether it is still there or not. (Not the
 * lowest: a process that slept while two generations were sealed may make the directory of the middle one anew.)
 * The last record listed is always read from the store; by its `prevSha256` it proves those before it, wherever their
 * bytes came from.
 */
export async function readChain(
  store: Store,
  topic: string,
  partition: number,
  cache?: RecordCache,
): Promise<Chain | undefined> {
  for (let look = 0; ; look++) {
    const { chain, isWhole, problem } = await readNewestGeneration(store, topic, partition, cache);
    if (!isWhole && look < LOOKS) continue;
    if (problem !== undefined) throw new BrokenRecord(problem);
    return chain;
  }
}

/** A chain as one look found it. A listing is no snapshot, and its generation may be removed during the look. */
interface Look {
  chain: Chain | undefined;
  isWhole: boolean;
  problem?: string;
}

/** The generations that a chain, or the log of rewrites, has a directory of; ascending. */
export async function listGenerations(store: Store, directory: string): Promise<number[]> {
  return [...(await timesOfGenerations(store, directory)).keys()];
}

/** The same with the time when something last came to each or went. */
async function timesOfGenerations(store: Store, directory: string): Promise<Map<number, number>> {
  const entries = await store.list(directory);
  const times = entries.flatMap(({ name, modifiedMs }) => {
    const generation = parseGenerationName(name);
    return generation === undefined ? [] : [[generation, modifiedMs] as const];
  });
  return new Map(times.sort(([a], [b]) => a - b));
}

/** Whether a directory still has the generations it had: one without a base was not removed, it has none yet. */
export async function hasSameGenerations(
  store: Store,
  directory: string,
  before: readonly number[],
): Promise<boolean> {
  return String(await listGenerations(store, directory)) === String(before);
}

async function readNewestGeneration(
  store: Store,
  topic: string,
  partition: number,
  cache: RecordCache | undefined,
): Promise<Look> {
  const parent = partitionDirectory(topic, partition);
  const times = await timesOfGenerations(store, parent);
  const generations = [...times.keys()];
  for (const [generation, modifiedMs] of [...times].reverse()) {
    const at = { topic, partition, generation, older: generations.indexOf(generation) };
    const directory = { topic, name: `${partition}-${generation}`, modifiedMs };
    const look = await walkThrough(cache, directory, (kept, keep) => walk(store, at, kept, keep));
    if (look.chain === undefined) continue; // it has no base yet, or no longer
    const isNewest =
      generation === generations.at(-1) || (await hasSameGenerations(store, parent, generations));
    return isNewest ? look : { ...look, isWhole: false };
  }
  // Each of them may have been removed after the next one was made: that is not a partition without a chain.
  if (generations.length === 0 || (await hasSameGenerations(store, parent, generations)))
    return { chain: undefined, isWhole: true };
  const problem = `${parent}: its generations were removed while they were read; run this again`;
  return { chain: undefined, isWhole: false, problem };
}

/** Which generation of which chain, and how many there are below it. */
type Place = Pick<Chain, 'topic' | 'partition' | 'generation' | 'older'>;

function rootOf(at: Place, body: Buffer): Chain {
  const base = decodeBase(`${directoryOf(at)}/${BASE_NAME}`, body);
  return {
    ...at,
    base,
    commits: [],
    seal: undefined,
    head: base.head,
    headSha256: sha256Of(body),
  };
}

/**
 * Walks from the base from name to name until the next name is absent; the listing only tells which records to read
 * ahead. What was listed and isn't reached, or an empty listing whose generation is gone by now, asks for another look.
 */
async function walk(
  store: Store,
  at: Place,
  { bodies: kept, isCurrent }: Kept,
  keep: (start: number, body: Buffer) => void,
): Promise<Look> {
  const directory = directoryOf(at);
  const root = isCurrent ? kept.get(BASE_KEY) : await store.read(`${directory}/${BASE_NAME}`);
  if (root === undefined) return { chain: undefined, isWhole: true };
  const chain = rootOf(at, root);
  keep(BASE_KEY, root);
  const pathOf = (start: number) => `${directory}/${recordName(start)}`;
  const listed = isCurrent
    ? []
    : (await store.list(directory)).flatMap(({ name }) => parseRecordName(name) ?? []);
  const bodies = new ReadAhead(store, pathOf, listed, kept);
  while (chain.seal === undefined) {
    const start = chain.head;
    const body = isCurrent ? kept.get(start) : await bodies.at(start);
    if (body === undefined) break;
    link(chain, pathOf(start), body);
    keep(start, body);
  }
  const stray = listed.find((start) => start >= chain.head && start !== chain.seal?.start);
  if (stray !== undefined)
    return {
      chain,
      isWhole: false,
      problem: `${directory}: ${recordName(stray)} is not reached from the chain, which ends at offset ${chain.head}; restore the missing record, nothing was changed`,
    };
  const isThere =
    isCurrent || listed.length > 0 || (await store.stat(`${directory}/${BASE_NAME}`)) !== undefined;
  return { chain, isWhole: isThere };
}

/**
 * The chain as it is now: what was read of it can't have changed, so the walk goes on from its end; the very same object
 * if nothing was added. One whose generation was removed meanwhile looks as if nothing was: see `followChain`.
 */
export async function continueChain(store: Store, chain: Chain): Promise<Chain> {
  const path = ({ head }: Chain) => `${directoryOf(chain)}/${recordName(head)}`;
  let longer = chain;
  while (longer.seal === undefined) {
    const body = await store.read(path(longer));
    if (body === undefined) return longer;
    if (longer === chain) longer = { ...chain, commits: [...chain.commits] };
    link(longer, path(longer), body);
  }
  return (await readChain(store, chain.topic, chain.partition)) ?? longer;
}

/** The same for whoever may not miss a later generation: then, and where anything does not link, all is read anew. */
export async function followChain(store: Store, chain: Chain): Promise<Chain | undefined> {
  const { topic, partition } = chain;
  const longer = await continueChain(store, chain).catch(unlessBroken);
  const parent = partitionDirectory(topic, partition);
  if (longer !== undefined && (await isStillNewest(store, parent, longer))) return longer;
  return await readChain(store, topic, partition);
}

/** For `catch`: what was read before and goes on with a record that does not link may be of a generation that is gone. */
export function unlessBroken(error: unknown): undefined {
  if (!(error instanceof BrokenRecord)) throw error;
}

/**
 * Whether a generation that was the newest of its directory still is, and those below it are still there. To be asked after
 * it was read on in: a generation is removed only when there is a later one, so then nothing was missed.
 */
export async function isStillNewest(
  store: Store,
  directory: string,
  { generation, older }: Pick<Chain, 'generation' | 'older'>,
): Promise<boolean> {
  const generations = await listGenerations(store, directory);
  return generations.at(-1) === generation && generations.length === older + 1;
}

/** The chain with a record that this process has published on it. */
export function withCommit(chain: Chain, record: Commit): Chain {
  const longer = { ...chain, commits: [...chain.commits] };
  link(longer, `${directoryOf(chain)}/${recordName(record.start)}`, encodeCommit(record));
  return longer;
}

const directoryOf = ({ topic, partition, generation }: Place) =>
  generationDirectory(topic, partition, generation);

/** Adds a record's bytes to a chain read so far, after checking that they continue it. */
function link(chain: Chain, path: string, body: Buffer): void {
  const record = decodeCommit(path, body);
  const problem =
    record.topic !== chain.topic || record.partition !== chain.partition
      ? `belongs to ${record.topic}-${record.partition}`
      : record.start !== chain.head
        ? `starts at ${record.start}, not at the offset that names it`
        : record.prevSha256 !== chain.headSha256
          ? 'does not continue the record before it (its prevSha256 differs)'
          : record.incarnation !== chain.base.incarnation
            ? `is of incarnation ${record.incarnation}, not ${chain.base.incarnation}`
            : undefined;
  if (problem) throw new BrokenRecord(`${path} ${problem}; the chain is broken there, nothing was changed`);
  if (record.kind === 'seal') chain.seal = record;
  else chain.commits.push(record);
  chain.head = record.next;
  chain.headSha256 = sha256Of(body);
}

/** A fresh id for one attempt: staged names carry it, so no two attempts ever share a file. */
export function newAttempt(): string {
  return randomUUID();
}

/**
 * Roots a generation of a chain at `base.head`, unless another process has done so first; returns the chain as it is
 * then. Rooting happens at first sight of a partition, whether anything is read or not: two first loads with different
 * start policies must not make two roots, and an empty first run on `latest` must not forget where it began.
 */
export async function rootChain(
  store: Store,
  base: Omit<Base, 'v' | 'attempt'>,
  generation = 0,
): Promise<Chain> {
  const { topic, partition } = base;
  const attempt = newAttempt();
  const want: WantedName = { kind: 'base', partition, generation };
  await store.makeDirectory(generationDirectory(topic, partition, generation));
  const body = encodeBase({ v: 1, ...base, attempt });
  const published = await publishRecord(store, topic, want, { attempt, body });
  const directory = attemptDirectory(topic, want, attempt);
  // Once the name is taken nothing can come of what others staged for it.
  await store.remove(published === 'won' ? dirname(directory) : directory);
  // A later generation may have been sealed already, and this one be history.
  if (published === 'won' && generation === 0)
    return rootOf({ topic, partition, generation, older: 0 }, body);
  const chain = await readChain(store, topic, partition);
  if (chain === undefined)
    throw new BrokenRecord(`${wantedPath(topic, want)} vanished after it was published; run the load again`);
  return chain;
}

/**
 * Publishes a commit: its name is the offset it starts at. Throws if the outcome can't be learnt. A name that was won in a
 * generation that is history is lost all the same: see `isHistory`.
 */
export async function publishCommit(store: Store, generation: number, record: Commit): Promise<Published> {
  const { topic, partition, start, attempt } = record;
  const want: WantedName = { kind: 'commit', partition, generation, start };
  const published = await publishRecord(store, topic, want, { attempt, body: encodeCommit(record) });
  if (published === 'lost') return 'lost';
  return (await isHistory(store, partitionDirectory(topic, partition), generation)) ? 'lost' : 'won';
}

/**
 * Whether a later generation has a base. A removed generation frees its names, and a process that slept may make its
 * directory anew while it rolls an old seal forward; another sleeper could then win a name in there. The later generation
 * was there before the removal, so whoever looks after he has won sees it.
 */
export async function isHistory(store: Store, directory: string, generation: number): Promise<boolean> {
  let generations = await listGenerations(store, directory);
  for (let look = 0; look <= LOOKS; look++) {
    const above = generations.filter((found) => found > generation);
    if (above.length === 0) return false; // one is opened before the one below it is removed: a listing shows either
    for (const later of above)
      if ((await store.stat(`${directory}/${generationName(later)}/${BASE_NAME}`)) !== undefined) return true;
    const again = await listGenerations(store, directory);
    if (String(again) === String(generations)) return false;
    generations = again; // the later one may have become history itself between the listing and the look at its base
  }
  return true; // generations come and go above it
}
