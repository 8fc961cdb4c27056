import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/**
 * The real suite: HDFS, Kafka and Spark as processes. `npm test` leaves it out. Two test files at a time: each waits
 * much for servers that come back.
 */
export default defineConfig({
  test: {
    include: ['test/real/**/*.test.ts'],
    globalSetup: ['test/real/set-up.ts'],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    execArgv: ['--no-memory-protection-keys'],
    // Hundreds of processes are started from the sources: what Node compiles of them is kept. A third less work in all.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, '.cache/compile') },
    maxWorkers: 2, // as many as test/real/bed/ports.ts knows
    testTimeout: 15 * 60_000, // a busy machine takes minutes to start a server again
    hookTimeout: 15 * 60_000, // readers.test.ts loads the blog log in one
  },
});
