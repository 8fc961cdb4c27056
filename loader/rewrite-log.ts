/**
 * The log of rewrites of one topic: reading it, rooting it, and adding to it. Numbers are dense: the next rewrite bears
 * the last number plus one, and two that want it at once are decided by the rename, as in a chain of commits.
 */
import { BrokenRecord, sha256Of } from './commit.ts';
import {
  hasSameGenerations,
  isHistory,
  isStillNewest,
  listGenerations,
  newAttempt,
  unlessBroken,
} from './commit-chain.ts';
import {
  attemptDirectory,
  BASE_NAME,
  parseRewriteName,
  rewriteGenerationDirectory,
  rewriteName,
  rewritesDirectory,
  type WantedName,
} from './paths.ts';
import { type Published, publishRecord } from './publish.ts';
import { ReadAhead } from './read-ahead.ts';
import { type Kept, type RecordCache, walkThrough } from './record-cache.ts';
import {
  decodeRewrite,
  decodeRewriteBase,
  encodeRewrite,
  encodeRewriteBase,
  type Rewrite,
  type RewriteBase,
} from './rewrite.ts';
import type { Store } from './store/store.ts';

/** Looks at a log that is not whole, after the first. */
const LOOKS = 2;

export interface RewriteLog {
  topic: string;
  /** The current generation, or undefined while the topic has no rewrites. */
  generation: number | undefined;
  /** The rewrites that are still there, oldest first, of all generations that are still there. */
  rewrites: Rewrite[];
  /** The seal that ends the generation, while the next one has no base yet. */
  seal: Rewrite | undefined;
  /** Earlier generations that are still there. */
  older: number;
  /** Number of the last rewrite; 0 before the first. */
  seq: number;
  headSha256: string;
  /** Nothing up to this rewrite can be taken back: its records are sealed away. */
  sealedUntil: number;
  /** Rewrites whose trash was deleted: they can't be taken back either. */
  trashGone: Set<number>;
  /** Hours before this one were deleted by expiries. */
  expiredBefore: string | undefined;
}

/** Reads the log. Throws BrokenRecord if a number is missing. To be read after the chains: a rewrite names their files. */
export async function readRewriteLog(store: Store, topic: string, cache?: RecordCache): Promise<RewriteLog> {
  for (let look = 0; ; look++) {
    const found = await readGenerations(store, topic, cache);
    if (found.problem === undefined) return found.log;
    if (look === LOOKS) throw new BrokenRecord(found.problem);
  }
}

/** A log as one look found it. */
interface Look {
  log: RewriteLog;
  problem?: string;
}

async function readGenerations(store: Store, topic: string, cache: RecordCache | undefined): Promise<Look> {
  const directory = rewritesDirectory(topic);
  const generations = await listGenerations(store, directory);
  let log: RewriteLog = {
    topic,
    generation: undefined,
    rewrites: [],
    seal: undefined,
    older: Math.max(0, generations.length - 1),
    seq: 0,
    headSha256: '',
    sealedUntil: 0,
    trashGone: new Set(),
    expiredBefore: undefined,
  };
  for (const generation of generations) {
    const path = `${rewriteGenerationDirectory(topic, generation)}/${BASE_NAME}`;
    const body = await store.read(path);
    if (body === undefined) continue; // it has none yet, or no longer
    const base = decodeRewriteBase(path, body);
    const below = log;
    const look = await walkThrough(cache, { topic, name: `rewrites-${generation}` }, (kept, keep) =>
      walk(store, begun(below, generation, base, body), kept, keep),
    );
    log = look.log;
    if (look.problem !== undefined) return look;
  }
  // One that was removed meanwhile looks like one without a base, and the log as if it were shorter than it is.
  const isCurrent = log.generation === generations.at(-1);
  if (!isCurrent && !(await hasSameGenerations(store, directory, generations)))
    return {
      log,
      problem: `${directory}: its generations were removed while they were read; run this again`,
    };
  return { log };
}

/** Walks the records of the log's generation from its base on. */
async function walk(
  store: Store,
  log: RewriteLog,
  { bodies: kept }: Kept,
  keep: (seq: number, body: Buffer) => void,
): Promise<Look> {
  const directory = directoryOf(log);
  const pathOf = (seq: number) => `${directory}/${rewriteName(seq)}`;
  const listed = (await store.list(directory)).flatMap(({ name }) => parseRewriteName(name) ?? []);
  const bodies = new ReadAhead(store, pathOf, listed, kept);
  while (log.seal === undefined) {
    const seq = log.seq + 1;
    const body = await bodies.at(seq);
    if (body === undefined) break;
    add(log, pathOf(seq), body);
    keep(seq, body);
  }
  const stray = listed.find((seq) => seq > log.seq);
  if (stray !== undefined)
    return {
      log,
      problem: `${directory}: ${rewriteName(stray)} is there but ${rewriteName(log.seq + 1)} is not; restore the missing record, nothing was changed`,
    };
  const isThere = listed.length > 0 || (await store.stat(`${directory}/${BASE_NAME}`)) !== undefined;
  return isThere ? { log } : { log, problem: `${directory} was removed while it was read; run this again` };
}

