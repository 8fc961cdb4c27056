/**
 * `npm run compat:librdkafka [-- NUMBER…]`: runs librdkafka's own test suite against a broker of ours, and compares what
 * passed with the table. A test of the table's that does not pass is a failure; one that passes and is not in it is told,
 * so that the table grows. Numbers (`0012 0045`) run only these.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startBrokerProcess } from '../../support/run-cli.ts';
import { TempDir } from '../../support/temp-dir.ts';
import { buildLibrdkafka } from './build.ts';
import { FULL, MEANT, PASSING } from './suite.ts';

/** As the suite tells them while it runs: its summary at the end is lost when it aborts, as it does after a failure. */
const PASSED = /= Test (\d{4}_\w+) (PASSED|SKIPPED) =/;
const FAILED = /^\[(\d{4}_\w+) .*TEST FAILURE$/;
const DURATION = /(\d{4}_\w+): duration ([\d.]+)ms$/;
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
const RUN_LIMIT_MS = 40 * 60_000;
/** As the broker says of itself: what of the suite is for later ones is left out by it. */
const BROKER_VERSION = '3.0.0';

interface Verdict {
  verdict: string;
  seconds: number;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs tests by their numbers; what its summary says of each. `isQuick`: fewer rounds, and some parts not at all. */
async function runSuite(sources: string, config: string, numbers: readonly string[], isQuick: boolean) {
  const parallel = Math.min(4, 2 * availableParallelism());
  // Without its local tests, and without those that cut its own sockets.
  const args = ['-L', '-E', `-p${parallel}`, ...(isQuick ? ['-Q'] : [])];
  const cwd = join(sources, 'tests');
  const child = spawn(join(cwd, 'test-runner'), args, {
    cwd,
    env: {
      ...process.env,
      LD_LIBRARY_PATH: `${join(sources, 'src')}:${join(sources, 'src-cpp')}`,
      RDKAFKA_TEST_CONF: config,
      TEST_KAFKA_VERSION: BROKER_VERSION,
      TESTS: numbers.join(','),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: RUN_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const verdicts = new Map<string, Verdict>();
  const note = (name: string, seen: Partial<Verdict>) =>
    verdicts.set(name, { verdict: 'ended', seconds: 0, ...verdicts.get(name), ...seen });
  const ended = once(child, 'exit');
  for await (const coloured of createInterface({ input: child.stderr })) {
    const line = coloured.replaceAll(COLOURS, '');
    const [, passed, verdict] = PASSED.exec(line) ?? [];
    const [, failed] = FAILED.exec(line) ?? [];
    const [, measured, ms] = DURATION.exec(line) ?? [];
    if (passed !== undefined) note(passed, { verdict: verdict! });
    if (failed !== undefined) note(failed, { verdict: 'FAILED' });
    if (measured !== undefined) note(measured, { seconds: Number(ms) / 1000 });
  }
  await ended;
  return verdicts;
}

const numberOf = (name: string) => name.slice(0, 4);

/** Runs what was asked for and tells how it went; the tests of the table that did not pass. */
async function compare(only: readonly string[]): Promise<string[]> {
  const sources = await buildLibrdkafka();
  using dir = new TempDir('librdkafka');
  await using broker = await startBrokerProcess(dir.join('data'));
  const config = dir.join('test.conf');
  await writeFile(config, `bootstrap.servers=${broker.address}\ntest.timeout.multiplier=3\n`);
  const wanted = (name: string) => only.length === 0 || only.includes(numberOf(name));
  const numbers = [...new Set(MEANT.filter(wanted).map(numberOf))];
  const verdicts = new Map<string, Verdict>();
  for (const isQuick of [true, false]) {
    const some = numbers.filter((number) => FULL.has(number) !== isQuick);
    if (some.length === 0) continue;
    for (const [name, verdict] of await runSuite(sources, config, some, isQuick)) verdicts.set(name, verdict);
  }
  const lost: string[] = [];
  for (const name of MEANT.filter(wanted)) {
    const { verdict, seconds } = verdicts.get(name) ?? { verdict: 'not run', seconds: 0 };
    const isNew = verdict === 'PASSED' && !PASSING.has(name);
    if (verdict !== 'PASSED' && PASSING.has(name)) lost.push(name);
    say(
      `${name.padEnd(48)}${verdict.padEnd(10)}${seconds.toFixed(1).padStart(7)} s${isNew ? '  is not in the table: add it' : ''}`,
    );
  }
  const passed = MEANT.filter((name) => verdicts.get(name)?.verdict === 'PASSED').length;
  say(`librdkafka's suite: ${passed} of ${MEANT.filter(wanted).length} passed`);
  return lost;
}

const lost = await compare(process.argv.slice(2));
if (lost.length > 0) {
  process.stderr.write(`in the table, and did not pass: ${lost.join(', ')}\n`);
  process.exitCode = 1;
}
