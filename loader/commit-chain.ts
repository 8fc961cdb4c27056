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
 * to read ahead; the chain itself is walked from name to name until the next name is absent.
 */
export async function readChain(store: Store, topic: string, partition: number): Promise<Chain | undefined> {
  const generations = (await store.list(partitionDirectory(topic, partition)))
    .flatMap(({ name }) => parseGenerationName(name) ?? [])
    .sort((a, b) => a - b);
  for (const generation of generations) {
    const directory = generationDirectory(topic, partition, generation);
    const body = await store.read(`${directory}/${BASE_NAME}`);
    if (body === undefined) continue;
    const base = decodeBase(`${directory}/${BASE_NAME}`, body);
    return await walk(store, {
      topic,
      partition,
      generation,
      base,
      commits: [],
      head: base.head,
      headSha256: sha256Of(body),
    });
  }
  return undefined;
}

async function walk(store: Store, chain: Chain): Promise<Chain> {
  const directory = generationDirectory(chain.topic, chain.partition, chain.generation);
  const listed = (await store.list(directory)).flatMap(({ name }) => parseRecordName(name) ?? []);
  const ahead = new Map<number, Promise<Buffer | undefined>>();
  const readAt = (start: number) => store.read(`${directory}/${recordName(start)}`);
  for (let i = 0, next = 0; ; i++) {
    while (next < listed.length && next < i + READS_AT_ONCE) {
      const start = listed[next++]!;
      if (start < chain.head) continue;
      const body = readAt(start);
      body.catch(() => {}); // awaited below, if the walk gets there
      ahead.set(start, body);
    }
    const body = await (ahead.get(chain.head) ?? readAt(chain.head));
    ahead.delete(chain.head);
    if (body === undefined) break;
    link(chain, `${directory}/${recordName(chain.head)}`, body);
  }
  const stray = listed.find((start) => start >= chain.head);
  if (stray !== undefined)
    throw new BrokenRecord(
      `${directory}: ${recordName(stray)} is not reached from the chain, which ends at offset ${chain.head}; restore the missing record, nothing was changed`,
    );
  return chain;
}

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
  const staged = `${attemptDirectory(topic, want, attempt)}/${RECORD_STAGED_NAME}`;
  await store.makeDirectory(generationDirectory(topic, partition, want.generation));
  const path = wantedPath(topic, want);
  if (await stageRecord(store, staged, encodeBase({ v: 1, ...base, attempt }), path))
    await publishOnce(store, staged, path, attempt);
  await store.remove(attemptDirectory(topic, want, attempt));
  const chain = await readChain(store, topic, partition);
  if (chain === undefined)
    throw new BrokenRecord(`${wantedPath(topic, want)} vanished after it was published; run the load again`);
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
