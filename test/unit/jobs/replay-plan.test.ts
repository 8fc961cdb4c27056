/**
 * The plan of a replay over made-up files: whatever the range and however the files lie, the rows outside it are carried
 * over, each once, and those inside are read again, each once, by the bounds of the commit that first read them.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  clipRange,
  nameOfRest,
  piecesOf,
  type ReplayRange,
  removalOf,
  rowsOfWhole,
} from '../../../jobs/replay-plan.ts';
import type { DataFile, FilePart } from '../../../loader/commit.ts';
import type { Chain } from '../../../loader/commit-chain.ts';
import { asLive, type LiveFile } from '../../../loader/fold.ts';
import { finalName } from '../../../loader/paths.ts';

interface Row {
  partition: number;
  incarnation: number;
  offset: number;
}

/** A live file of these rows. */
function fileOf(rows: readonly Row[], part: number): LiveFile {
  const parts = [
    ...Map.groupBy(rows, ({ partition, incarnation }) => `${partition} ${incarnation}`).values(),
  ].map((own): FilePart => {
    const offsets = own.map(({ offset }) => offset);
    const { partition, incarnation } = own[0]!;
    return {
      partition,
      incarnation,
      rows: own.length,
      minOffset: Math.min(...offsets),
      maxOffset: Math.max(...offsets),
    };
  });
  const [{ partition, incarnation }] = parts as [FilePart];
  const [minOffset, maxOffset] = [
    Math.min(...parts.map((p) => p.minOffset)),
    Math.max(...parts.map((p) => p.maxOffset)),
  ];
  const name = { partition, incarnation, from: minOffset, next: maxOffset + 1, rewrite: 0, part };
  const file: DataFile = {
    role: 'data',
    staged: 's',
    final: finalName('data', '2026-11-22T13', name),
    hour: '2026-11-22T13',
    rows: rows.length,
    bytes: 1,
    minOffset,
    maxOffset,
    minTime: 0,
    maxTime: 0,
    digest: '0'.repeat(16),
    ...(parts.length > 1 && { parts }),
  };
  return asLive(file);
}

const LAST = 30;

/** Rows of up to three partitions in files: each offset in at most one of them. */
const table = fc
  .record({
    places: fc.array(fc.array(fc.integer({ min: -1, max: 5 }), { minLength: LAST, maxLength: LAST }), {
      minLength: 1,
      maxLength: 3,
    }),
    incarnations: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 3, maxLength: 3 }),
  })
  .map(({ places, incarnations }) => {
    const files = new Map<number, Row[]>();
    for (const [partition, of] of places.entries())
      for (const [offset, place] of of.entries())
        if (place >= 0)
          files.set(place, [
            ...(files.get(place) ?? []),
            { partition, incarnation: incarnations[partition]!, offset },
          ]);
    return [...files.values()].map((rows, part) => ({ rows, file: fileOf(rows, part) }));
  });

const ranges = fc
  .uniqueArray(
    fc.record({
      partition: fc.integer({ min: 0, max: 2 }),
      incarnation: fc.integer({ min: 0, max: 1 }),
      from: fc.integer({ min: 0, max: LAST - 1 }),
      length: fc.integer({ min: 1, max: LAST }),
    }),
    { selector: ({ partition }) => partition, minLength: 1, maxLength: 3 },
  )
  .map((all) => all.map(({ length, ...range }): ReplayRange => ({ ...range, until: range.from + length })));

const key = ({ partition, incarnation, offset }: Row) => `${partition}.${incarnation}.${offset}`;

