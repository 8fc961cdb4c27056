/**
 * What the doctor says of one thing that is not as it should be, and what it must know to look.
 */
import type { Store } from '../loader/store/store.ts';

/** `error`: rows are wrong or can't be told; `warning`: something is left to do, and the next run or `--fix` does it. */
export interface Finding {
  kind: string;
  severity: 'error' | 'warning';
  /** Path below the root that it is about. */
  path: string;
  /** One sentence: what is wrong. */
  problem: string;
  /** One sentence: what to do. */
  remedy: string;
  /** Whether `--fix` does it. */
  fixable: boolean;
}

export interface DoctorOptions {
  store: Store;
  topic: string;
  /** Puts right what is safe to put right. */
  fix: boolean;
  graceMs: number;
  run: string;
  now: () => number;
  signal?: AbortSignal | undefined;
}
