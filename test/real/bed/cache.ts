/**
 * Where the bed keeps what it fetches and what it runs: `.cache/real` of the project, which git ignores. `jars/` holds
 * fetched jars and stays; `run/` holds one directory per running bed and is emptied by `down`.
 */
import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '..', '..', '..', '.cache', 'real');

export const JARS_DIRECTORY = join(CACHE, 'jars');
export const RUN_DIRECTORY = join(CACHE, 'run');
