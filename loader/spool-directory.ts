/**
 * The local directory that the spools of one process live in. It holds nothing of value: a process that died leaves its
 * own behind, and the next one to start removes it.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { RecordCache } from './record-cache.ts';
import { localWarehousePath } from './store/open-store.ts';

const NAME = '.millrace-spool';
const OWN = /^(\d+)-[0-9a-f-]{36}$/;

/** Where spools go: the setting, else beside a local warehouse, so that a finished file is linked and not copied. */
function spoolRoot({ spoolDir, warehouse }: Pick<Settings['loader'], 'spoolDir' | 'warehouse'>): string {
  if (spoolDir !== '') return resolve(spoolDir);
  const local = localWarehousePath(warehouse);
  return join(local === undefined ? tmpdir() : dirname(local), NAME);
}

/** Makes this process's spool directory; disposing removes it. */
export async function openSpoolDirectory(
  settings: Pick<Settings['loader'], 'spoolDir' | 'warehouse'>,
): Promise<AsyncDisposable & { path: string }> {
  const root = spoolRoot(settings);
  const path = join(root, `${process.pid}-${randomUUID()}`);
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new Error(
      `the spool directory ${path} can't be made (${String(cause)}); set loader.spoolDir to a local directory with room`,
      { cause },
    );
  });
  for (const name of await readdir(root)) {
    const pid = Number(OWN.exec(name)?.[1] ?? process.pid);
    if (!isRunning(pid)) await rm(join(root, name), { recursive: true, force: true });
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Where records of a distant warehouse are kept from run to run; undefined for a local one, which is as near itself. */
export function openRecordCache(
  settings: Pick<Settings['loader'], 'spoolDir' | 'warehouse'>,
): RecordCache | undefined {
  if (localWarehousePath(settings.warehouse) !== undefined) return undefined;
  return new RecordCache(spoolRoot(settings), settings.warehouse);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
