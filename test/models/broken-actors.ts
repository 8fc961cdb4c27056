/**
 * Actors that break one rule of the protocol each: by what they do, by the order in which they do it, or by what they see.
 */
import { basename, dirname } from 'node:path/posix';
import { applyRewrite } from '../../loader/apply-rewrite.ts';
import { encodeBase } from '../../loader/commit.ts';
import { type Chain, newAttempt, publishCommit, readChain } from '../../loader/commit-chain.ts';
import { filesOwnedBy } from '../../loader/fold.ts';
import { emptyRecord, openGeneration } from '../../loader/generation.ts';
import {
  attemptDirectory,
  BASE_NAME,
  generationDirectory,
  generationName,
  parseGenerationName,
  parseRecordName,
  partitionDirectory,
  stagingDirectory,
  trashRoot,
} from '../../loader/paths.ts';
import { recoverTopic } from '../../loader/recover.ts';
import { publishRewrite, readRewriteLog } from '../../loader/rewrite-log.ts';
import type { Store } from '../../loader/store/store.ts';
import { readTopicState } from '../../loader/table-state.ts';
import { withOverrides } from '../support/memory-store.ts';
import type { Context, Program } from './execution.ts';
import { append, appender } from './loaders.ts';
import type { Planner } from './rewriters.ts';
import { before, rooted } from './small-models.ts';
import { TOPIC, type World } from './world.ts';

const CHAIN = partitionDirectory(TOPIC, 0);

/** Reads chains and rolls nothing forward. */
export const readsOnly = async ({ store }: Context, partitions: readonly number[]): Promise<Chain[]> =>
  await Promise.all(partitions.map(async (partition) => (await readChain(store, TOPIC, partition))!));

/** Removes every attempt that no record names, as if nothing could be on its way any more. */
export async function sweepUnnamed(store: Store): Promise<void> {
  const { chains } = await readTopicState(store, TOPIC);
  const named = new Set([...chains.values()].flatMap(({ commits }) => commits.map(({ attempt }) => attempt)));
  for (const { name } of await store.list(stagingDirectory(TOPIC)))
    for (const { name: attempt } of await store.list(`${stagingDirectory(TOPIC)}/${name}`))
      if (name.startsWith('c-') && !named.has(attempt))
        await store.remove(`${stagingDirectory(TOPIC)}/${name}/${attempt}`);
}

/** Takes a time-out for a refusal: the attempt's staging goes. */
export const trustsTimeOuts = (store: Store) =>
  withOverrides(store, {
    publish: async (from, to) => {
      try {
        return await store.publish(from, to);
      } catch (error) {
        await store.remove(dirname(from));
        throw error;
      }
    },
  });

/** Doesn't see, after it has won a name, that a later generation has a base. */
export const neverLooksBack = (store: Store) => {
  let hasPublished = false;
  return withOverrides(store, {
    publish: (from, to) => {
      hasPublished = to.startsWith(CHAIN);
      return store.publish(from, to);
    },
    list: async (path) => {
      const found = await store.list(path);
      return hasPublished && path === CHAIN ? [] : found;
    },
    move: (from, to) => {
      hasPublished = false;
      return store.move(from, to);
    },
  });
};

export const makesParents = (store: Store) =>
  withOverrides(store, {
    publish: async (from, to) => {
      await store.makeDirectory(dirname(to));
      return await store.publish(from, to);
    },
  });

/** Forgets records one by one: moves the base up to the head in place, then deletes what lies below. */
export const freesNames: Program = async ({ store }) => {
  const { chains, log } = await readTopicState(store, TOPIC);
  const chain = chains.get(0)!;
  const files = filesOwnedBy(chain, log.rewrites);
  const directory = generationDirectory(TOPIC, 0, chain.generation);
  const base = { ...chain.base, head: chain.head, files, rewriteSeq: log.seq, attempt: newAttempt() };
  await store.create(`${TOPIC}/_loader/staging/base`, encodeBase(base));
  await store.overwrite(`${TOPIC}/_loader/staging/base`, `${directory}/${BASE_NAME}`);
  for (const { name } of await store.list(directory))
    if (parseRecordName(name) !== undefined) await store.remove(`${directory}/${name}`);
};

/** Removes the old generation after the seal, before the new one has a base. */
export const removesBeforeBase: Program = async ({ store, name, now }) => {
  const chain = (await readChain(store, TOPIC, 0))!;
  const { topicId, incarnation } = chain.base;
  const opens = { topicId, incarnation, head: chain.head };
  const sealer = { run: name, nowMs: now() };
  const seal = { ...emptyRecord(chain, sealer), kind: 'seal' as const, next: chain.head, opens };
  if ((await publishCommit(store, chain.generation, seal)) === 'lost') return;
  await store.remove(generationDirectory(TOPIC, 0, chain.generation));
  await openGeneration(store, { ...chain, seal }, seal);
};

