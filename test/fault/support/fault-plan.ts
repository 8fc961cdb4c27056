/**
 * What is to go wrong in a process, as plain data: the tests hand it over in one environment variable, and the preload
 * `failpoint.ts` makes it happen. The product knows nothing of it.
 */
import type { MutantName } from './mutants.ts';

/** Holds a FaultPlan as JSON. Its name does not begin as those of settings do, which the command line would refuse. */
export const PLAN_VARIABLE = 'FAULT_PLAN';

/** What happens at a failpoint. `after` and `answer`: the operation is done first. */
export type Act =
  | 'kill before'
  | 'kill after'
  /** Half a file is at the path of an upload or creation, then the kill. */
  | 'kill halfway'
  /** The process stands still until the test lets it go on. */
  | 'hang before'
  | 'hang after'
  /** Done, but the caller is told of a time-out. */
  | 'drop answer'
  /** Not done, and the caller is told of a time-out; the test may do it later. */
  | 'lands later'
  | 'error'
  | 'delay'
  /** Done twice, as a client does that repeats a call; the caller gets the second answer. */
  | 'twice'
  /** The empty directory that is to take the file goes away first. */
  | 'without parent'
  /** The file arrives short, and its true length is answered. */
  | 'cut'
  /** The worker thread ends, not the process. */
  | 'end thread'
  /** The time is written down, for measurements; nothing goes wrong. */
  | 'note';

/** One failpoint: the `nth` operation of the process, all its threads together, that fits. */
export interface Failpoint {
  /** A method of Store; `read batch` of the sorter; `fs.link`, `fs.rename`, `fs.sync`, … below a DirectoryStore. */
  op: string;
  /** Regular expression for the path: the destination of operations that have two; several are joined by a space. */
  path?: string;
  /** Counted from 1; 0: every one. */
  nth?: number;
  act: Act;
  /** For `delay`. */
  ms?: number;
}

export interface FaultPlan {
  points: readonly Failpoint[];
  mutants: readonly MutantName[];
  /** A directory of this process's own: hits, hang-ups, notes, the journal of the disk. */
  scratch: string;
  /** The warehouse, where it is a local directory. */
  root?: string;
  /** Changes below it are journalled, so that the test can drop those that were not fsynced. */
  isJournalled?: boolean;
  /** What the clocks of this machine and of the store show at the start; they go on from there. Who lets a hanging process go on may put both forward. */
  clock?: { nowMs: number; storeMs: number };
  /** Before every operation that changes something: a wait drawn from this seed, up to `maxMs`. */
  jitter?: { seed: number; maxMs: number };
}

export const hitName = (point: number, hit: number) => `hit-${point}-${hit}`;
export const hungName = (point: number) => `hung-${point}`;
export const goName = (point: number) => `go-${point}`;
export const lateName = (point: number) => `late-${point}.json`;
export const NOTES_NAME = 'notes';
export const JOURNAL_NAME = 'journal';
