/**
 * Recovery of a long chain: 10,000 hourly commits of one partition, sealed whenever the setting says so, then read and
 * rolled forward as every load begins. Beside it the floor: reading and parsing the bytes of the same records from one file.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { settingsSchema } from '../config/settings.ts';
import { recoverTopic } from '../loader/recover.ts';
import { DirectoryStore } from '../loader/store/directory-store.ts';
import { readTopicState } from '../loader/table-state.ts';
import { makeHourly } from '../test/support/hourly-chain.ts';
import { MemoryFiles, MemoryStore } from '../test/support/memory-store.ts';
import { printLine } from './report.ts';

const [TOPIC, COMMITS, RUNS] = ['hourly', 10_000, 5];

/** Makes the table in memory and writes it out at once: made where it is measured, each hour would wait for 16 fsyncs. */
async function makeTable(root: string): Promise<{ seals: number }> {
  const files = new MemoryFiles();
  const limit = settingsSchema.parse({}).loader.sealAfterRecords;
  const made = await makeHourly(new MemoryStore(files), TOPIC, { commits: COMMITS, limit });
  for (const path of files.paths()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), files.read(path)!);
  }
  return made;
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
  const root = join(directory, 'warehouse');
  const { seals } = await makeTable(root);
  await using store = await DirectoryStore.open(root);
  const all = join(directory, 'records.json');
  const state = await readTopicState(store, TOPIC);
  const { commits, base } = state.chains.get(0)!;
  await writeFile(all, JSON.stringify([base, commits]));
  const recovery = await medianMs(() => recoverTopic(store, TOPIC));
  const floor = await medianMs(async () => JSON.parse(await readFile(all, 'utf8')));
  printLine('');
  printLine(`recovery of a chain of ${COMMITS} hourly commits, sealed ${seals} times: median of ${RUNS}`);
  printLine(
    `  ${(recovery / floor).toFixed(1)} x the floor: ${recovery.toFixed(0)} ms; ` +
      `reading and parsing the same records from one file takes ${floor.toFixed(0)} ms; ` +
      `${commits.length} records and a base of ${base.files?.length ?? 0} files are there`,
  );
}
