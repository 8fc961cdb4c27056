/**
 * What a replay takes out of the table and what it reads again, as a function of chains and live files. A file wholly
 * inside the ranges goes; one partly inside goes too, and its rows outside the ranges are carried over; every other file
 * stays as it is. What is read again is cut where the commits were, because each judged its records by bounds of its own.
 */
import type { OffsetRange } from '../broker/topic-partition.ts';
import type { Cut } from '../loader/carry-over.ts';
import type { FilePart } from '../loader/commit.ts';
import type { Chain } from '../loader/commit-chain.ts';
import { boundsOf, type LiveFile, type OffsetBounds } from '../loader/fold.ts';
import type { Hour } from '../loader/hour.ts';
import { parseFinalName } from '../loader/paths.ts';
import { split } from '../loader/plan.ts';

/** Offsets of one partition that are read again. */
export interface ReplayRange extends OffsetRange {
  partition: number;
  incarnation: number;
}

/** A file that is partly inside, and what is cut out of it. */
export interface CutFile {
  file: LiveFile;
  cuts: Cut[];
}

/** The files a replay takes out. */
export interface Removal {
  whole: LiveFile[];
  partly: CutFile[];
}

/** What is read in one go: offsets that were judged by the same bounds. */
export interface ReplayPiece {
  partition: number;
  range: OffsetRange;
  bounds: OffsetBounds;
}

/**
 * The part of a range that was loaded from the log that the chain is read from now: between the first offset and the
 * head, past a gap at its start. Undefined if there is none.
 */
export function clipRange(chain: Chain, { from, until }: OffsetRange): ReplayRange | undefined {
  const first = boundsOf(chain)[0]?.start ?? chain.head;
  let start = Math.max(from, first);
  for (const { kind, start: lost, next } of chain.commits)
    if (kind === 'gap' && start >= lost && start < next) start = next;
  const end = Math.min(until, chain.head);
  const { partition, base } = chain;
  return start < end ? { partition, incarnation: base.incarnation, from: start, until: end } : undefined;
}

/** Which live files go, whole or in part. Throws if a file can't be cut. */
export function removalOf(live: Iterable<LiveFile>, ranges: readonly ReplayRange[]): Removal {
  const byPartition = new Map(ranges.map((range) => [range.partition, range]));
  const removal: Removal = { whole: [], partly: [] };
  for (const file of live) {
    const touched = file.parts.flatMap((part) => {
      const range = byPartition.get(part.partition);
      return range !== undefined && overlaps(part, range) ? [{ part, range }] : [];
    });
    if (touched.length === 0) continue;
    const isWhole = ({ part, range }: (typeof touched)[number]) =>
      part.minOffset >= range.from && part.maxOffset < range.until;
    if (touched.length === file.parts.length && touched.every(isWhole)) removal.whole.push(file);
    else removal.partly.push({ file, cuts: touched.map(({ range }) => cutOf(file, range)) });
  }
  return removal;
}

const overlaps = (part: FilePart, range: ReplayRange) =>
  part.incarnation === range.incarnation && part.minOffset < range.until && part.maxOffset >= range.from;

/** Rows of a file bear partition and offset, but not whether they are of the topic as it is or as it was before it was created anew. */
function cutOf(file: LiveFile, { partition, from, until }: ReplayRange): Cut {
  if (file.parts.filter((part) => part.partition === partition).length > 1)
    throw new Error(
      `${file.final} holds rows of partition ${partition} from before and after its topic was created anew: it can't be cut; replay all offsets that it holds`,
    );
  return { partition, from, until };
}

/** Rows of the ranges that whole files hold, by partition. */
export function rowsOfWhole(whole: readonly LiveFile[]): Map<number, number> {
  const rows = new Map<number, number>();
  for (const { parts } of whole)
    for (const part of parts) rows.set(part.partition, (rows.get(part.partition) ?? 0) + part.rows);
  return rows;
}

/** A range as pieces to read, cut where the commits that first read it were, and further if one is large. */
export function piecesOf(
  chain: Chain,
  { partition, from, until }: ReplayRange,
  { workers, taskOffsets }: { workers: number; taskOffsets: number },
): ReplayPiece[] {
  const bounds = boundsOf(chain);
  return bounds.flatMap((of, i) => {
    const range = {
      from: Math.max(from, of.start),
      until: Math.min(until, bounds[i + 1]?.start ?? chain.head),
    };
    if (range.from >= range.until) return [];
    return split(range, workers, taskOffsets).map((piece) => ({ partition, range: piece, bounds: of }));
  });
}

/** Hours whose files go. */
export function hoursOf({ whole, partly }: Removal): Hour[] {
  return [...new Set([...whole, ...partly.map(({ file }) => file)].map(({ hour }) => hour))].sort();
}

/** Owner and range in the name of a file that was cut: those of the old one while its first partition has rows left. */
export function nameOfRest(
  { final }: Pick<LiveFile, 'final'>,
  parts: readonly FilePart[],
): { partition: number; incarnation: number; from: number; next: number } {
  const old = parseFinalName(final)!;
  const owner = parts.reduce((lowest, part) => (part.partition < lowest.partition ? part : lowest));
  const { partition, incarnation } = owner;
  if (partition === old.partition && incarnation === old.incarnation)
    return { partition, incarnation, from: old.from, next: old.next };
  return { partition, incarnation, from: owner.minOffset, next: owner.maxOffset + 1 };
}
