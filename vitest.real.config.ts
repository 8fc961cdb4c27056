import { defineConfig } from 'vitest/config';

/** The real suite: HDFS, Kafka and Spark as processes, one test file at a time. `npm test` leaves it out. */
export default defineConfig({
  test: {
    include: ['test/real/**/*.test.ts'],
    globalSetup: ['test/real/node-path.ts'],
    pool: 'forks',
    execArgv: ['--no-memory-protection-keys'],
    fileParallelism: false,
    testTimeout: 180_000,
    // The first run fetches jars.
    hookTimeout: 30 * 60_000,
  },
});
