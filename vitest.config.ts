import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Needs Java and Maven: `npm run test:real`.
    exclude: ['test/real/**'],
    globalSetup: ['test/support/left-out-suite.ts'],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    // V8 aborts processes that start and end worker threads while it guards code pages by protection keys; see bin/millrace.mjs.
    execArgv: ['--no-memory-protection-keys'],
    // Hundreds of processes are started from the sources: what Node compiles of them is kept. A third less work in all.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, '.cache/compile') },
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
