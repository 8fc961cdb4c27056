/**
 * Small files that must be whole whenever the machine stops: written beside, synced, renamed over the old one, and the
 * directory synced, so that a reader after any crash sees the old body or the new one. Synchronous on purpose: they are
 * few, tiny, and written at moments (start, stop, topic creation) where going on before they are on disk would be wrong;
 * the one that recurs, the checkpoint of recovery points, has the asynchronous form.
 */
import fs from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { TEMPORARY_SUFFIX } from './file-names.ts';

/** Makes the entries of a directory durable. */
export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

let temporaryFiles = 0;

/** The temporary name is short and unlike the final one, because that may already be as long as a name can be. */
function temporaryName(file: string): string {
  temporaryFiles += 1;
  return path.join(path.dirname(file), `${process.pid}-${temporaryFiles}${TEMPORARY_SUFFIX}`);
}

/** Replaces `file` durably and atomically. Throws the system's error. */
export function replaceFile(file: string, body: string): void {
  const temporary = temporaryName(file);
  fs.writeFileSync(temporary, body, { flush: true });
  fs.renameSync(temporary, file);
  syncDirectory(path.dirname(file));
}

/** The same off the event loop. Two calls for one file must not overlap. */
export async function replaceFileAsync(file: string, body: string): Promise<void> {
  const temporary = temporaryName(file);
  await using handle = await open(temporary, 'w');
  await handle.writeFile(body);
  await handle.sync();
  await rename(temporary, file);
  await using directory = await open(path.dirname(file), 'r');
  await directory.sync();
}

/** The text of a file, or undefined if it isn't there. Other errors are thrown. */
export function readIfThere(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes a file durably; a missing one is no error. */
export function removeFile(file: string): void {
  fs.rmSync(file, { force: true });
  syncDirectory(path.dirname(file));
}
