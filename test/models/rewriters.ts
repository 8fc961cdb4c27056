/**
 * Actors that rewrite: replay, merge, undo and fence, as plans for the product's `rewriteTopic`. The plans are the plainest
 * that keep the protocol's rules; each rule can be left out, which is what the mutants do.
 */
import type { DataFile, FilePart } from '../../loader/commit.ts';
import { asDataFile, type LiveFile } from '../../loader/fold.ts';
import { finalName, parseFinalName, parseTrashName, trashName, trashRoot } from '../../loader/paths.ts';
import { RecoveredTopic } from '../../loader/recover.ts';
import { UNDOABLE } from '../../loader/rewrite.ts';
import { type RewriteAttempt, type RewritePlan, rewriteTopic } from '../../loader/rewrite-topic.ts';
import type { Store } from '../../loader/store/store.ts';
import { liveFiles, type TopicState } from '../../loader/table-state.ts';
import type { Context, Program } from './execution.ts';
import { addedFile, stageRows } from './rows.ts';
import { type Row, rowsOf, TOPIC } from './world.ts';

export type Planner = (
  context: Context,
  state: TopicState,
  attempt: RewriteAttempt,
) => Promise<RewritePlan | undefined>;

/** Does what a planner decides, round after round, with what it knows of the topic carried along. */
export function rewriter(plan: Planner, { rounds = 1, view = (store: Store) => store } = {}): Program {
  return async (context) => {
    const own = { ...context, store: view(context.store) };
    const table = new RecoveredTopic(own.store, TOPIC);
    for (let round = 0; round < rounds; round++)
      await rewriteTopic(table, { run: own.name, now: own.now }, (state, attempt) =>
        plan(own, state, attempt),
      );
  };
}

/** Reads the rows of live files. A file that another rewrite took away meanwhile ends the attempt: it would be outbid. */
async function readRows(store: Store, files: readonly DataFile[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { final } of files) {
    const body = await store.read(`${TOPIC}/${final}`);
    if (body === undefined) throw new Error(`${final} was rewritten meanwhile; run this again`);
    rows.push(...rowsOf(body));
  }
  return rows;
}

async function stageAdds(
  context: Context,
  rows: readonly Row[],
  { seq, staging }: RewriteAttempt,
): Promise<DataFile[]> {
  const staged = await stageRows(context.store, { rows, hourOf: context.world.hourOf, staging, task: 0 });
  return staged.map((file, part) => {
    const owner =
      file.parts?.[0]?.partition ?? rows.find((row) => context.world.hourOf(row) === file.hour)![0];
    return addedFile(file, owner, seq, part);
  });
}

/** Reads [from, until) of a partition again, but for hours that were expired. `carriesOver` and `expires` false are mutants. */
export function replay(
  { partition, from, until }: { partition: number; from: number; until: number },
  { carriesOver = true, expires = true } = {},
): Planner {
  return async (context, state, attempt) => {
    const end = Math.min(until, state.chains.get(partition)?.head ?? 0);
    const isInside = ([p, offset]: Row) => p === partition && offset >= from && offset < end;
    const holds = ({ parts }: LiveFile) =>
      parts.some((part) => part.partition === partition && part.maxOffset >= from && part.minOffset < end);
    const files = [...liveFiles(state)].filter(holds);
    const removes = files.map(asDataFile);
    if (end <= from) return undefined;
    const { expiredBefore = '' } = state.log;
    const again = Array.from({ length: end - from }, (_, i): Row => [partition, from + i]).filter(
      (row) => !expires || context.world.hourOf(row) >= expiredBefore,
    );
    const isPartlyOutside = (part: FilePart) =>
      part.partition !== partition || part.minOffset < from || part.maxOffset >= end;
    const carried = files.filter(({ parts }) => parts.some(isPartlyOutside));
    const others = (await readRows(context.store, carried)).filter((row) => !isInside(row));
    const adds = await stageAdds(context, carriesOver ? [...again, ...others] : again, attempt);
    return { kind: 'replay', removes, adds };
  };
}

/** Merges the files of each hour that has several, across partitions. */
export const merge: Planner = async (context, state, attempt) => {
  const byHour = Map.groupBy(liveFiles(state), ({ hour }) => hour);
  const removes = [...byHour.values()]
    .filter(({ length }) => length > 1)
    .flatMap((files) => files.map(asDataFile));
  if (removes.length === 0) return undefined;
  const adds = await stageAdds(context, await readRows(context.store, removes), attempt);
  return { kind: 'compact', removes, adds };
};

/** Takes back the newest rewrite that can be. Not looking (at the fence, at what is live) and old names are mutants. */
export function undo({ looks = true, keepsNames = false } = {}): Planner {
  return async (_context, { log, live }, { seq }) => {
    const isLive = ({ final }: DataFile) => live.has(final);
    const isKept = ({ hour }: DataFile) => hour >= (log.expiredBefore ?? '');
    const undone = log.rewrites.findLast(
      ({ kind, seq: of, adds, removes }) =>
        UNDOABLE.includes(kind) &&
        (!looks ||
          (of > log.sealedUntil && !log.trashGone.has(of) && adds.every(isLive) && removes.every(isKept))),
    );
    if (undone === undefined) return undefined;
    const adds = undone.removes.map((file, index) => {
      const { from, next, partition } = parseFinalName(file.final)!;
      const id = { partition, incarnation: 0, from, next, rewrite: seq, part: index };
      const final = keepsNames ? file.final : finalName('data', file.hour, id);
      return { ...file, staged: trashName(undone.seq, index), final };
    });
    return { kind: 'undo', undoes: undone.seq, removes: undone.adds, adds };
  };
}

/** Deletes the trash of all rewrites so far, behind a fence. */
export const fence: Planner = async ({ store }, { log }) => {
  const found = (await store.list(trashRoot(TOPIC))).flatMap(({ name }) => parseTrashName(name) ?? []);
  const trash = found.filter((seq) => seq <= log.seq);
  return trash.length === 0 ? undefined : { kind: 'fence', removes: [], adds: [], trash };
};
