/**
 * Recovery of a long chain: 10,000 hourly commits of one partition, sealed whenever the setting says so, then read and
 * rolled forward as every load begins. Beside it the floor: reading and parsing the bytes of the same records from one file.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { settingsSchema } from '../config/settings.ts';
import { applyCommit } from '../loader/apply.ts';
import type { Commit, DataFile } from '../loader/commit.ts';
import { type Chain, publishCommit, rootChain, withCommit } from '../loader/commit-chain.ts';
import { emptyRecord, removeHistory, sealChain } from '../loader/generation.ts';
import { HOUR_MS, hourName } from '../loader/hour.ts';
import { attemptDirectory, finalName } from '../loader/paths.ts';
import { recoverTopic } from '../loader/recover.ts';
import { DirectoryStore } from '../loader/store/directory-store.ts';
import { readTopicState } from '../loader/table-state.ts';
import { printLine } from './report.ts';

const [TOPIC, COMMITS, RUNS] = ['hourly', 10_000, 5];
const FIRST_MS = Date.UTC(2025, 0, 1);
const SEALER = { run: 'bench', nowMs: FIRST_MS };
const BODY = 'PAR1';

async function addHour(store: DirectoryStore, chain: Chain, n: number): Promise<Chain> {
  const { partition, generation, head: start } = chain;
  const empty = emptyRecord(chain, SEALER);
  const want = { kind: 'commit', partition, generation, start } as const;
  const staged = `${attemptDirectory(TOPIC, want, empty.attempt)}/000-000.staged`;
  await store.create(staged, BODY);
  const hour = hourName(FIRST_MS / HOUR_MS + n);
  const id = { partition, incarnation: 0, from: start, next: start + 1, rewrite: 0, part: 0 };
  const file: DataFile = {
    role: 'data',
    staged: staged.slice(TOPIC.length + 1),
    final: finalName('data', hour, id),
    hour,
    rows: 1,
    bytes: BODY.length,
    minOffset: start,
    maxOffset: start,
    minTime: 0,
    maxTime: 0,
    digest: '0'.repeat(16),
  };
  const counts = { ...empty.counts, read: 1, data: 1, perHour: { [hour]: 1 } };
  const commit: Commit = { ...empty, kind: 'data', next: start + 1, files: [file], counts };
  if ((await publishCommit(store, generation, commit)) !== 'won')
    throw new Error('nobody else is at work here');
  await applyCommit(store, commit, generation, true);
  return withCommit(chain, commit);
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function medianMs(act: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const before = performance.now();
    await act();
    times.push(performance.now() - before);
  }
  return median(times);
}

export async function benchRecover(directory: string): Promise<void> {
  await using store = await DirectoryStore.open(join(directory, 'warehouse'));
  const { sealAfterRecords } = settingsSchema.parse({}).loader;
  const base = { topic: TOPIC, topicId: 'bench', partition: 0, incarnation: 0, head: 0, rewriteSeq: 0 };
  let chain = await rootChain(store, {
    ...base,
    policy: 'earliest',
    createdAt: new Date(FIRST_MS).toISOString(),
  });
  let seals = 0;
  for (let n = 0; n < COMMITS; n++) {
    chain = await addHour(store, chain, n);
    if (chain.commits.length < sealAfterRecords) continue;
    chain = (await sealChain(store, chain, SEALER))!;
    await removeHistory(store, await readTopicState(store, TOPIC));
    seals++;
  }
  const all = join(directory, 'records.json');
  const state = await readTopicState(store, TOPIC);
  const { commits, base: root } = state.chains.get(0)!;
  await writeFile(all, JSON.stringify([root, commits]));
  const recovery = await medianMs(() => recoverTopic(store, TOPIC));
  const floor = await medianMs(async () => JSON.parse(await readFile(all, 'utf8')));
  printLine('');
  printLine(`recovery of a chain of ${COMMITS} hourly commits, sealed ${seals} times: median of ${RUNS}`);
  printLine(
    `  ${(recovery / floor).toFixed(1)} x the floor: ${recovery.toFixed(0)} ms, of which the table is read twice; ` +
      `reading and parsing the same records from one file takes ${floor.toFixed(0)} ms; ` +
      `${commits.length} records and a base of ${root.files?.length ?? 0} files are there`,
  );
}
