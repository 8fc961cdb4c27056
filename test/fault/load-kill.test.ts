/**
 * `kill -9` of the loading process at thirty seeded moments, while the backlog grows and DuckDB keeps looking at the table.
 * A load afterwards must bring every offset in exactly once.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { settingsSchema } from '../../config/settings.ts';
import { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { readTopicState } from '../../loader/table-state.ts';
import { webRequests } from '../support/events.ts';
import { listing, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { runCli, startCli, statusOf } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const SEED = 20_261_122;
const KILLS = 30;
const TOPIC = 'web_request';
const [PARTITIONS, HOURS] = [2, 7];
const PER_ROUND = 1_400;
const KILLED = 137;
/** How often the table is looked at, and a loading process watched. */
const [LOOK_MS, WATCH_MS] = [50, 1];
/** The longest that a load may take to get to the moment it is to be killed at. */
const PATIENCE_MS = 20_000;

let dir: TempDir;
let broker: Broker;
let warehouse: string;
beforeAll(async () => {
  dir = new TempDir('load-kill');
  warehouse = dir.join('warehouse');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, PARTITIONS);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const loadArguments = () => [
  ...['load', '--topic', TOPIC, '--json', '--broker', addressOf(broker), '--warehouse', `file:${warehouse}`],
  ...['--set', 'loader.workers=2'],
];

/** What a process that was killed had got to. Which of its partitions was further decides. */
type Phase = 'nothing staged' | 'staged' | 'published' | 'applied' | 'ended by itself';

/** Names in a directory of the topic that begin and end so; none while it isn't there. */
function names(directory: string, pattern: RegExp): string[] {
  const path = join(warehouse, TOPIC, '_loader', directory);
  return existsSync(path) ? readdirSync(path).filter((name) => pattern.test(name)) : [];
}
/** `p00000-g000000-<start>` of what is published, and of what is staged. */
const records = () =>
  new Set(
    [0, 1].flatMap((partition) =>
      names(`commits/p=0000${partition}/g=000000`, /^\d{20}\.json$/).map(
        (name) => `p0000${partition}-g000000-${name.slice(0, 20)}`,
      ),
    ),
  );
const staged = () => new Set(names('staging', /^c-/).map((name) => name.slice(2)));

function phaseOf(before: Set<string>): Phase {
  const [published, waiting] = [records(), staged()];
  if ([...waiting].some((name) => published.has(name))) return 'published';
  if ([...published].some((name) => !before.has(name))) return 'applied';
  return waiting.size > 0 ? 'staged' : 'nothing staged';
}

/** What to wait for before the kill: something in the warehouse, or nothing but time. */
const MOMENTS = {
  start: () => true,
  staged: () => staged().size > 0,
  published: (before: Set<string>) => records().size > before.size,
} as const;

/** Waits for the moment and some milliseconds more, then kills; the phase the process was in. */
async function killAt(child: ChildProcess, moment: keyof typeof MOMENTS, moreMs: number): Promise<Phase> {
  const before = records();
  const deadline = Date.now() + PATIENCE_MS;
  while (child.exitCode === null && !MOMENTS[moment](before) && Date.now() < deadline) await sleep(WATCH_MS);
  if (moreMs > 0) await sleep(moreMs);
  child.kill('SIGKILL');
  return (await statusOf(child)) === KILLED ? phaseOf(before) : 'ended by itself';
}

/** Looks at the table over and over: DuckDB reads every visible file whole, and no offset may be there twice. */
async function lookUntil(signal: AbortSignal): Promise<number> {
  let looks = 0;
  for (; !signal.aborted; looks++) {
    for (const { rows, distinct } of await visibleOffsets(warehouse, TOPIC)) expect(rows).toBe(distinct);
    await sleep(LOOK_MS);
  }
  return looks;
}

async function killOften(random: SeededRandom): Promise<Map<Phase, number>> {
  const phases = new Map<Phase, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const events = webRequests(kill * PER_ROUND, (kill + 1) * PER_ROUND, {
      partitions: PARTITIONS,
      hours: HOURS,
    });
    await sendRecords(addressOf(broker), TOPIC, events);
    const child = startCli(loadArguments(), { stdio: 'ignore' });
    const moment = (['start', 'staged', 'staged', 'published', 'published'] as const)[kill % 5]!;
    const phase = await killAt(child, moment, random.below(moment === 'start' ? 1_500 : 30));
    phases.set(phase, (phases.get(phase) ?? 0) + 1);
  }
  return phases;
}

const filesButHistory = () => listing(warehouse, TOPIC).filter((path) => !path.startsWith('_loader/runs/'));

async function loadOnce(): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await runCli(loadArguments());
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

test('a loading process killed thirty times leaves each offset in the table once', {
  timeout: 180_000,
}, async () => {
  const stop = new AbortController();
  const looking = lookUntil(stop.signal);
  const phases = await killOften(new SeededRandom(SEED)).finally(() => stop.abort());
  expect(await looking).toBeGreaterThan(KILLS);
  // The moments are drawn so that kills land in each of these steps; the clock decides how many.
  for (const phase of ['nothing staged', 'staged', 'published'] as const)
    expect(phases.get(phase), `${phase} of ${JSON.stringify([...phases])}`).toBeGreaterThan(0);

  await loadOnce();
  const each = (KILLS * PER_ROUND) / PARTITIONS;
  expect(await visibleOffsets(warehouse, TOPIC)).toEqual(
    [0, 1].map((partition) => ({ partition, rows: each, distinct: each, min: 0, max: each - 1 })),
  );
  await using store = await openStore(settingsSchema.parse({ loader: { warehouse: `file:${warehouse}` } }));
  const { chains } = await readTopicState(store, TOPIC);
  expect([...chains.values()].map(({ head }) => head)).toEqual([each, each]);
  expect(staged()).toEqual(new Set());
  expect(readdirSync(dir.join('.millrace-spool'))).toEqual([]);

  const settled = filesButHistory();
  expect(await loadOnce()).toMatchObject({ rows: 0, files: 0, hours: [] });
  expect(filesButHistory()).toEqual(settled);
});
