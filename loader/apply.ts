/**
 * Makes a published record true on disk: moves its staged files to their final names. Any process may do it, any number
 * of times; a file already at its final name is done. Only when every name is durable is the staging directory removed,
 * so a record whose staging is gone is known to be applied.
 */
import { dirname } from 'node:path/posix';
import type { Commit, DataFile } from './commit.ts';
import { MadeDirectories } from './made-directories.ts';
import { attemptDirectory, stagingDirectory, type WantedName, wantedName, wantedPath } from './paths.ts';
import type { Store } from './store/store.ts';

/** Moves under way at the same time. */
const MOVES_AT_ONCE = 8;

/** A published file that is neither staged nor in place: the table has a hole that only a person can close. */
export class MissingFile extends Error {
  override name = 'MissingFile';
}

const wantOf = ({ partition, start }: Commit, generation: number): WantedName => ({
  kind: 'commit',
  partition,
  generation,
  start,
});

/** The names that something is staged for. Listed after the chains were read, it lacks those whose record is applied. */
export async function listStaged(store: Store, topic: string): Promise<ReadonlySet<string>> {
  return new Set((await store.list(stagingDirectory(topic))).map(({ name }) => name));
}

/** Whether nothing is left to do for a record: its staging directory is gone. `staged`: listed after the record was read. */
export async function isApplied(
  store: Store,
  commit: Commit,
  generation: number,
  staged?: ReadonlySet<string>,
): Promise<boolean> {
  const want = wantOf(commit, generation);
  if (staged?.has(wantedName(want)) === false) return true;
  return (await store.stat(attemptDirectory(commit.topic, want, commit.attempt))) === undefined;
}

/**
 * Applies a record of the chain. `own`: this very process staged its files, proved their lengths and published it.
 * Otherwise its name is made durable first, and every file is looked at where it is now.
 */
export async function applyCommit(
  store: Store,
  commit: Commit,
  generation: number,
  own: boolean,
  made = new MadeDirectories(store),
): Promise<void> {
  const { topic, files } = commit;
  const want = wantOf(commit, generation);
  const staging = attemptDirectory(topic, want, commit.attempt);
  if (!own) await store.sync([dirname(wantedPath(topic, want))]);
  const directories = await placeFiles(store, topic, files, { staging, own, made });
  await store.sync([...directories, staging]);
  // With all that others staged for the same name: it is taken, so nothing can come of it.
  await store.remove(dirname(staging));
}

/** Moves files to their final names, making the directories; returns these, for `sync`. `staging`: the attempt's directory. */
export async function placeFiles(
  store: Store,
  topic: string,
  files: readonly DataFile[],
  { staging, own, made = new MadeDirectories(store), before }: Placing,
): Promise<string[]> {
  await inParallel(files, async (file) => {
    await made.make(`${topic}/${dirname(file.final)}`);
    await before?.(file);
    await place(store, topic, file, { staging, own });
  });
  return [...new Set(files.map(({ final }) => `${topic}/${dirname(final)}`))];
}

interface Placing {
  staging: string;
  own: boolean;
  made?: MadeDirectories;
  /** Done before each file is moved. */
  before?: (file: DataFile) => Promise<void>;
}

/** Does the same to every item, some at a time. Waits for all, also when one fails: nothing is to go on while the next process recovers. */
export async function inParallel<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const queue = Iterator.from(items);
  const movers = Array.from({ length: MOVES_AT_ONCE }, async () => {
    for (const item of queue) await act(item);
  });
  const ended = await Promise.allSettled(movers);
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
}

async function place(
  store: Store,
  topic: string,
  { staged, final, bytes }: DataFile,
  { staging, own }: Placing,
): Promise<void> {
  const path = `${topic}/${final}`;
  let moved = false;
  try {
    moved = await store.move(`${topic}/${staged}`, path);
    if (moved && own) return; // its length was proven when it was staged, and a rename changes nothing of it
  } catch (error) {
    if ((await store.stat(path)) === undefined) throw error; // else it was moved, by this call or another's
    moved = true;
  }
  const found = await store.stat(path);
  if (found?.size === bytes) return;
  // Whoever applies a record slowly may find that others have applied it, and a later rewrite has removed its file again.
  if (found === undefined && (await store.stat(staging)) === undefined) return;
  throw new MissingFile(
    found === undefined
      ? `${path} is named by a commit record but is ${moved ? 'gone again' : 'neither staged nor in place'}; restore it from a copy or replay its offsets`
      : `${path} has ${found.size} bytes, its commit record says ${bytes}; restore it from a copy or replay its offsets`,
  );
}