/**
 * The log as it is now: the very same object if nothing was added. Only what was added is read; all of it, if its
 * generation is the newest no more or anything does not link. To be called after the chains were read, as `readRewriteLog`.
 */
export async function continueRewriteLog(store: Store, log: RewriteLog): Promise<RewriteLog> {
  const { topic, generation, older } = log;
  if (generation === undefined) return await readRewriteLog(store, topic);
  const longer = await readOn(store, log).catch(unlessBroken);
  if (longer !== undefined && (await isStillNewest(store, rewritesDirectory(topic), { generation, older })))
    return longer;
  return await readRewriteLog(store, topic);
}

async function readOn(store: Store, log: RewriteLog): Promise<RewriteLog> {
  let longer = log;
  while (longer.seal === undefined) {
    const path = `${directoryOf(log)}/${rewriteName(longer.seq + 1)}`;
    const body = await store.read(path);
    if (body === undefined) break;
    if (longer === log) longer = copyOf(log);
    add(longer, path, body);
  }
  return longer;
}

const directoryOf = ({ topic, generation }: RewriteLog) => rewriteGenerationDirectory(topic, generation!);

const copyOf = (log: RewriteLog): RewriteLog => ({
  ...log,
  rewrites: [...log.rewrites],
  trashGone: new Set(log.trashGone),
});

/** The log at the beginning of a generation. What the ones below hold stays: a chain sealed later may still need it. */
function begun(below: RewriteLog, generation: number, base: RewriteBase, body: Buffer): RewriteLog {
  const log = copyOf(below);
  // A lower generation that a sleeper made anew is no part of the log: what counts is what the newest one follows.
  if (log.seq !== base.seq) log.rewrites = [];
  log.generation = generation;
  log.seq = base.seq;
  log.seal = undefined;
  log.headSha256 = sha256Of(body);
  log.sealedUntil = base.seq;
  log.expiredBefore = base.expiredBefore;
  return log;
}

function add(log: RewriteLog, path: string, body: Buffer): void {
  const rewrite = decodeRewrite(path, body);
  const problem =
    rewrite.topic !== log.topic
      ? `belongs to ${rewrite.topic}`
      : rewrite.seq !== log.seq + 1
        ? `says it is number ${rewrite.seq}`
        : rewrite.prevSha256 !== log.headSha256
          ? 'does not continue the record before it (its prevSha256 differs)'
          : undefined;
  if (problem) throw new BrokenRecord(`${path} ${problem}; the log is broken there, nothing was changed`);
  log.rewrites.push(rewrite);
  log.seq = rewrite.seq;
  log.headSha256 = sha256Of(body);
  if (rewrite.kind === 'seal') log.seal = rewrite;
  for (const seq of rewrite.trash ?? []) log.trashGone.add(seq);
  if (rewrite.expiredBefore !== undefined) log.expiredBefore = rewrite.expiredBefore;
}

/** Roots a generation of the log, unless another process has done so first; returns the log as it is then. */
export async function rootRewriteLog(
  store: Store,
  base: Omit<RewriteBase, 'v' | 'attempt'>,
  generation: number,
): Promise<RewriteLog> {
  const attempt = newAttempt();
  const want: WantedName = { kind: 'rewrite-base', generation };
  await store.makeDirectory(rewriteGenerationDirectory(base.topic, generation));
  await publishRecord(store, base.topic, want, {
    attempt,
    body: encodeRewriteBase({ v: 1, ...base, attempt }),
  });
  await store.remove(attemptDirectory(base.topic, want, attempt));
  return await readRewriteLog(store, base.topic);
}

/** Publishes a rewrite under the number it bears. Throws if the outcome can't be learnt. */
export async function publishRewrite(store: Store, generation: number, record: Rewrite): Promise<Published> {
  const { topic, seq, attempt } = record;
  const want: WantedName = { kind: 'rewrite', generation, seq };
  const published = await publishRecord(store, topic, want, { attempt, body: encodeRewrite(record) });
  if (published === 'lost') return 'lost';
  return (await isHistory(store, rewritesDirectory(topic), generation)) ? 'lost' : 'won';
}
