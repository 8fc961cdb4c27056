/**
 * Things that are made once under the cache and then found there: made aside, and named only when whole, so that a run
 * that died leaves nothing that is taken for the thing.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises';

/** The directory, made by `make` in a directory beside it unless it is there. `about` is said while it is being made. */
export async function fetchOnce(
  directory: string,
  about: string,
  make: (unfinished: string) => Promise<void>,
): Promise<string> {
  if ((await stat(directory).catch(() => undefined)) !== undefined) return directory;
  const unfinished = `${directory}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  process.stderr.write(`${about}, once…\n`);
  try {
    await make(unfinished);
    await rename(unfinished, directory).catch((error: NodeJS.ErrnoException) => {
      // Another run was faster.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return directory;
}
