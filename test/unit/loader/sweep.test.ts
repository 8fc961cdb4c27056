import { describe, expect, test } from 'vitest';
import type { Chain } from '../../../loader/commit-chain.ts';
import { attemptDirectory, stagingDirectory, type WantedName, wantedName } from '../../../loader/paths.ts';
import type { RewriteLog } from '../../../loader/rewrite-log.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import { sweepStaging } from '../../../loader/sweep.ts';
import { StoppingStore } from '../../support/stopping-store.ts';
import { TempDir } from '../../support/temp-dir.ts';

const TOPIC = 't';
const want = (start: number): WantedName => ({ kind: 'commit', partition: 0, generation: 0, start });

/** A chain with one record, of the attempt `winner`, from offset 0 to 10; of chain and log only what a sweep reads. */
const chains = new Map([
  [0, { generation: 0, head: 10, commits: [{ start: 0, attempt: 'winner' }] } as unknown as Chain],
]);
const STATE = { topic: TOPIC, chains, log: { generation: undefined, rewrites: [] } as unknown as RewriteLog };

describe('a sweep', () => {
  test('leaves the directory of a free name, where another loader may begin an attempt that moment', async () => {
    using dir = new TempDir();
    const [free, taken] = [10, 0].map((start) => `${stagingDirectory(TOPIC)}/${wantedName(want(start))}`);
    const begun = `${attemptDirectory(TOPIC, want(10), 'other')}/000-000.staged`;
    const directory = await DirectoryStore.open(dir.path);
    const isRemoval = (name: string) => name === `remove ${free}`;
    await using store = new StoppingStore(directory, isRemoval, () => directory.create(begun, 'rows'));
    for (const path of [free!, taken!]) await store.makeDirectory(path);
    await sweepStaging(store, STATE);
    expect(store.met).toBeUndefined();
    expect((await store.list(stagingDirectory(TOPIC))).map(({ name }) => name)).toEqual([
      wantedName(want(10)),
    ]);
  });

  test('removes outbid attempts, and keeps the winner’s and those whose name is free', async () => {
    using dir = new TempDir();
    await using store = await DirectoryStore.open(dir.path);
    const attempts: [start: number, attempt: string][] = [
      [0, 'winner'],
      [0, 'loser'],
      [10, 'next'],
    ];
    for (const [start, attempt] of attempts)
      await store.create(`${attemptDirectory(TOPIC, want(start), attempt)}/000-000.staged`, 'rows');
    expect(await sweepStaging(store, STATE)).toBe(1);
    const left = await Promise.all(
      attempts.map(([start, attempt]) => store.stat(attemptDirectory(TOPIC, want(start), attempt))),
    );
    expect(left.map((entry) => entry?.name)).toEqual(['winner', undefined, 'next']);
  });
});
