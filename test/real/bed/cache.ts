/**
 * Where the bed keeps what it fetches and what it runs: `.cache/real` of the project, which git ignores. `jars/` and
 * `npm/` hold what was fetched, and stay; `run/` holds one directory per running bed and is emptied by `down`.
 */
import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '..', '..', '..', '.cache', 'real');

export const JARS_DIRECTORY = join(CACHE, 'jars');
/** npm packages that millrace does without and the real suite doesn't. */
export const PACKAGES_DIRECTORY = join(CACHE, 'npm');
export const RUN_DIRECTORY = join(CACHE, 'run');
/** Programs in other languages, with the clients they use. */
export const FOREIGN_DIRECTORY = join(CACHE, 'foreign');
