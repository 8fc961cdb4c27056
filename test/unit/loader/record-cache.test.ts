/**
 * Records kept on the local disk: they save reading a long chain from a distant store, and can neither hide what is wrong
 * with it nor bring anything into it.
 */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Commit } from '../../../loader/commit.ts';
import { newAttempt, publishCommit, readChain, rootChain } from '../../../loader/commit-chain.ts';
import { RecordCache } from '../../../loader/record-cache.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { readTopicState } from '../../../loader/table-state.ts';
import { TempDir } from '../../support/temp-dir.ts';

const [TOPIC, NOW, RECORDS] = ['t', '2026-03-01T00:00:00.000Z', 5];
const DIRECTORY = 't/_loader/commits/p=00000/g=000000';

let dir: TempDir;
let store: DirectoryStore;
let cache: RecordCache;
beforeEach(async () => {
  dir = new TempDir('record-cache');
  store = await DirectoryStore.open(dir.join('warehouse'));
  cache = new RecordCache(dir.join('local'), 'webhdfs://a:1/w');
  await build(store);
});
afterEach(() => dir[Symbol.dispose]());

/** A chain of records without files, ten offsets each. */
async function build(at: Store): Promise<void> {
  const base = { topicId: 'id', partition: 0, incarnation: 0, head: 0, policy: 'earliest' as const };
  await rootChain(at, { topic: TOPIC, ...base, createdAt: NOW, rewriteSeq: 0 });
  for (let i = 0; i < RECORDS; i++) await extend(at);
}

async function extend(at: Store): Promise<void> {
  const { head: start, headSha256: prevSha256 } = (await readChain(at, TOPIC, 0))!;
  const counts = { read: 10, data: 0, lateInHour: 0, lateDir: 0, quarantined: 0, filtered: 10, perHour: {} };
  const record: Commit = {
    ...{ v: 1, kind: 'data', topic: TOPIC, topicId: 'id', incarnation: 0, partition: 0 },
    ...{ start, next: start + 10, prevSha256, run: 'r', attempt: newAttempt() },
    ...{ planTakenAt: NOW, committedAt: NOW, leaderEpoch: 0, last: null, lateBefore: NOW, skewAfter: NOW },
    ...{ schema: { name: 'raw', sha256: '0'.repeat(64) }, files: [], counts },
  };
  expect(await publishCommit(at, 0, record)).toBe('won');
}

/** Reads the chain; which records were asked of the store. */
async function read(from = store): Promise<{ head: number; asked: number[] }> {
  const asked: number[] = [];
  const watched = new Proxy(from, {
    get(target, name) {
      if (name === 'read')
        return async (path: string) => {
          const start = /\/(\d{20})\.json$/.exec(path)?.[1];
          if (start) asked.push(Number(start));
          return await target.read(path);
        };
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const chain = await readChain(watched, TOPIC, 0, cache);
  expect(chain?.commits).toEqual((await readChain(from, TOPIC, 0))?.commits);
  return { head: chain!.head, asked: [...new Set(asked)].sort((a, b) => a - b) };
}

const kept = () => {
  const [path] = readdirSync(dir.join('local'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.records'),
  );
  return dir.join('local', path!);
};

test('a chain read before costs its last record and the look for the next', async () => {
  expect(await read()).toEqual({ head: 50, asked: [0, 10, 20, 30, 40, 50] });
  expect(await read()).toEqual({ head: 50, asked: [40, 50] });
  await extend(store);
  expect(await read()).toEqual({ head: 60, asked: [50, 60] });
  expect(await read()).toEqual({ head: 60, asked: [50, 60] });
});

test('a torn or altered cache is found out, and everything is read from the store', async () => {
  await read();
  const whole = readFileSync(kept());
  const all = [0, 10, 20, 30, 40, 50];
  writeFileSync(kept(), whole.subarray(0, whole.length / 2));
  expect((await read()).asked).toEqual(all);
  const altered = Buffer.from(whole);
  altered.write('9', altered.indexOf('"filtered": 10') + '"filtered": '.length);
  writeFileSync(kept(), altered);
  expect((await read()).asked).toEqual(all);
  appendFileSync(kept(), 'rubbish');
  expect((await read()).asked).toEqual([40, 50]);
});

test('records of another table under the same URL are not taken for its own', async () => {
  await read();
  const other = await DirectoryStore.open(dir.join('other'));
  await build(other);
  expect((await read(other)).asked).toEqual([0, 10, 20, 30, 40, 50]);
});

test('a record that went missing in the middle is noticed all the same', async () => {
  await read();
  await store.remove(join(DIRECTORY, `${'20'.padStart(20, '0')}.json`));
  await expect(readChain(store, TOPIC, 0, cache)).rejects.toThrow(/is not reached from the chain/);
});

test('a chain that this process has read is walked on: what another loader has added is seen, and a record that is none', async () => {
  const chain = (await readChain(store, TOPIC, 0))!;
  await extend(store);
  const before = new Map([[0, chain]]);
  const state = await readTopicState(store, TOPIC, before);
  expect(state.chains).toEqual((await readTopicState(store, TOPIC)).chains);
  expect(state.chains.get(0)?.head).toBe(60);
  expect(chain.head).toBe(50);
  await store.create(`${DIRECTORY}/${'60'.padStart(20, '0')}.json`, '{}');
  await expect(readTopicState(store, TOPIC, before)).rejects.toThrow(/nothing was changed/);
});
