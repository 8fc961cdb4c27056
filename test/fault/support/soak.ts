/**
 * Many events through many kills: a load is killed at random moments, by a store operation drawn at random or by the
 * clock, and started again, while more is produced. Told are the kills, what each cost until new work began, and what
 * the checker says of the whole table in the end.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { webRequests } from '../../support/events.ts';
import { queryTable } from '../../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../../support/load-topic.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';
import type { Failpoint } from './fault-plan.ts';
import { FaultyProcess } from './faulty-process.ts';
import { fileProblems, readRecords } from './foreign-chain.ts';
import { KILLED } from './scene.ts';

const TOPIC = 'web_request';
const [PARTITIONS, HOURS] = [4, 5];
/** Operations of which one is drawn for a kill; a load does some dozens of each. */
const OPERATIONS = [
  'create',
  'upload',
  'publish',
  'makeDirectory',
  'move',
  'sync',
  'remove',
  'overwrite',
  'read batch',
];
const MOST_OPERATIONS = 24;
/** A kill by the clock comes within this time from the start of the process. */
const MOST_WAIT_MS = 4_000;
/** Loads that end before their kill, for each that is killed. */
const MAX_SPARED = 20;

/** Tells when a run knows what it will read: recovery and planning are over. */
const PLANNED: Failpoint = { op: 'create', path: '\\.plan\\.json$', nth: 0, act: 'note' };

export interface SoakOptions {
  events: number;
  kills: number;
  seed: number;
  print: (line: string) => void;
}

/** Returns the number of problems. */
export async function soak({ events, kills, seed, print }: SoakOptions): Promise<number> {
  using dir = new TempDir('fault-soak');
  await using broker = await startBroker(dir.join('data'));
  const address = addressOf(broker);
  const warehouse = dir.join('warehouse');
  await createTopic(address, TOPIC, PARTITIONS);
  const random = new SeededRandom(seed);
  let processes = 0;
  const start = (points: readonly Failpoint[]) => {
    const at = ['--broker', address, '--warehouse', `file:${warehouse}`, '--json'];
    const plan = { points: [PLANNED, ...points], mutants: [], scratch: dir.join(`process-${processes++}`) };
    const hours = ['--set', 'loader.emptyHoursPerRun=0', '--set', 'loader.spoolBytes=8388608'];
    return new FaultyProcess(['load', '--topic', TOPIC, ...at, ...hours], plan);
  };
  /** Milliseconds from the start of a process after a kill to its plan. */
  const recoveries: number[] = [];
  const note = (process: FaultyProcess) => {
    const [planned] = process.notes();
    if (planned) recoveries.push(planned.atMs - planned.startedMs);
  };
  let [produced, killed, spared, isAfterKill] = [0, 0, 0, false];
  while (killed < kills && spared < kills * MAX_SPARED) {
    const until = Math.ceil((events * (killed + 1)) / kills);
    await sendRecords(address, TOPIC, webRequests(produced, until, { partitions: PARTITIONS, hours: HOURS }));
    produced = Math.max(produced, until);
    const byOperation = random.below(2) === 0;
    const op = OPERATIONS[random.below(OPERATIONS.length)]!;
    const act = op !== 'read batch' && random.below(2) === 0 ? 'kill after' : 'kill before';
    const load = start(byOperation ? [{ op, act, nth: 1 + random.below(MOST_OPERATIONS) }] : []);
    const waitMs = random.below(MOST_WAIT_MS);
    if (!byOperation) void sleep(waitMs).then(() => load.child.kill('SIGKILL'));
    const { status, stderr } = await load.ended;
    if (isAfterKill) note(load);
    isAfterKill = status === KILLED;
    if (status === KILLED) killed++;
    else spared++;
    const how = byOperation ? `${act} ${op}` : `after ${waitMs} ms`;
    if (status === KILLED) print(`kill ${killed}: ${how}, ${produced} events produced`);
    else if (status !== 0) print(`load ended with ${status}: ${stderr.trim()}`);
  }
  const last = start([]);
  const { status, stderr } = await last.ended;
  note(last);
  printRecoveries(recoveries, killed, print);
  const problems = await checkAll(warehouse, produced);
  if (killed < kills) problems.push(`only ${killed} of ${kills} kills landed`);
  if (status !== 0) problems.push(`the last load ended with ${status}: ${stderr.trim()}`);
  for (const problem of problems) print(`FAILED: ${problem}`);
  print(
    `${produced} events, ${killed} kills, ${spared} loads that ended before theirs: ${problems.length} problems`,
  );
  return problems.length;
}

function printRecoveries(recoveries: readonly number[], kills: number, print: (line: string) => void): void {
  const times = recoveries.toSorted((a, b) => a - b);
  const at = (part: number) =>
    Math.round(times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0);
  print(
    `from the start of the next process to its plan (start, recovery, planning), after ${kills} kills: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms`,
  );
}

/** Each offset once, the sum of what was sent, and nothing that no record names. */
async function checkAll(warehouse: string, produced: number): Promise<string[]> {
  const rows = await queryTable(
    warehouse,
    TOPIC,
    'SELECT _partition AS p, count(*) AS n, count(DISTINCT _offset) AS d, min(_offset) AS lo, max(_offset) AS hi, sum(bytes) AS s FROM TABLE GROUP BY p ORDER BY p',
  );
  const root = join(warehouse, TOPIC);
  const records = readRecords(root);
  const problems = [...records.problems, ...fileProblems(root, records)];
  const total = rows.reduce((sum, { s }) => sum + BigInt(String(s)), 0n);
  const expected = (BigInt(produced) * BigInt(produced - 1)) / 2n;
  if (total !== expected) problems.push(`the column bytes adds up to ${total}, not ${expected}`);
  if (rows.reduce((sum, { n }) => sum + Number(n), 0) !== produced) problems.push('rows are lost or doubled');
  for (const { p, n, d, lo, hi } of rows)
    if (n !== d || Number(lo) !== 0 || Number(hi) !== Number(n) - 1)
      problems.push(`partition ${p} has ${n} rows of ${d} offsets from ${lo} to ${hi}`);
  return problems;
}
