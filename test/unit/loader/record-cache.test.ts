/**
 * Records kept on the local disk: they save reading a long chain, or a long log of rewrites, from a distant store, and can
 * neither hide what is wrong with it nor bring anything into it.
 */
import { appendFileSync, cpSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Commit } from '../../../loader/commit.ts';
import { newAttempt, publishCommit, readChain, rootChain } from '../../../loader/commit-chain.ts';
import { emptyRecord, sealChain, sealRewriteLog } from '../../../loader/generation.ts';
import { recordName, rewriteName } from '../../../loader/paths.ts';
import { RecordCache } from '../../../loader/record-cache.ts';
import { publishRewrite, readRewriteLog, rootRewriteLog } from '../../../loader/rewrite-log.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import type { Store } from '../../../loader/store/store.ts';
import { readTopicState } from '../../../loader/table-state.ts';
import { withOverrides } from '../../support/memory-store.ts';
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
  const { generation, head: start, headSha256: prevSha256 } = (await readChain(at, TOPIC, 0))!;
  const counts = { read: 10, data: 0, lateInHour: 0, lateDir: 0, quarantined: 0, filtered: 10, perHour: {} };
  const record: Commit = {
    ...{ v: 1, kind: 'data', topic: TOPIC, topicId: 'id', incarnation: 0, partition: 0 },
    ...{ start, next: start + 10, prevSha256, run: 'r', attempt: newAttempt() },
    ...{ planTakenAt: NOW, committedAt: NOW, leaderEpoch: 0, last: null, lateBefore: NOW, skewAfter: NOW },
    ...{ schema: { name: 'raw', sha256: '0'.repeat(64) }, files: [], counts },
  };
  expect(await publishCommit(at, generation, record)).toBe('won');
}

/** A store, and the numbers of the records that were asked of it. */
function watch(from: Store): { watched: Store; asked: () => number[] } {
  const asked = new Set<number>();
  const watched = withOverrides(from, {
    read: async (path) => {
      const number = /\/(\d+)\.json$/.exec(path)?.[1];
      if (number) asked.add(Number(number));
      return await from.read(path);
    },
  });
  return { watched, asked: () => [...asked].sort((a, b) => a - b) };
}

