/**
 * Keeps a second broker off a data directory: a file that holds the process id of the one at work, made by an atomic
 * link. The lock of a process that is gone is taken over. Two brokers that find the same stale lock cannot both win:
 * each renames it away first, and only one rename succeeds.
 */
import fs from 'node:fs';
import path from 'node:path';
import { readIfThere } from './durable-file.ts';
import { LOCK_FILE, TEMPORARY_SUFFIX } from './file-names.ts';

const MAX_ATTEMPTS = 5;

const ZOMBIE = 'Z';
/** Fields of /proc/PID/stat behind the command: state is the first, the start time the twentieth (proc(5)). */
const STATE_FIELD = 0;
const START_TIME_FIELD = 19;

function statOf(pid: number): string[] | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // not Linux, or no such process: the signal below decides
  }
}

/** The kernel's start time tells a process id that was given out anew from the process that took the lock. */
function isRunning(pid: number, startTime: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const stat = statOf(pid);
  if (stat === undefined) return true;
  return stat[STATE_FIELD] !== ZOMBIE && (!startTime || stat[START_TIME_FIELD] === startTime);
}

function code(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

export class DirectoryLock implements Disposable {
  readonly #file: string;
  readonly #body: string;

  private constructor(file: string, body: string) {
    this.#file = file;
    this.#body = body;
  }

  /** Takes the lock of a directory, or throws an Error that names the process holding it. */
  static take(directory: string): DirectoryLock {
    const file = path.join(directory, LOCK_FILE);
    const body = `${process.pid} ${statOf(process.pid)?.[START_TIME_FIELD] ?? ''}\n`;
    const own = path.join(directory, `${LOCK_FILE}-${process.pid}${TEMPORARY_SUFFIX}`);
    fs.writeFileSync(own, body);
    try {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        if (tryLink(own, file)) return new DirectoryLock(file, body);
        removeIfStale(file, directory);
      }
    } finally {
      fs.rmSync(own, { force: true });
    }
    throw new Error(`data directory ${directory} is being taken by another broker: try again`);
  }

  [Symbol.dispose](): void {
    if (readIfThere(this.#file) === this.#body) fs.rmSync(this.#file, { force: true });
  }
}

function tryLink(own: string, file: string): boolean {
  try {
    fs.linkSync(own, file);
    return true;
  } catch (error) {
    if (code(error) === 'EEXIST') return false;
    throw error;
  }
}

function removeIfStale(file: string, directory: string): void {
  const body = readIfThere(file);
  if (body === undefined) return;
  const [pid, startTime] = body.trim().split(' ');
  if (Number(pid) > 0 && isRunning(Number(pid), startTime)) {
    throw new Error(
      `data directory ${directory} is in use by the broker with process id ${pid}: stop it or choose another --data directory`,
    );
  }
  const aside = path.join(directory, `${LOCK_FILE}-stale-${process.pid}${TEMPORARY_SUFFIX}`);
  try {
    fs.renameSync(file, aside);
  } catch (error) {
    if (code(error) === 'ENOENT') return; // another broker took it away first
    throw error;
  }
  // A lock taken between the reading and the renaming is put back for its owner.
  if (readIfThere(aside) !== body) tryLink(aside, file);
  fs.rmSync(aside, { force: true });
}
