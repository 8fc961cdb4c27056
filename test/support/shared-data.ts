/**
 * Real web activity for tests, where it is there: the folder `shared/data` beside the work tree (CI has it, a user's
 * clone does not). Tests that want it say so in one line when it is absent, and everything else still runs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../../shared/data');
const LOG = join(FOLDER, 'blog-2016.access.log.gz');
const ORACLE = join(FOLDER, 'blog-2016.oracle.json');

/** An access log and what an independent program counted in it. */
export interface SharedLog {
  /** Path of the log, gzip. */
  log: string;
  oracle: Record<string, unknown>;
}

/** The blog log of 206,860 requests with its oracle, or undefined after a line that says what is not tested. */
export function sharedBlogLog(untested: string): SharedLog | undefined {
  if (!existsSync(LOG) || !existsSync(ORACLE)) {
    console.info(`../shared/data is not here: ${untested}`);
    return undefined;
  }
  return { log: LOG, oracle: JSON.parse(readFileSync(ORACLE, 'utf8')) as Record<string, unknown> };
}
