/**
 * The directory that a demo leaves its logs and its table in. A demo replaces what an earlier demo left, and nothing else:
 * a directory is ours only if our marker file lies in it.
 */
import { mkdir, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { UsageError } from './usage-error.ts';

const MARKER = '.millrace-demo';
const MARKER_TEXT = 'Written by "millrace demo", which deletes this directory when it runs again.\n';

/**
 * Makes an empty directory with our marker in it; returns its absolute path. Throws if it holds what isn't ours. `input`: a
 * file that is about to be read, which must not lie in there.
 */
export async function prepareDemoDirectory(path: string, input?: string): Promise<string> {
  const directory = resolve(path);
  const entries = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`cannot use ${directory} (${error.code}); choose another with --keep DIR`);
  });
  if (entries.length > 0 && !entries.includes(MARKER))
    throw new Error(`${directory} was not made by a demo; move it away, or choose another with --keep DIR`);
  if (
    input !== undefined &&
    entries.length > 0 &&
    (await realpath(input)).startsWith(`${await realpath(directory)}${sep}`)
  )
    throw new UsageError(
      `--input ${input} lies in ${directory}, which is emptied first; move the log, or choose another --keep DIR`,
    );
  // The marker goes last, so that a removal that was cut short can be taken up again.
  for (const entry of entries.filter((name) => name !== MARKER))
    await rm(join(directory, entry), { recursive: true, force: true });
  await mkdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot make ${directory} (${error.code}); choose another with --keep DIR`);
  });
  await writeFile(join(directory, MARKER), MARKER_TEXT);
  return directory;
}