/** Reads the chain; which records were asked of the store. */
async function read(from = store): Promise<{ head: number; asked: number[] }> {
  const { watched, asked } = watch(from);
  const chain = await readChain(watched, TOPIC, 0, cache);
  expect(chain?.commits).toEqual((await readChain(from, TOPIC, 0))?.commits);
  return { head: chain!.head, asked: asked() };
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

describe('a directory that has not changed for a while', () => {
  /** Has the directory bear a time that lies back; each has its own. */
  const settle = (minutesAgo: number) => {
    const time = new Date(Date.now() - minutesAgo * 60_000);
    utimesSync(dir.join('warehouse', DIRECTORY), time, time);
  };

  test('is not read again', async () => {
    settle(60);
    expect(await read()).toEqual({ head: 50, asked: [0, 10, 20, 30, 40, 50] });
    expect(await read()).toEqual({ head: 50, asked: [] });
    await extend(store);
    expect(await read()).toEqual({ head: 60, asked: [50, 60] });
    expect(await read()).toEqual({ head: 60, asked: [50, 60] });
    settle(30);
    expect(await read()).toEqual({ head: 60, asked: [50, 60] });
    expect(await read()).toEqual({ head: 60, asked: [] });
  });

  test('is read if its time lay too little back when it was read last', async () => {
    settle(9);
    await read();
    expect((await read()).asked).toEqual([40, 50]);
  });

  test('is read if what is kept of it is torn', async () => {
    settle(60);
    await read();
    writeFileSync(kept(), readFileSync(kept()).subarray(0, -1));
    expect((await read()).asked).toEqual([0, 10, 20, 30, 40, 50]);
    expect((await read()).asked).toEqual([]);
  });

  test('is passed over for a later generation', async () => {
    settle(60);
    await read();
    const chain = (await readChain(store, TOPIC, 0))!;
    expect((await sealChain(store, chain, { run: 'r', nowMs: 0 }))?.generation).toBe(1);
    expect((await read()).head).toBe(50);
    await extend(store);
    expect((await read()).head).toBe(60);
  });
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
  expect((await read()).asked).toEqual(all);
});

test('records of another table under the same URL are not taken for its own', async () => {
  await read();
  const other = await DirectoryStore.open(dir.join('other'));
  await build(other);
  expect((await read(other)).asked).toEqual([0, 10, 20, 30, 40, 50]);
});

test('a seal kept of another table does not end the chain', async () => {
  const other = await DirectoryStore.open(dir.join('other'));
  await store.remove(`${DIRECTORY}/${recordName(40)}`);
  cpSync(dir.join('warehouse', TOPIC), dir.join('other', TOPIC), { recursive: true });
  await extend(store);
  await extend(store);
  const chain = (await readChain(other, TOPIC, 0))!;
  const opens = { topicId: 'id', incarnation: 0, head: 40 };
  const seal = { ...emptyRecord(chain, { run: 'r', nowMs: 0 }), kind: 'seal' as const, next: 40, opens };
  expect(await publishCommit(other, 0, seal)).toBe('won');
  await readChain(other, TOPIC, 0, cache);
  expect(await read()).toEqual({ head: 60, asked: [0, 10, 20, 30, 40, 50, 60] });
});

test('a record that went missing in the middle is noticed all the same', async () => {
  await read();
  await store.remove(join(DIRECTORY, `${'20'.padStart(20, '0')}.json`));
  await expect(readChain(store, TOPIC, 0, cache)).rejects.toThrow(/is not reached from the chain/);
});

test('a chain that this process has read is walked on: what another loader has added is seen, and a record that is none', async () => {
  const chain = (await readChain(store, TOPIC, 0))!;
  await extend(store);
  const before = { chains: new Map([[0, chain]]) };
  const state = await readTopicState(store, TOPIC, before);
  expect(state.chains).toEqual((await readTopicState(store, TOPIC)).chains);
  expect(state.chains.get(0)?.head).toBe(60);
  expect(chain.head).toBe(50);
  await store.create(`${DIRECTORY}/${'60'.padStart(20, '0')}.json`, '{}');
  await expect(readTopicState(store, TOPIC, before)).rejects.toThrow(/nothing was changed/);
});

describe('the log of rewrites', () => {
  const LOG = `${TOPIC}/_loader/rewrites/g=000000`;

  async function rewrite(): Promise<void> {
    const { headSha256: prevSha256, seq, generation } = await readRewriteLog(store, TOPIC);
    const record = {
      v: 1 as const,
      kind: 'fence' as const,
      topic: TOPIC,
      seq: seq + 1,
      prevSha256,
      run: 'r',
    };
    const rest = { attempt: newAttempt(), createdAt: NOW, removes: [], adds: [] };
    expect(await publishRewrite(store, generation!, { ...record, ...rest })).toBe('won');
  }

  /** Reads the log; which records were asked of the store. */
  async function readLog(): Promise<number[]> {
    const { watched, asked } = watch(store);
    expect(await readRewriteLog(watched, TOPIC, cache)).toEqual(await readRewriteLog(store, TOPIC));
    return asked();
  }

  beforeEach(async () => {
    await rootRewriteLog(store, { topic: TOPIC, seq: 0, createdAt: NOW }, 0);
    for (let i = 0; i < RECORDS; i++) await rewrite();
  });

  test('read before costs its last record and the look for the next', async () => {
    expect(await readLog()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await readLog()).toEqual([5, 6]);
    await rewrite();
    expect(await readLog()).toEqual([6, 7]);
    await sealRewriteLog(store, await readRewriteLog(store, TOPIC), { run: 'r', nowMs: 0 });
    await rewrite();
    expect(await readLog()).toEqual([7, 8, 9]);
  });

  test('is read from the store where the cache is torn or altered', async () => {
    await readLog();
    const whole = readFileSync(kept());
    writeFileSync(kept(), whole.subarray(0, whole.length / 2));
    expect(await readLog()).toEqual([1, 2, 3, 4, 5, 6]);
    const altered = Buffer.from(whole);
    altered.write('x', altered.indexOf('"run": "r"') + '"run": "'.length);
    writeFileSync(kept(), altered);
    expect(await readLog()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('that lost a record is broken all the same', async () => {
    await readLog();
    await store.remove(`${LOG}/${rewriteName(3)}`);
    await expect(readRewriteLog(store, TOPIC, cache)).rejects.toThrow(/is there but .* is not/);
  });
});
