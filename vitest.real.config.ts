import { defineConfig } from 'vitest/config';
import { KERBEROS_NODE_PATH } from './test/real/bed/node-package.ts';

// Read by Node at its start, so it has to be there before the processes of the tests are.
process.env['NODE_PATH'] = KERBEROS_NODE_PATH;

/** The real suite: HDFS, Kafka and Spark as processes, one test file at a time. `npm test` leaves it out. */
export default defineConfig({
  test: {
    include: ['test/real/**/*.test.ts'],
    pool: 'forks',
    execArgv: ['--no-memory-protection-keys'],
    fileParallelism: false,
    testTimeout: 180_000,
    // The first run fetches jars.
    hookTimeout: 30 * 60_000,
  },
});
