/**
 * Which files count, as a function of records alone. The files of bases and commits, then every rewrite in order: it
 * takes out what it removes and puts in what it adds. Applying a rewrite again to files that already reflect it changes
 * nothing, because names are never reused; so chains whose bases were made at different rewrites fold together.
 */
import type { Commit, DataFile, FilePart } from './commit.ts';
import type { Chain } from './commit-chain.ts';
import { parseFinalName } from './paths.ts';
import type { Rewrite } from './rewrite.ts';

/** A live file, with what its name says. */
export interface LiveFile extends DataFile {
  /** The partition that owns it: the only one whose rows it holds, or the lowest of several. */
  partition: number;
  incarnation: number;
  /** Start of the range in its name: of a load's file, the offset its record is named by. */
  start: number;
  /** Number of the rewrite that made it; 0: a load. */
  rewrite: number;
  /** Whose rows it holds. */
  parts: FilePart[];
}

export function asLive(file: DataFile): LiveFile {
  const name = parseFinalName(file.final);
  if (name === undefined) throw new Error(`${file.final} is no name of a file of the table: a bug`);
  const { partition, incarnation, from, rewrite } = name;
  const { rows, minOffset, maxOffset } = file;
  const parts = file.parts ?? [{ partition, incarnation, rows, minOffset, maxOffset }];
  return { ...file, partition, incarnation, start: from, rewrite, parts };
}

/** A live file as records name it: the reverse of `asLive`. */
export function asDataFile(live: LiveFile): DataFile {
  const { partition: _p, incarnation: _i, start: _s, rewrite: _r, parts, ...file } = live;
  return parts.length > 1 ? { ...file, parts } : file;
}

/** The live files by final name: in the order of chains and records, rewritten ones after the others. */
export function foldFiles(chains: Iterable<Chain>, rewrites: readonly Rewrite[]): Map<string, LiveFile> {
  const live = new Map<string, LiveFile>();
  for (const { base, commits } of chains) {
    put(live, base.files ?? []);
    for (const { files } of commits) put(live, files);
  }
  foldRewrites(live, rewrites);
  return live;
}

/** Goes on with a fold: these rewrites follow all that were folded before. */
export function foldRewrites(live: Map<string, LiveFile>, rewrites: readonly Rewrite[]): void {
  for (const { removes, adds } of rewrites) {
    for (const { final } of removes) live.delete(final);
    put(live, adds);
  }
  // A rewrite that a sealed chain's base already reflects puts back what a later one removed: it is removed again by it.
}

function put(live: Map<string, LiveFile>, files: readonly DataFile[]): void {
  for (const file of files) live.set(file.final, asLive(file));
}

/** The live files that the base of a partition's next generation has to name. */
export function filesOwnedBy(chain: Chain, rewrites: readonly Rewrite[]): DataFile[] {
  const live = foldFiles([chain], rewrites).values();
  return [...live.filter(({ partition }) => partition === chain.partition).map(asDataFile)];
}

/** By which bounds an offset of a partition was judged when it was first read; milliseconds since 1970. */
export interface OffsetBounds {
  start: number;
  lateBeforeMs: number;
  skewAfterMs: number;
}

/** The bounds of every record of a chain, ascending: each holds from its start to that of the next. */
export function boundsOf({ base, commits }: Chain): OffsetBounds[] {
  const old = (base.bounds ?? []).map(([start, lateBeforeMs, skewAfterMs]) => ({
    start,
    lateBeforeMs,
    skewAfterMs,
  }));
  return [...old, ...commits.filter(({ kind }) => kind === 'data').map(boundsOfCommit)];
}

const boundsOfCommit = ({ start, lateBefore, skewAfter }: Commit): OffsetBounds => ({
  start,
  lateBeforeMs: Date.parse(lateBefore),
  skewAfterMs: Date.parse(skewAfter),
});
