/**
 * Says at the end of a run, in one line, which suite it left out, so that a green `npm test` is not taken for the whole
 * proof. Vitest calls it (`globalSetup` in vitest.config.ts).
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';

export function teardown(): void {
  const files = globSync('**/*.test.ts', { cwd: join(import.meta.dirname, '../real') }).length;
  process.stderr.write(
    `left out: the real suite, ${files} files against Apache Hadoop, Kafka and Spark; npm run test:real (needs a JDK 17, Maven, Go and Python 3)\n`,
  );
}
