/**
 * Makes a published record true on disk: moves its staged files to their final names. Any process may do it, any number
 * of times; a file already at its final name is done. Only when every name is durable is the staging directory removed,
 * so a record whose staging is gone is known to be applied.
 */
import { dirname } from 'node:path/posix';
import type { Commit, DataFile } from './commit.ts';
import { attemptDirectory, wantedPath } from './paths.ts';
import { readRewriteLog } from './rewrite-log.ts';
import type { Store } from './store/store.ts';

/** Moves under way at the same time. */
const MOVES_AT_ONCE = 8;

/** A published file that is neither staged nor in place: the table has a hole that only a person can close. */
export class MissingFile extends Error {
  override name = 'MissingFile';
}

const attemptOf = ({ topic, partition, start, attempt }: Commit, generation: number) =>
  attemptDirectory(topic, { kind: 'commit', partition, generation, start }, attempt);

/** Whether nothing is left to do for a record: its staging directory is gone. */
export async function isApplied(store: Store, commit: Commit, generation: number): Promise<boolean> {
  return (await store.stat(attemptOf(commit, generation))) === undefined;
}

/** Applies a record of the chain. `own` is false for a record that another process published: its name is made durable first. */
export async function applyCommit(
  store: Store,
  commit: Commit,
  generation: number,
  own: boolean,
): Promise<void> {
  const { topic, files, partition, start } = commit;
  const staging = attemptOf(commit, generation);
  if (!own) await store.sync([dirname(wantedPath(topic, { kind: 'commit', partition, generation, start }))]);
  const directories = await placeFiles(store, topic, files);
  await store.sync([...directories, staging]);
  await store.remove(staging);
}

/** Moves files to their final names, making the directories; returns these, for `sync`. */
export async function placeFiles(store: Store, topic: string, files: readonly DataFile[]): Promise<string[]> {
  const directories = [...new Set(files.map(({ final }) => `${topic}/${dirname(final)}`))];
  for (const directory of directories) await store.makeDirectory(directory);
  await inParallel(files, (file) => place(store, topic, file));
  return directories;
}

/** Does the same to every item, some at a time. */
export async function inParallel<T>(items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const queue = Iterator.from(items);
  const movers = Array.from({ length: MOVES_AT_ONCE }, async () => {
    for (const item of queue) await act(item);
  });
  await Promise.all(movers);
}

async function place(store: Store, topic: string, { staged, final, bytes }: DataFile): Promise<void> {
  const path = `${topic}/${final}`;
  const moved = await store.move(`${topic}/${staged}`, path).catch(async (error: unknown) => {
    if ((await store.stat(path)) === undefined) throw error; // else it was moved, by this call or another's
    return true;
  });
  const found = await store.stat(path);
  if (found?.size === bytes) return;
  // Whoever applies a record slowly may find that a later rewrite has removed its file again: then it was in place.
  if (found === undefined && (await isRemoved(store, topic, final))) return;
  throw new MissingFile(
    found === undefined
      ? `${path} is named by a commit record but is ${moved ? 'gone again' : 'neither staged nor in place'}; restore it from a copy or replay its offsets`
      : `${path} has ${found.size} bytes, its commit record says ${bytes}; restore it from a copy or replay its offsets`,
  );
}

async function isRemoved(store: Store, topic: string, final: string): Promise<boolean> {
  const { rewrites } = await readRewriteLog(store, topic);
  return rewrites.some(({ removes }) => removes.some((file) => file.final === final));
}
