/**
 * Below a store in a local directory: names each step of the file system as a failpoint, and journals what it does, so
 * that after a kill whatever was not fsynced can be dropped (`disk-loss.ts`). The journal lies outside the warehouse and
 * is written before and after each step.
 */
import { appendFileSync, linkSync, mkdirSync, statSync } from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { type FaultPlan, JOURNAL_NAME } from './fault-plan.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';

/** One line of the journal: a step begun, or the end of one. */
export type JournalLine =
  | ({ id: string } & Step)
  | { id: string; end: 'done' | 'failed'; first?: string | undefined };

/** What is done to the file system. `kept` holds what a name stood for before. */
export type Step =
  | { op: 'create' | 'link' | 'copy'; path: string; ino?: number | undefined }
  | { op: 'mkdir'; path: string }
  | { op: 'rename'; path: string; from: string; kept?: string | undefined }
  | { op: 'unlink'; path: string; kept?: string | undefined }
  | { op: 'write'; path: string; ino: number }
  | { op: 'sync'; path: string; ino: number };

type Reach = (op: string, path: string, run: () => Promise<unknown>) => Promise<unknown>;

const statOf = (path: string) => statSync(path, { throwIfNoEntry: false });

class Journal {
  readonly #plan: FaultPlan & { root: string };
  readonly #reach: Reach;
  #steps = 0;

  constructor(plan: FaultPlan & { root: string }, reach: Reach) {
    this.#plan = plan;
    this.#reach = reach;
    mkdirSync(join(plan.scratch, 'kept'), { recursive: true });
  }

  #note(line: JournalLine): void {
    if (this.#plan.isJournalled)
      appendFileSync(join(this.#plan.scratch, JOURNAL_NAME), `${JSON.stringify(line)}\n`);
  }

  covers(path: string): boolean {
    return path.startsWith(this.#plan.root);
  }

  isUnsynced(path: string): boolean {
    return this.#plan.mutants.some((name) => {
      const mutant: Mutant = MUTANTS[name];
      return mutant.unsynced?.test(path);
    });
  }

  /** Keeps what a name stands for, if it is a file. */
  keep(path: string): string | undefined {
    if (!this.#plan.isJournalled || !statOf(path)?.isFile()) return undefined;
    const kept = join(this.#plan.scratch, 'kept', `${process.pid}-${threadId}-${this.#steps++}`);
    linkSync(path, kept);
    return kept;
  }

  /** Does a step between its two lines. */
  async do<T>(step: Step, run: () => Promise<T>): Promise<T> {
    const id = `${process.pid}.${threadId}.${this.#steps++}`;
    this.#note({ id, ...step });
    const result = await this.#reach(`fs.${step.op}`, step.path, run).catch((error: unknown) => {
      this.#note({ id, end: 'failed' });
      throw error;
    });
    this.#note({ id, end: 'done', first: step.op === 'mkdir' ? (result as string | undefined) : undefined });
    return result as T;
  }
}

/** A handle whose writes and fsyncs are noted. */
async function watchHandle(journal: Journal, handle: FileHandle, path: string): Promise<FileHandle> {
  const { ino } = await handle.stat();
  const [writeFile, sync] = [handle.writeFile.bind(handle), handle.sync.bind(handle)];
  handle.writeFile = (...args) => journal.do({ op: 'write', path, ino }, () => writeFile(...args));
  handle.sync = async () => {
    if (!journal.isUnsynced(path)) await journal.do({ op: 'sync', path, ino }, sync);
  };
  return handle;
}

/** Replaces the functions of `node:fs/promises` that a DirectoryStore uses, for paths below the warehouse. */
export function watchDisk(plan: FaultPlan & { root: string }, reach: Reach): void {
  const journal = new Journal(plan, reach);
  const { open, link, copyFile, mkdir, rename, rm, unlink } = fs;
  fs.open = async (path, flags, mode) => {
    const name = String(path);
    if (!journal.covers(name)) return await open(path, flags, mode);
    const isNew = typeof flags === 'string' && flags.includes('x');
    const opening = () => open(path, flags, mode);
    const handle = isNew ? await journal.do({ op: 'create', path: name }, opening) : await opening();
    return await watchHandle(journal, handle, name);
  };
  fs.link = async (from, to) => {
    if (!journal.covers(String(to))) return await link(from, to);
    // A file from outside was written without an fsync.
    const ino = journal.covers(String(from)) ? undefined : statOf(String(from))?.ino;
    await journal.do({ op: 'link', path: String(to), ino }, () => link(from, to));
  };
  fs.copyFile = async (from, to, mode) => {
    await journal.do({ op: 'copy', path: String(to) }, () => copyFile(from, to, mode));
  };
  fs.mkdir = (async (path: string, options: { recursive: true }) =>
    journal.covers(path)
      ? await journal.do({ op: 'mkdir', path }, () => mkdir(path, options))
      : await mkdir(path, options)) as typeof mkdir;
  fs.rename = async (from, to) => {
    const [path, source] = [String(to), String(from)];
    if (!journal.covers(path)) return await rename(from, to);
    const kept = journal.keep(path);
    await journal.do({ op: 'rename', path, from: source, kept }, () => rename(from, to));
  };
  const removing = async (path: string, run: () => Promise<void>) => {
    const kept = journal.covers(path) ? journal.keep(path) : undefined;
    if (kept === undefined) return await run();
    await journal.do({ op: 'unlink', path, kept }, run);
  };
  fs.rm = (path, options) => removing(String(path), () => rm(path, options));
  fs.unlink = (path) => removing(String(path), () => unlink(path));
  syncBuiltinESMExports();
}
