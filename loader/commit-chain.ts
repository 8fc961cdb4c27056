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
  parseGenerationName,
  parsePartitionName,
  parseRecordName,
  partitionDirectory,
  RECORD_STAGED_NAME,
  recordName,
  type WantedName,
  wantedPath,
} from './paths.ts';
import type { RecordBodies, RecordCache } from './record-cache.ts';
import type { Store } from './store/store.ts';

/** Records read side by side while a chain is walked. */
const READS_AT_ONCE = 16;

/** The current generation of a partition's chain, read and checked link by link. */
export interface Chain {
  topic: string;
  partition: number;
  generation: number;
  base: Base;
  commits: Commit[];
  /** The offset the next record starts at and is named by. */
  head: number;
  /** SHA-256 of the last record, or of the base while there is none: the next record repeats it. */
  headSha256: string;
}

/** How an attempt to publish ended. `lost`: the name belongs to another attempt, or its generation is gone. */
export type Published = 'won' | 'lost';

/** The partitions that have a chain in this topic, ascending. */
export async function listPartitions(store: Store, topic: string): Promise<number[]> {
  const entries = await store.list(chainsDirectory(topic));
  return entries.flatMap(({ name }) => parsePartitionName(name) ?? []).sort((a, b) => a - b);
}

/**
 * Reads the chain of a partition, or undefined if it has none. A listing is no snapshot, so it only tells which records
 * to read ahead; the chain itself is walked from name to name until the next name is absent. The last record listed is
 * always read from the store; by its `prevSha256` it proves those before it, wherever their bytes came from.
 */
export async function readChain(
  store: Store,
  topic: string,
  partition: number,
  cache?: RecordCache,
): Promise<Chain | undefined> {
  const generations = (await store.list(partitionDirectory(topic, partition)))
    .flatMap(({ name }) => parseGenerationName(name) ?? [])
    .sort((a, b) => a - b);
  for (const generation of generations) {
    const directory = generationDirectory(topic, partition, generation);
    const body = await store.read(`${directory}/${BASE_NAME}`);
    if (body === undefined) continue;
    const root = rootOf(topic, partition, generation, body);
    if (cache === undefined) return await walk(store, root);
    let kept = await cache.read(topic, partition, generation);
    const read = new Map<number, Buffer>();
    const chain = await walk(store, { ...root, commits: [] }, kept, read).catch(async (error: unknown) => {
      if (kept.size === 0 || !(error instanceof BrokenRecord)) throw error;
      read.clear();
      kept = new Map(); // it may be of another chain
      return await walk(store, root, kept, read);
    });
    if ([...read.keys()].some((start) => !kept.has(start)))
      await cache.write(topic, partition, generation, read);
    return chain;
  }
  return undefined;
}

function rootOf(topic: string, partition: number, generation: number, body: Buffer): Chain {
  const base = decodeBase(`${generationDirectory(topic, partition, generation)}/${BASE_NAME}`, body);
  return { topic, partition, generation, base, commits: [], head: base.head, headSha256: sha256Of(body) };
}

/** Walks to the end of the chain. `kept`: bodies that need not be read again; `read`: gets the body of every record. */
async function walk(
  store: Store,
  chain: Chain,
  kept: RecordBodies = new Map(),
  read?: Map<number, Buffer>,
): Promise<Chain> {
  const directory = directoryOf(chain);
  const listed = (await store.list(directory)).flatMap(({ name }) => parseRecordName(name) ?? []);
  const last = listed.at(-1);
  const ahead = new Map<number, Promise<Buffer | undefined>>();
  const readAt = (start: number) => store.read(`${directory}/${recordName(start)}`);
  for (let i = 0, next = 0; ; i++) {
    while (next < listed.length && next < i + READS_AT_ONCE) {
      const start = listed[next++]!;
      if (start < chain.head) continue;
      const known = start === last ? undefined : kept.get(start);
      const body = known === undefined ? readAt(start) : Promise.resolve(known);
      body.catch(() => {}); // awaited below, if the walk gets there
      ahead.set(start, body);
    }
    const start = chain.head;
    const body = await (ahead.get(start) ?? readAt(start));
    ahead.delete(start);
    if (body === undefined) break;
    link(chain, `${directory}/${recordName(start)}`, body);
    read?.set(start, body);
  }
  const stray = listed.find((start) => start >= chain.head);
  if (stray !== undefined)
    throw new BrokenRecord(
      `${directory}: ${recordName(stray)} is not reached from the chain, which ends at offset ${chain.head}; restore the missing record, nothing was changed`,
    );
  return chain;
}

