import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Commit, encodeCommit } from '../../../loader/commit.ts';
import { type Chain, newAttempt, publishCommit, readChain, rootChain } from '../../../loader/commit-chain.ts';
import { generationDirectory, recordName } from '../../../loader/paths.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import { StoppingStore } from '../../support/stopping-store.ts';

let dir: string;
let store: DirectoryStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-chain-'));
  store = await DirectoryStore.open(dir);
});
afterEach(() => rm(dir, { recursive: true }));

const NOW = '2026-11-22T13:00:00.000Z';
const root = (head: number) =>
  rootChain(store, {
    topic: 't',
    topicId: 'id',
    partition: 3,
    incarnation: 0,
    head,
    policy: 'earliest',
    createdAt: NOW,
    rewriteSeq: 0,
  });

function commitAfter(chain: Chain, next: number, change: Partial<Commit> = {}): Commit {
  const n = next - chain.head;
  return {
    v: 1,
    kind: 'data',
    topic: 't',
    topicId: 'id',
    incarnation: 0,
    partition: 3,
    start: chain.head,
    next,
    prevSha256: chain.headSha256,
    run: 'r',
    attempt: newAttempt(),
    planTakenAt: NOW,
    committedAt: NOW,
    leaderEpoch: 0,
    last: null,
    lateBefore: NOW,
    skewAfter: NOW,
    schema: { name: 'raw', sha256: '0'.repeat(64) },
    files: [],
    counts: { read: n, data: 0, lateInHour: 0, lateDir: 0, quarantined: 0, filtered: n, perHour: {} },
    ...change,
  };
}

describe('the chain of commit records', () => {
  it('is rooted once, whoever comes second', async () => {
    const chains = await Promise.all([root(0), root(500), root(7)]);
    expect(new Set(chains.map(({ head }) => head)).size).toBe(1);
    expect((await readChain(store, 't', 3))?.base.attempt).toBe(chains[0]!.base.attempt);
  });

  it('grows link by link and is read back as it grew', async () => {
    let chain = await root(10);
    for (const next of [11, 50, 1000]) {
      expect(await publishCommit(store, 0, commitAfter(chain, next))).toBe('won');
      chain = (await readChain(store, 't', 3))!;
      expect(chain.head).toBe(next);
    }
    expect(chain.commits.map(({ start, next }) => [start, next])).toEqual([
      [10, 11],
      [11, 50],
      [50, 1000],
    ]);
  });

  it('gives each name to one attempt of many', async () => {
    const chain = await root(0);
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => publishCommit(store, 0, commitAfter(chain, 10 + i))),
    );
    expect(outcomes.filter((outcome) => outcome === 'won')).toHaveLength(1);
    expect((await readChain(store, 't', 3))!.head).toBe(10 + outcomes.indexOf('won'));
  });

  it('counts a publish that was answered with an error, but landed, as won', async () => {
    const chain = await root(0);
    const deaf = Object.create(store, {
      publish: {
        value: async (from: string, to: string) => {
          await store.publish(from, to);
          throw new Error('the answer was lost');
        },
      },
    }) as DirectoryStore;
    expect(await publishCommit(bound(deaf, store), 0, commitAfter(chain, 5))).toBe('won');
  });

  it('lets nobody publish into a generation that is gone', async () => {
    const chain = await root(0);
    await store.remove(generationDirectory('t', 3, 0));
    expect(await publishCommit(store, 0, commitAfter(chain, 5))).toBe('lost');
    expect(await store.stat(generationDirectory('t', 3, 0))).toBeUndefined();
  });

  it('refuses to be read when a link does not hold', async () => {
    const chain = await root(0);
    const directory = generationDirectory('t', 3, 0);
    const breaks: [string, Buffer][] = [
      [recordName(0), encodeCommit(commitAfter(chain, 5, { prevSha256: 'f'.repeat(64) }))],
      [recordName(0), encodeCommit(commitAfter({ ...chain, head: 1 }, 5))],
      [recordName(0), Buffer.from('{"v":1')],
      [recordName(5), encodeCommit(commitAfter({ ...chain, head: 5 }, 9))],
    ];
    for (const [name, body] of breaks) {
      await store.create(`${directory}/${name}`, body);
      await expect(readChain(store, 't', 3)).rejects.toThrow(/nothing was changed/);
      await store.remove(`${directory}/${name}`);
    }
    expect((await readChain(store, 't', 3))?.head).toBe(0);
  });

  it('never holds a record that does not add up', async () => {
    const chain = await root(0);
    const wrong = commitAfter(chain, 5);
    wrong.counts.filtered = 4;
    await expect(publishCommit(store, 0, wrong)).rejects.toThrow(/does not add up/);
  });
});

/** A store whose methods run on `real`, but for those that `changed` has of its own. */
function bound(changed: DirectoryStore, real: DirectoryStore): DirectoryStore {
  return new Proxy(real, {
    get(target, key) {
      const own = Object.getOwnPropertyDescriptor(changed, key)?.value as unknown;
      if (own !== undefined) return own;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('a publish whose answer is lost', () => {
  it('counts as won only after its name is durable', async () => {
    const chain = await root(0);
    const stopping = new StoppingStore(store, (name) => name.startsWith('publish '), 'loses the answer of');
    expect(await publishCommit(stopping, 0, commitAfter(chain, 5))).toBe('won');
    expect(stopping.done.at(-1)).toBe(`sync ${generationDirectory('t', 3, 0)}`);
  });
});
