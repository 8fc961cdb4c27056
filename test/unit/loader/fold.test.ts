import { describe, expect, test } from 'vitest';
import type { DataFile } from '../../../loader/commit.ts';
import type { Chain } from '../../../loader/commit-chain.ts';
import { filesOwnedBy, foldFiles } from '../../../loader/fold.ts';
import { finalName } from '../../../loader/paths.ts';
import type { Rewrite } from '../../../loader/rewrite.ts';

const HOUR = '2026-11-22T13';

function file(partition: number, from: number, next: number, rewrite = 0, part = 0): DataFile {
  const final = finalName('data', HOUR, { partition, incarnation: 0, from, next, rewrite, part });
  const [minOffset, maxOffset] = [from, next - 1];
  const facts = { rows: next - from, bytes: 100, minOffset, maxOffset, minTime: 0, maxTime: 0 };
  return { role: 'data', staged: 's', final, hour: HOUR, ...facts, digest: '0'.repeat(16) };
}

const chain = (partition: number, rewriteSeq: number, files: DataFile[], commits: DataFile[][]): Chain =>
  ({
    partition,
    base: { rewriteSeq, files },
    commits: commits.map((of) => ({ files: of })),
  }) as unknown as Chain; // all that the fold reads of one

const rewrite = (seq: number, removes: DataFile[], adds: DataFile[]) =>
  ({ seq, removes, adds }) as unknown as Rewrite; // all that the fold reads of one

describe('the fold', () => {
  const [a, b] = [file(0, 0, 10), file(1, 0, 10)];
  const merged = file(0, 0, 10, 1);
  const replayed = file(0, 0, 10, 2);
  const log = [rewrite(1, [a, b], [merged]), rewrite(2, [merged], [replayed])];

  test('takes out what a rewrite removes and puts in what it adds', () => {
    const chains = [chain(0, 0, [], [[a]]), chain(1, 0, [], [[b]])];
    expect([...foldFiles(chains, []).keys()]).toEqual([a.final, b.final]);
    expect([...foldFiles(chains, log.slice(0, 1)).keys()]).toEqual([merged.final]);
    expect([...foldFiles(chains, log).keys()]).toEqual([replayed.final]);
  });

  test('gives the same files whichever chains were sealed between the rewrites', () => {
    for (const sealedAt of [1, 2]) {
      const unsealed = [chain(0, 0, [], [[a]]), chain(1, 0, [], [[b]])];
      const seen = log.slice(0, sealedAt);
      const sealed = unsealed.map((one) => chain(one.partition, sealedAt, filesOwnedBy(one, seen), []));
      for (const chains of [
        [sealed[0]!, unsealed[1]!],
        [unsealed[0]!, sealed[1]!],
        [sealed[0]!, sealed[1]!],
      ])
        expect([...foldFiles(chains, log).keys()], `sealed at ${sealedAt}`).toEqual([replayed.final]);
      // Once all were sealed after it, a rewrite is needed no more.
      expect([...foldFiles(sealed, log.slice(sealedAt)).keys()]).toEqual([replayed.final]);
    }
  });
});