/** The chain as it is now: what was read of it can't have changed, so the walk goes on from its end. */
export async function continueChain(store: Store, chain: Chain): Promise<Chain> {
  const path = ({ head }: Chain) => `${directoryOf(chain)}/${recordName(head)}`;
  const longer = { ...chain, commits: [...chain.commits] };
  for (let body = await store.read(path(longer)); body !== undefined; body = await store.read(path(longer)))
    link(longer, path(longer), body);
  return longer;
}

/** The chain with a record that this process has published on it. */
export function withCommit(chain: Chain, record: Commit): Chain {
  const longer = { ...chain, commits: [...chain.commits] };
  link(longer, `${directoryOf(chain)}/${recordName(record.start)}`, encodeCommit(record));
  return longer;
}

const directoryOf = ({ topic, partition, generation }: Chain) =>
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
  chain.commits.push(record);
  chain.head = record.next;
  chain.headSha256 = sha256Of(body);
}

/** A fresh id for one attempt: staged names carry it, so no two attempts ever share a file. */
export function newAttempt(): string {
  return randomUUID();
}

/**
 * Roots the chain of a partition at `head`, unless another loader has done so first; returns the chain as it is then.
 * Rooting happens at first sight of a partition, whether anything is read or not: two first loads with different start
 * policies must not make two roots, and an empty first run on `latest` must not forget where it began.
 */
export async function rootChain(store: Store, base: Omit<Base, 'v' | 'attempt'>): Promise<Chain> {
  const { topic, partition } = base;
  const attempt = newAttempt();
  const want: WantedName = { kind: 'base', partition, generation: 0, start: 0 };
  const directory = attemptDirectory(topic, want, attempt);
  const staged = `${directory}/${RECORD_STAGED_NAME}`;
  await store.makeDirectory(generationDirectory(topic, partition, want.generation));
  const path = wantedPath(topic, want);
  const body = encodeBase({ v: 1, ...base, attempt });
  const published =
    (await stageRecord(store, staged, body, path)) && (await publishOnce(store, staged, path, attempt));
  // Once the name is taken nothing can come of what others staged for it.
  await store.remove(published === 'won' ? dirname(directory) : directory);
  if (published === 'won') return rootOf(topic, partition, want.generation, body);
  const chain = await readChain(store, topic, partition);
  if (chain === undefined)
    throw new BrokenRecord(`${path} vanished after it was published; run the load again`);
  return chain;
}

/**
 * Publishes a commit: writes the record beside its staged files and renames it, without overwriting, to the name that
 * its start offset gives it. `won` and `lost` are both read back from the store, never taken from a failed call.
 */
export async function publishCommit(store: Store, generation: number, record: Commit): Promise<Published> {
  const want: WantedName = { kind: 'commit', partition: record.partition, generation, start: record.start };
  const staged = `${attemptDirectory(record.topic, want, record.attempt)}/${RECORD_STAGED_NAME}`;
  const path = wantedPath(record.topic, want);
  if (!(await stageRecord(store, staged, encodeCommit(record), path))) return 'lost';
  return await publishOnce(store, staged, path, record.attempt);
}

/** Writes a record beside its files; false if the name was taken meanwhile: who took it sweeps the staging of all others. */
async function stageRecord(store: Store, staged: string, body: Buffer, wanted: string): Promise<boolean> {
  try {
    await store.create(staged, body);
    return true;
  } catch (error) {
    if ((await store.stat(wanted)) !== undefined) return false;
    throw error;
  }
}

/**
 * One publishing rename, and its true outcome. Whatever the call said, or if it failed without an answer, the
 * destination decides: this attempt's id there is a win, another's a loss. Absent after an error, the error stands: the
 * attempt may still land, so its staging must stay until its name is taken.
 */
async function publishOnce(store: Store, staged: string, path: string, attempt: string): Promise<Published> {
  let failure: unknown;
  const outcome = await store.publish(staged, path).catch((error: unknown) => {
    failure = error;
    return 'unknown' as const;
  });
  if (outcome === 'orphaned') return 'lost';
  const body = await store.read(path);
  if (body !== undefined && attemptOf(body) !== attempt) return 'lost';
  if (body !== undefined) {
    // A call that broke off may have left a name that is there but not durable: nothing may be applied on it yet.
    if (failure !== undefined) await store.sync([dirname(path)]);
    return 'won';
  }
  if (failure !== undefined) throw failure;
  throw new BrokenRecord(
    `${path} is absent although its rename was answered "${outcome}"; run the load again`,
  );
}

function attemptOf(body: Buffer): unknown {
  return (JSON.parse(body.toString('utf8')) as { attempt?: unknown }).attempt;
}