describe('what a replay takes out', () => {
  test('is every row inside, and of the rows outside none that is not carried over', () => {
    fc.assert(
      fc.property(table, ranges, (files, chosen) => {
        const isInside = ({ partition, incarnation, offset }: Row) =>
          chosen.some(
            (r) =>
              r.partition === partition &&
              r.incarnation === incarnation &&
              offset >= r.from &&
              offset < r.until,
          );
        const { whole, partly } = removalOf(
          files.map(({ file }) => file),
          chosen,
        );
        const left = files.flatMap(({ rows, file }) => {
          if (whole.includes(file)) return [];
          const cuts = partly.find((cut) => cut.file === file)?.cuts ?? [];
          const isCut = ({ partition, offset }: Row) =>
            cuts.some((c) => c.partition === partition && offset >= c.from && offset < c.until);
          return rows.filter((row) => !isCut(row)).map(key);
        });
        const outside = files.flatMap(({ rows }) => rows.filter((row) => !isInside(row)).map(key));
        expect(left.sort()).toEqual(outside.sort());
        // A file without a row in reach is not touched at all.
        for (const { rows, file } of files)
          if (!rows.some(isInside) && whole.includes(file)) throw new Error('a file outside goes');
        const rowsInWhole = files.filter(({ file }) => whole.includes(file)).flatMap(({ rows }) => rows);
        expect([...rowsOfWhole(whole).values()].reduce((a, b) => a + b, 0)).toBe(rowsInWhole.length);
      }),
    );
  });

  test('can not be told of a file with rows from before and after its topic was created anew', () => {
    const rows = [0, 1].map((incarnation) => ({ partition: 0, incarnation, offset: 5 + incarnation }));
    const range = { partition: 0, incarnation: 1, from: 0, until: 10 };
    expect(() => removalOf([fileOf(rows, 0)], [range])).toThrow(
      'from before and after its topic was created anew',
    );
  });

  test('leaves a file that keeps rows of its first partition the range in its name, else gives it the next one', () => {
    const rows = [0, 0, 1].map((partition, offset) => ({ partition, incarnation: 0, offset }));
    const file = fileOf(rows, 0);
    const [first, second] = file.parts as [FilePart, FilePart];
    expect(nameOfRest(file, [second, first])).toEqual({ partition: 0, incarnation: 0, from: 0, next: 3 });
    expect(nameOfRest(file, [second])).toEqual({ partition: 1, incarnation: 0, from: 2, next: 3 });
  });
});

/** A chain from `first` on, of commits and gaps `[kind, next]`; the n-th record's bounds are n. */
function chainOf(first: number, records: ['data' | 'gap', number][]): Chain {
  const starts = [first, ...records.map(([, next]) => next)];
  const commits = records.map(([kind, next], n) => ({
    kind,
    start: starts[n],
    next,
    lateBefore: new Date(n).toISOString(),
    skewAfter: new Date(n).toISOString(),
  }));
  return {
    partition: 0,
    base: { incarnation: 0, head: first },
    commits,
    head: starts.at(-1),
  } as unknown as Chain; // all that the plan reads of one
}

describe('what a replay reads', () => {
  const chain = chainOf(10, [
    ['data', 20],
    ['gap', 30],
    ['data', 40],
    ['data', 45],
  ]);

  test('lies between the first offset loaded and the head, and does not begin in a gap', () => {
    const clipped = (from: number, until: number) => {
      const range = clipRange(chain, { from, until });
      return range && [range.from, range.until];
    };
    expect(clipped(0, 1_000)).toEqual([10, 45]);
    expect(clipped(15, 35)).toEqual([15, 35]);
    expect(clipped(20, 35)).toEqual([30, 35]);
    expect(clipped(25, 30)).toBeUndefined();
    expect(clipped(45, 60)).toBeUndefined();
    expect(clipRange(chainOf(7, []), { from: 0, until: 99 })).toBeUndefined();
  });

  test('is cut where commits were, each piece with the bounds of its own', () => {
    const range = { partition: 0, incarnation: 0, from: 12, until: 43 };
    expect(
      piecesOf(chain, range, { workers: 4, taskOffsets: 250_000 }).map(
        ({ range: { from, until }, bounds }) => [from, until, bounds.lateBeforeMs],
      ),
    ).toEqual([
      [12, 30, 0],
      [30, 40, 2],
      [40, 43, 3],
    ]);
  });
});
