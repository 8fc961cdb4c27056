/**
 * What a disk may look like after the power went: every change of a directory that was not fsynced afterwards is undone,
 * newest first, and files that were not fsynced are cut short. A rename between two directories of which only one was
 * fsynced happened in that one alone. POSIX promises no more than this; journalling file systems mostly keep more.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { JournalLine, Step } from './disk-journal.ts';
import { JOURNAL_NAME } from './fault-plan.ts';

/** A step, with the lines at which it began and, if it got so far, ended. */
interface Done {
  step: Step;
  began: number;
  ended: number;
  /** Of a mkdir: the first directory it made; undefined: none. */
  first?: string | undefined;
}

/** The steps that may have happened, in the order they began. */
function readJournal(scratch: string): Done[] {
  const path = join(scratch, JOURNAL_NAME);
  const steps = new Map<string, Done>();
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  for (const [at, text] of lines.entries()) {
    if (text === '') continue;
    const line = JSON.parse(text) as JournalLine;
    if (!('end' in line)) {
      const { id, ...step } = line;
      steps.set(id, { step: step as Step, began: at, ended: Number.POSITIVE_INFINITY });
    } else if (line.end === 'failed') steps.delete(line.id);
    else Object.assign(steps.get(line.id)!, { ended: at, first: line.first });
  }
  return [...steps.values()].sort((a, b) => a.began - b.began);
}

/** Drops what was not fsynced below a warehouse; returns how many changes were undone. The process must be gone. */
export function loseUnsynced(root: string, scratch: string): number {
  const steps = readJournal(scratch);
  const syncs = steps.filter(({ step, ended }) => step.op === 'sync' && Number.isFinite(ended));
  const isSafe = (directory: string, { ended }: Done) =>
    syncs.some(({ step, began }) => step.path === directory && began > ended);
  let undone = 0;
  for (const done of steps.toReversed()) if (undo(done, isSafe)) undone++;
  const unsynced = new Set(
    steps.flatMap((done) => {
      const ino = 'ino' in done.step && done.step.op !== 'sync' ? done.step.ino : undefined;
      const isWritten = syncs.some(
        ({ step, began }) => step.op === 'sync' && step.ino === ino && began > done.ended,
      );
      return ino === undefined || isWritten ? [] : [ino];
    }),
  );
  // The warehouse itself may be gone with the directory that a first load made for it.
  return undone + (unsynced.size > 0 && existsSync(root) ? cutFiles(root, unsynced) : 0);
}

type IsSafe = (directory: string, done: Done) => boolean;

/** Undoes one step, if it may be lost; whether it was. */
function undo(done: Done, isSafe: IsSafe): boolean {
  const { step, first } = done;
  const lost = !isSafe(dirname(step.path), done);
  switch (step.op) {
    case 'create':
    case 'link':
    case 'copy':
      if (!lost || !existsSync(step.path)) return false;
      rmSync(step.path);
      return true;
    case 'mkdir':
      return first !== undefined && undoDirectories(first, done, isSafe);
    case 'unlink':
      if (!lost || existsSync(step.path) || !existsSync(dirname(step.path))) return false;
      linkSync(step.kept!, step.path);
      return true;
    case 'rename':
      return undoRename(step, lost, !isSafe(dirname(step.from), done));
    default:
      return false;
  }
}

/** Of the directories that one call made, from the outermost on, the first that may be lost goes with all below it. */
function undoDirectories(first: string, done: Done, isSafe: IsSafe): boolean {
  const made = [done.step.path];
  while (made[0]!.length > first.length) made.unshift(dirname(made[0]!));
  const lost = made.find((directory) => !isSafe(dirname(directory), done));
  if (lost === undefined || !existsSync(lost)) return false;
  rmSync(lost, { recursive: true });
  return true;
}

function undoRename(
  { path, from, kept }: Extract<Step, { op: 'rename' }>,
  isArrivalLost: boolean,
  isDepartureLost: boolean,
): boolean {
  if (!isArrivalLost && !isDepartureLost) return false;
  const isThere = existsSync(path);
  // Begun only, or undone by what came before.
  if (existsSync(from) || !existsSync(dirname(from))) return false;
  if (isDepartureLost && !isThere)
    mkdirSync(from); // a directory that was moved away and cleared
  else if (isDepartureLost && isArrivalLost) renameSync(path, from);
  else if (isDepartureLost) {
    if (statSync(path).isFile()) linkSync(path, from);
  } else rmSync(path, { recursive: true, force: true });
  if (isArrivalLost && kept !== undefined) linkSync(kept, path);
  return true;
}

/** Cuts the files of these inodes to half. */
function cutFiles(root: string, inodes: ReadonlySet<number>): number {
  let cut = 0;
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const found = entry.isFile() ? statSync(path) : undefined;
    if (found === undefined || !inodes.has(found.ino)) continue;
    truncateSync(path, Math.floor(found.size / 2));
    cut++;
  }
  return cut;
}
