/**
 * Transactions of the Java client, the one that all others are measured by, against our broker.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SeenApis } from '../support/seen-apis.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { runCommand } from './bed/command.ts';
import { fetchJars } from './bed/jars.ts';
import { javaArguments, javaCommand } from './bed/java.ts';

const SOURCE = join(import.meta.dirname, 'java', 'Transactions.java');
/** The consumer says on its standard output which answers were incremental. */
const TELL_SESSIONS = {
  'org.slf4j.simpleLogger.logFile': 'System.out',
  'org.slf4j.simpleLogger.log.org.apache.kafka.clients.FetchSessionHandler': 'debug',
};
const LIMIT_MS = 10 * 60_000;

it('the Java client commits, aborts, is fenced, and copies a topic exactly once with its offsets', async () => {
  const seen = new SeenApis();
  using dir = new TempDir('java-transactions');
  await using broker = await startBroker(dir.path, {}, seen.log);
  const classPath = [join(await fetchJars('kafka'), 'lib', '*')];
  const run = javaArguments({
    classPath,
    main: SOURCE,
    args: [addressOf(broker)],
    properties: TELL_SESSIONS,
  });
  const output = await runCommand(javaCommand(), run, { limitMs: LIMIT_MS });
  const told = Object.fromEntries(
    output
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => line.split('=', 2)),
  );
  expect(told).toMatchObject({
    committed: '40',
    aborted: '0',
    fenced: 'true',
    fencedSeen: '[next]',
    offsetsCommitted: 'true',
    copies: '40',
    distinctCopies: '40',
    done: 'true',
  });
  seen.expectTold('Java client and tools', /./);
  expect(output).toContain('sent an incremental fetch response');
}, 700_000);