/** Keeps its plan when another rewrite was faster, as if each partition had numbers of its own. */
export const keepsPlan =
  (plan: Planner): Program =>
  async (context) => {
    const { store, name, now } = context;
    const state = await recoverTopic(store, TOPIC);
    const [attempt, generation] = [newAttempt(), state.log.generation!];
    for (let seq = state.log.seq + 1, planned: Awaited<ReturnType<Planner>>; ; seq++) {
      const directory = attemptDirectory(TOPIC, { kind: 'rewrite', generation, seq }, attempt);
      planned ??= await plan(context, state, { seq, staging: directory.slice(TOPIC.length + 1) });
      const { headSha256 } = seq === state.log.seq + 1 ? state.log : await readRewriteLog(store, TOPIC);
      const createdAt = new Date(now()).toISOString();
      const record = {
        v: 1 as const,
        topic: TOPIC,
        seq,
        prevSha256: headSha256,
        run: name,
        attempt,
        createdAt,
      };
      const rewrite = { ...record, ...planned! };
      if ((await publishRewrite(store, generation, rewrite)) === 'lost') continue;
      return await applyRewrite(store, rewrite, generation, true);
    }
  };

/** Deletes trash without taking a number. */
export const deletesTrash: Program = async ({ store }) => {
  for (const { name } of await store.list(trashRoot(TOPIC)))
    await store.remove(`${trashRoot(TOPIC)}/${name}`);
};

/** Takes staged files for files in place. */
export const seesStagedAsPlaced = (store: Store) =>
  withOverrides(store, {
    stat: async (path) => (path.includes('/_loader/staging/c-') ? undefined : await store.stat(path)),
    list: async (path) => {
      const found = await store.list(path);
      if (!path.includes('/hour=')) return found;
      const { live } = await readTopicState(store, TOPIC);
      const files = [...live.values()].filter(({ final }) => `${TOPIC}/${dirname(final)}` === path);
      return files.map(({ final, bytes }) => ({
        name: basename(final),
        kind: 'file' as const,
        size: bytes,
        modifiedMs: 0,
      }));
    },
  });

/** Reads the lowest generation that has a base, and follows seals from there. */
export const readsLowest = (store: Store) => {
  const has = async (generation: number, name: string) =>
    (await store.stat(`${CHAIN}/${generationName(generation)}/${name}`)) !== undefined;
  const isCurrent = async (generation: number) => {
    const found = (await store.list(CHAIN)).flatMap(({ name }) => parseGenerationName(name) ?? []);
    let current: number | undefined;
    for (const each of found.sort((a, b) => a - b)) {
      if (!(await has(each, BASE_NAME)) || (current !== undefined && each !== current + 1)) continue;
      if (current !== undefined && !(await isSealed(store, current))) continue;
      current = each;
    }
    return current === generation;
  };
  return withOverrides(store, {
    read: async (path) => {
      const generation = parseGenerationName(basename(dirname(path)));
      const isBase = path.startsWith(CHAIN) && basename(path) === BASE_NAME && generation !== undefined;
      return isBase && !(await isCurrent(generation)) ? undefined : await store.read(path);
    },
  });
};

async function isSealed(store: Store, generation: number): Promise<boolean> {
  const directory = `${CHAIN}/${generationName(generation)}`;
  for (const { name } of await store.list(directory)) {
    const body = parseRecordName(name) === undefined ? undefined : await store.read(`${directory}/${name}`);
    if (body?.includes('"kind": "seal"')) return true;
  }
  return false;
}

/** A loader that fell asleep when it was about to open the generation after an old seal. */
export function sleeper() {
  let old: Chain | undefined;
  let planned: Chain | undefined;
  const prepare = async (store: Store, world: World) => {
    await rooted(0)(store, world);
    await appender({ step: 1 })(before(store, world));
    const chain = (await readChain(store, TOPIC, 0))!;
    const { topicId, incarnation } = chain.base;
    const opens = { topicId, incarnation, head: chain.head };
    const record = emptyRecord(chain, { run: 'before', nowMs: world.clockMs });
    const seal = { ...record, kind: 'seal' as const, next: chain.head, opens };
    await publishCommit(store, 0, seal);
    old = { ...chain, seal };
    planned = await openGeneration(store, old, seal);
  };
  const wakes: Program = async ({ store }) => {
    await openGeneration(store, old!, old!.seal!);
  };
  /** And one that fell asleep when it was about to publish, in the generation after it. */
  const publishes: Program = async (context) => {
    const store = neverLooksBack(context.store);
    await append({ ...context, store }, planned!, planned!.head + 1);
  };
  return { prepare, wakes, publishes };
}

/** One program after the other. */
export const inTurn =
  (...programs: Program[]): Program =>
  async (context) => {
    for (const program of programs) await program(context);
  };
