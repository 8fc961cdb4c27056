/**
 * One run of librdkafka's `test-runner`, for one number of its tests: a process of its own, because the suite ends its
 * process at the first failure, and the tests beside it would be lost. What the run says is kept in a file.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ONE_REPLICA } from './build.ts';
import type { How } from './suite.ts';

/** As the suite tells them while it runs: its summary at the end is lost when it aborts, as it does after a failure. */
const DONE = /= Test (\d{4}_\w+) (PASSED|SKIPPED|FAILED) =/;
const FAILED = /^\[(\d{4}_\w+) .*TEST FAILURE$/;
/** A part that doesn't close its consumer says nothing of its end, but the next one then begins. */
const PART_PASSED = /\[ \w+:\d+.*: PASS \(/;
const DURATION = /(\d{4}_\w+): duration ([\d.]+)ms$/;
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
/** The longest takes four minutes. */
const RUN_LIMIT_MS = 8 * 60_000;
/** As the broker says of itself: what of the suite is for later ones is left out by it. */
const BROKER_VERSION = '3.0.0';

/** How a test ended, in the suite's words, and how long it took. */
export interface Verdict {
  verdict: string;
  seconds: number;
  /** What the run said, in full. */
  log: string;
  /** It failed the first time. */
  isSecond?: boolean;
}

/** Where a run finds what it needs. */
export interface Surroundings {
  sources: string;
  /** Keeps what the runs say. */
  logs: string;
  /** `host:port` of a broker as the run wants it. */
  address: string;
  /** A configuration of the suite for that broker. */
  config: string;
  /** A directory with Kafka's scripts in `bin`. */
  scripts: string;
}

function environment(how: How, { sources, address, config, scripts }: Surroundings): NodeJS.ProcessEnv {
  return {
    ...process.env,
    // The suite's own word for a machine that has other things to do: it waits longer, and durations fail no test.
    CI: how.isTimed ? undefined : 'true',
    LD_LIBRARY_PATH: `${join(sources, 'src')}:${join(sources, 'src-cpp')}`,
    LD_PRELOAD: join(sources, ONE_REPLICA),
    RDKAFKA_TEST_CONF: config,
    TEST_KAFKA_VERSION: how.version ?? BROKER_VERSION,
    TEST_SCENARIO: how.scenario,
    TESTS: how.number,
    ...(how.part === undefined ? {} : { SUBTESTS: how.part }),
    ...(how.hasScripts ? { KAFKA_PATH: scripts, BROKERS: address } : {}),
  };
}

/** Runs what one process runs; what became of each test, by name. */
export async function run(how: How, surroundings: Surroundings): Promise<Map<string, Verdict>> {
  const { sources, logs } = surroundings;
  const name = [how.number, how.scenario, how.part].filter((word) => word !== undefined).join('-');
  const log = join(logs, `${name.replaceAll(/[^\w-]+/g, '_')}.log`);
  const cwd = join(sources, 'tests');
  // Without its local tests: those talk to no broker.
  const child = spawn(join(cwd, 'test-runner'), ['-L', '-p3', ...(how.isQuick ? ['-Q'] : [])], {
    cwd,
    env: environment(how, surroundings),
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: RUN_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) lines.push(line.replaceAll(COLOURS, ''));
  const [status, signal] = (await ended) as [number | null, string | null];
  await writeFile(log, `${lines.join('\n')}\n`);
  const verdicts = verdictsIn(lines, log);
  // A failure may come last, as that of threads left behind; and a part whose name has changed is no part.
  const hasPart = how.part === undefined || lines.some((line) => PART_PASSED.test(line));
  const isWhole = status === 0 && hasPart;
  const why = hasPart ? `exit ${status ?? signal}` : `no part`;
  for (const verdict of verdicts.values()) {
    if (!isWhole && verdict.verdict === 'PASSED') verdict.verdict = why;
  }
  return verdicts;
}

function verdictsIn(lines: readonly string[], log: string): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  const of = (test: string) => {
    const verdict = verdicts.get(test) ?? { verdict: 'ended', seconds: 0, log };
    verdicts.set(test, verdict);
    return verdict;
  };
  for (const line of lines) {
    const [, done, verdict] = DONE.exec(line) ?? [];
    const [, failed] = FAILED.exec(line) ?? [];
    const [, measured, ms] = DURATION.exec(line) ?? [];
    if (failed !== undefined) of(failed).verdict = 'FAILED';
    // One that was put off to the end of the test is followed by what a test says that passed.
    if (done !== undefined && of(done).verdict !== 'FAILED') of(done).verdict = verdict!;
    if (measured !== undefined) of(measured).seconds = Number(ms) / 1000;
  }
  return verdicts;
}
