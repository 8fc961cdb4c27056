/**
 * The doctor over a table that people and crashes have done things to: each is found by name, none is invented, and what
 * is safe is put right.
 */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { type Diagnosis, doctor } from '../../jobs/doctor.ts';
import { load } from '../../loader/loader.ts';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import { webRequests } from '../support/events.ts';
import { visibleFiles, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords, setupSettings } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { StoppingStore } from '../support/stopping-store.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'web_request';
const [PARTITIONS, HOURS, ROWS] = [2, 2, 120];

let dir: TempDir;
let broker: Broker;
let original: string;
beforeAll(async () => {
  dir = new TempDir('doctor');
  original = dir.join('warehouse');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, PARTITIONS);
  for (const [from, until] of [
    [0, ROWS / 2],
    [ROWS / 2, ROWS],
  ] as const) {
    const events = [...webRequests(from, until, { hours: HOURS })];
    await sendRecords(
      addressOf(broker),
      TOPIC,
      events.map((event, i) => ({ ...event, partition: (i >> 1) % PARTITIONS })),
    );
    await loadTopics(setupOf(original), TOPIC);
  }
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const setupOf = (warehouse: string) => ({
  address: addressOf(broker),
  warehouse,
  loader: { graceMs: 0, workers: 1, spoolDir: dir.join('spool') },
});

/** A warehouse of its own, as it was after the loads. */
const copyOfTable = () => dir.copyOf(original);

async function examine(warehouse: string, fix = false): Promise<Diagnosis> {
  await using store = await DirectoryStore.open(warehouse);
  return await doctor({ store, topic: TOPIC, fix, graceMs: 0, run: 'doctor', now: Date.now });
}

const kinds = ({ findings }: Diagnosis) => findings.map(({ kind }) => kind).sort();

test('a whole table has nothing wrong with it', async () => {
  expect((await examine(original)).findings).toEqual([]);
});

describe('what somebody did', () => {
  const file = (path: string, n = 0) => join(path, TOPIC, visibleFiles(path, TOPIC)[n]!);
  const success = (path: string) => join(path, TOPIC, 'dt=2026-03-01/hour=00/_SUCCESS');
  const chain = (path: string) => join(path, TOPIC, '_loader/commits/p=00000/g=000000');
  const trash = (path: string) => join(path, TOPIC, '_loader/trash/00000009');

  test.each<[string, (warehouse: string) => void, string[]]>([
    ['a file deleted', (w) => rmSync(file(w)), ['missing file']],
    ['a file cut short', (w) => truncateSync(file(w), 100), ['truncated file']],
    ['a file copied', (w) => cpSync(file(w), join(dirname(file(w)), 'copy.parquet')), ['unnamed file']],
    ['a file overwritten with as many bytes', (w) => blank(file(w)), ['damaged file']],
    ['_SUCCESS deleted', (w) => rmSync(success(w)), ['marker']],
    ['a false _SUCCESS', (w) => falseMark(w), ['false marker']],
    [
      'a commit record deleted',
      (w) => rmSync(join(chain(w), readdirSync(chain(w)).sort()[0]!)),
      ['broken record'],
    ],
    [
      'a commit record changed',
      (w) => writeFileSync(join(chain(w), readdirSync(chain(w)).sort()[0]!), '{}'),
      ['broken record'],
    ],
    [
      'trash of a rewrite that is not there',
      (w) => mkdirSync(trash(w), { recursive: true }),
      ['stray trash'],
    ],
  ])('%s is found', async (_, act, expected) => {
    const warehouse = copyOfTable();
    act(warehouse);
    const found = await examine(warehouse);
    expect(kinds(found)).toEqual(expected);
    for (const { path, problem, remedy } of found.findings) {
      expect(path).toContain(TOPIC);
      expect(`${problem} ${remedy}`).not.toContain('\n');
    }
  });

  function blank(path: string): void {
    writeFileSync(path, Buffer.alloc(statSync(path).size));
  }
  function falseMark(warehouse: string): void {
    const hour = join(warehouse, TOPIC, 'dt=2026-03-02/hour=05');
    mkdirSync(hour, { recursive: true });
    writeFileSync(join(hour, '_SUCCESS'), '{}');
  }
});

describe('what died or came back', () => {
  const path = (warehouse: string, ...names: string[]) => join(warehouse, TOPIC, ...names);
  /** An attempt that staged a file for a name and was never heard of again. */
  const stage = (warehouse: string, wanted: string) => {
    const attempt = path(warehouse, '_loader/staging', wanted, 'an-attempt');
    mkdirSync(attempt, { recursive: true });
    writeFileSync(join(attempt, '000-000.staged'), '');
  };
  const run = async (warehouse: string, ...argv: string[]) => {
    const common = ['--topic', TOPIC, '--broker', addressOf(broker), '--warehouse', `file:${warehouse}`];
    const { status, stderr } = await runCli([...argv, ...common]);
    expect([status, stderr]).toEqual([0, '']);
  };

  test.each<[string, (warehouse: string) => void | Promise<void>, string, boolean]>([
    [
      'staging for a name that another has',
      (w) => stage(w, `c-p00000-g000000-${'0'.repeat(20)}`),
      'dead staging',
      true,
    ],
    [
      'staging of a rewrite that was never published',
      (w) => stage(w, 'w-g000000-00000001'),
      'orphaned rewrite',
      true,
    ],
    [
      'a generation that was sealed',
      async (w) => {
        const [chain, copy] = [path(w, '_loader/commits/p=00000/g=000000'), join(w, 'copy')];
        cpSync(chain, copy, { recursive: true });
        await run(w, 'expire', '--set', 'loader.sealAfterRecords=2');
        renameSync(copy, chain);
      },
      'old generation',
      true,
    ],
    [
      'a file that a compaction had removed',
      async (w) => {
        const [name, copy] = [visibleFiles(w, TOPIC)[0]!, join(w, 'copy')];
        cpSync(path(w, name), copy);
        await run(w, 'compact');
        renameSync(copy, path(w, name));
      },
      'retired file',
      false,
    ],
  ])('%s is found, and put right where that is safe', async (_, act, kind, isSafe) => {
    const warehouse = copyOfTable();
    await act(warehouse);
    expect(kinds(await examine(warehouse))).toEqual([kind]);
    const rows = await visibleOffsets(warehouse, TOPIC);
    expect(kinds(await examine(warehouse, true))).toEqual(isSafe ? [] : [kind]);
    expect(await visibleOffsets(warehouse, TOPIC)).toEqual(rows);
  });
});

test('what is safe is put right, and nothing else is touched', async () => {
  const warehouse = copyOfTable();
  const setup = setupOf(warehouse);
  await sendRecords(addressOf(broker), TOPIC, [...webRequests(ROWS, ROWS + 20, { partitions: PARTITIONS })]);
  const settings = setupSettings(setup);
  const isApply = (name: string) => name.startsWith('move ');
  const dying = new StoppingStore(await DirectoryStore.open(warehouse), isApply, 'dies after');
  await load({ settings, store: dying, topics: [TOPIC], warn: () => {} }).catch(() => {});
  const moved = visibleFiles(warehouse, TOPIC)[0]!;
  rmSync(join(warehouse, TOPIC, 'dt=2026-03-01/hour=01/_SUCCESS'));
  renameSync(join(warehouse, TOPIC, moved), join(warehouse, TOPIC, `${moved}.away`));
  const found = await examine(warehouse);
  expect(kinds(found)).toEqual(
    expect.arrayContaining(['missing file', 'unapplied record', 'unnamed file', 'marker']),
  );
  const after = await examine(warehouse, true);
  expect(after.fixed).toBeGreaterThan(0);
  expect(kinds(after).filter((kind) => kind !== 'marker')).toEqual(['missing file', 'unnamed file']);
  renameSync(join(warehouse, TOPIC, `${moved}.away`), join(warehouse, TOPIC, moved));
  await loadTopics(setup, TOPIC);
  expect((await examine(warehouse)).findings).toEqual([]);
  for (const { rows, distinct, min, max } of await visibleOffsets(warehouse, TOPIC))
    expect([rows, max - min + 1]).toEqual([distinct, distinct]);
});
