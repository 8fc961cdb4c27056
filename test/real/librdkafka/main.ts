/**
 * `npm run compat:librdkafka [-- NUMBER…]`: runs librdkafka's own test suite against brokers of ours, and compares what
 * passed with the table. A test of the table's that does not pass is a failure; one that passes and is not in it is told,
 * so that the table grows. Numbers (`0012 0045`) run only these.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBrokerProcess } from '../../support/run-cli.ts';
import { TempDir } from '../../support/temp-dir.ts';
import { LIBRDKAFKA_DIRECTORY } from '../bed/cache.ts';
import { buildJava, buildLibrdkafka } from './build.ts';
import { run, type Surroundings, type Verdict } from './run.ts';
import { writeScripts } from './scripts.ts';
import { type How, isRunBy, MEANT, numberOf, PASSING, runsOf } from './suite.ts';

/** Tests mostly wait; with more at once the machine would, and tests that look at the clock would fail. */
const AT_ONCE = 12;
const SHOWN_LINES = 40;
const LOGS = join(LIBRDKAFKA_DIRECTORY, 'logs');

const say = (line: string) => process.stdout.write(`${line}\n`);

interface Ran {
  how: How;
  verdicts: Map<string, Verdict>;
}

type Place = (how: How) => Surroundings;

/** Runs them side by side, those first that come first. */
async function runAll(runs: readonly How[], place: Place): Promise<Ran[]> {
  const all: Ran[] = [];
  const waiting = [...runs];
  const work = async () => {
    for (let how = waiting.shift(); how !== undefined; how = waiting.shift()) {
      all.push({ how, verdicts: await run(how, place(how)) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return all;
}

/** Whether a test of the table did not pass in it. */
function isLost({ verdicts }: Ran): boolean {
  const meant = [...verdicts].filter(([name]) => PASSING.has(name));
  return meant.length === 0 || meant.some(([, { verdict }]) => verdict !== 'PASSED');
}

/**
 * Runs them side by side, and those that were lost once more by themselves: many upstream tests look for one order of events
 * among several, which comes about where nothing else runs. Each then has a broker of its own: a client of another test may
 * have made a topic anew that was just deleted. That is told, and the log of the first time is kept.
 */
async function runTwice(runs: readonly How[], place: Place, dir: TempDir): Promise<Map<string, Verdict>> {
  const first = await runAll(runs, place);
  const lost = first.filter(isLost).map(({ how }) => how);
  const wanted = lost.filter((how) => MEANT.some((name) => PASSING.has(name) && isRunBy(name, how)));
  const second: Ran[] = [];
  for (const how of wanted) {
    await using broker = await startScenario(dir, how.scenario, `second-${second.length}`);
    const { address, config } = broker;
    const verdicts = await run(how, { ...place(how), address, config, logs: join(LOGS, 'second') });
    second.push({ how, verdicts });
  }
  const verdicts = new Map<string, Verdict>();
  for (const { how, verdicts: some } of [...first.filter(({ how }) => !wanted.includes(how)), ...second]) {
    for (const [name, verdict] of some) {
      verdicts.set(name, worse(verdicts.get(name), { ...verdict, isSecond: wanted.includes(how) }));
    }
  }
  return verdicts;
}

/** Of a test that is run in parts, that of the first one which did not pass, and the time of all. */
function worse(before: Verdict | undefined, verdict: Verdict): Verdict {
  const seconds = (before?.seconds ?? 0) + verdict.seconds;
  const isSecond = before?.isSecond === true || verdict.isSecond === true;
  return { ...(before === undefined || before.verdict === 'PASSED' ? verdict : before), seconds, isSecond };
}

/** Starts a broker and writes the suite's configuration for it. */
async function startScenario(dir: TempDir, scenario: How['scenario'], name: string = scenario) {
  const settings = scenario === 'noautocreate' ? ['--set', 'broker.autoCreateTopics=false'] : [];
  const broker = await startBrokerProcess(dir.join(name), ...settings);
  const config = dir.join(`${name}.conf`);
  await writeFile(config, `bootstrap.servers=${broker.address}\n`);
  return Object.assign(broker, { config });
}

async function runTests(names: readonly string[]): Promise<Map<string, Verdict>> {
  const sources = await buildLibrdkafka();
  using dir = new TempDir('librdkafka');
  await mkdir(join(LOGS, 'second'), { recursive: true });
  const scripts = dir.join('kafka');
  await writeScripts(scripts, sources);
  await buildJava(sources, scripts);
  await using usual = await startScenario(dir, 'default');
  await using noAutoCreate = await startScenario(dir, 'noautocreate');
  const place: Place = ({ scenario }) => {
    const { address, config } = scenario === 'default' ? usual : noAutoCreate;
    return { sources, logs: LOGS, address, config, scripts };
  };
  return await runTwice(runsOf(names), place, dir);
}

/** The end of what a run said. */
async function endOf(log: string): Promise<string> {
  return (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
}

/** Tells what a test of the table said before it did not pass. */
async function sayLost(name: string, { log }: Partial<Verdict> = {}): Promise<void> {
  say(`\n${name} is in the table, and did not pass`);
  if (log !== undefined) say(`the end of ${log}:\n${await endOf(log)}`);
}

/** Runs what was asked for and tells how it went; whether every test of the table passed. */
async function compare(only: readonly string[]): Promise<boolean> {
  const names = MEANT.filter((name) => only.length === 0 || only.includes(numberOf(name)));
  const verdicts = await runTests(names);
  for (const name of names) {
    const { verdict, seconds, isSecond } = verdicts.get(name) ?? { verdict: 'not run', seconds: 0 };
    const isNew = verdict === 'PASSED' && !PASSING.has(name);
    const note = `${isNew ? '  is not in the table: add it' : ''}${isSecond ? '  at the second attempt' : ''}`;
    say(`${name.padEnd(48)}${verdict.padEnd(10)}${seconds.toFixed(1).padStart(7)} s${note}`);
  }
  const meant = names.filter((name) => PASSING.has(name));
  const lost = meant.filter((name) => verdicts.get(name)?.verdict !== 'PASSED');
  for (const name of lost) await sayLost(name, verdicts.get(name));
  say(`librdkafka tests: ${meant.length - lost.length} passed, ${lost.length} failed`);
  return lost.length === 0;
}

// An error before the end, of the build for one, is told by its line alone and is one failure.
const passed = await compare(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  say('librdkafka tests: 0 passed, 1 failed');
});
if (passed !== true) process.exitCode = 1;
