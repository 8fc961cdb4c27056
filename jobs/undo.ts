/**
 * Undo: takes a replay or a compaction back. The files it added go to the trash, and those it removed come back from
 * there under new names, in one rewrite of its own. That is possible until a fence has let the trash go, and while
 * every file it added is still live: under its own name, or under the one that another undo has given back to it.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Settings } from '../config/settings.ts';
import { inParallel } from '../loader/apply.ts';
import { touchedHours } from '../loader/apply-rewrite.ts';
import type { DataFile } from '../loader/commit.ts';
import type { Hour } from '../loader/hour.ts';
import { finalName, parseFinalName, trashName } from '../loader/paths.ts';
import { RecoveredTopic } from '../loader/recover.ts';
import { type Rewrite, UNDOABLE } from '../loader/rewrite.ts';
import { type RewriteLog, readRewriteLog } from '../loader/rewrite-log.ts';
import { rewriteTopic } from '../loader/rewrite-topic.ts';
import type { Store } from '../loader/store/store.ts';
import type { TopicState } from '../loader/table-state.ts';
import { rowsOf, runOnTable } from './table-run.ts';

export interface UndoOptions {
  settings: Pick<Settings, 'loader'>;
  store: Store;
  /** Undefined: no broker can be reached; the hours are judged by the next load. */
  client: KafkaClient | undefined;
  topic: string;
  /** Number of the rewrite to take back. */
  rewrite: number;
  now: () => number;
  warn: (message: string) => void;
}

/** What an undo did; the JSON of `undo`. */
export interface UndoResult {
  runId: string;
  topic: string;
  /** Numbers of the undo and of what it took back. */
  rewrite: number;
  undoes: number;
  kind: Rewrite['kind'];
  /** Rows that came back. */
  rows: number;
  filesRemoved: number;
  filesRestored: number;
  hours: Hour[];
  marked: Hour[];
}

/** The rewrite that a run made, or that bears a number, in one topic's log; undefined if there is none. */
export function findRewrite({ rewrites }: RewriteLog, runOrNumber: string | number): Rewrite | undefined {
  return rewrites.find(
    ({ run, seq, kind }) => kind !== 'seal' && (run === runOrNumber || seq === runOrNumber),
  );
}

/** Takes a rewrite back. Throws, with the reason and nothing changed, if that isn't possible. */
export async function undo(options: UndoOptions): Promise<UndoResult> {
  const { store, topic, rewrite, now } = options;
  const before = await readRewriteLog(store, topic);
  const target = before.rewrites.find(({ seq }) => seq === rewrite);
  if (target === undefined)
    throw new Error(
      `${topic}: rewrite ${rewrite} is not in the log, which ${before.seq === 0 ? 'is empty' : `goes up to ${before.seq}`}; it may be too old to be known`,
    );
  checkUndoable(before, target);
  const { ranges = [] } = target;
  const { runId, record, marked } = await runOnTable(
    { ...options, kind: 'undo', ranges },
    async (run) =>
      await rewriteTopic(new RecoveredTopic(store, topic), { run, now }, async (state, { seq }) => {
        checkUndoable(state.log, target);
        const removes = target.adds.map((file) => currentOf(state, target, file));
        await checkTrash(store, topic, target);
        const adds = target.removes.map((file, k) => restored(file, target.seq, k, seq));
        return { kind: 'undo', removes, adds, undoes: target.seq };
      }),
  );
  const { adds, removes } = record!;
  return {
    runId,
    topic,
    rewrite: record!.seq,
    undoes: target.seq,
    kind: target.kind,
    rows: rowsOf(adds, 'data'),
    filesRemoved: removes.length,
    filesRestored: adds.length,
    hours: touchedHours(record!),
    marked,
  };
}

/** What the log alone says against it. */
function checkUndoable(
  { topic, rewrites, sealedUntil, trashGone, expiredBefore = '' }: RewriteLog,
  { seq, kind, removes }: Rewrite,
): void {
  const name = `${topic}: rewrite ${seq}`;
  if (kind === 'undo')
    throw new Error(
      `${name} is an undo itself, which can't be taken back; run the replay or compaction again`,
    );
  if (!UNDOABLE.includes(kind))
    throw new Error(`${name} is of the kind "${kind}", which can't be taken back`);
  const done = rewrites.find(({ undoes }) => undoes === seq);
  if (done !== undefined)
    throw new Error(
      `${name} was taken back already, by rewrite ${done.seq} (run ${done.run}); there is nothing to do`,
    );
  const expired = removes.find(({ hour }) => hour < expiredBefore);
  if (seq <= sealedUntil || trashGone.has(seq) || expired !== undefined)
    throw new Error(
      `${name} can't be taken back any more: ${expired ? `${expired.hour} was deleted by retention` : 'what it removed was let go by a later fence'}; replay the offsets again if the log still has them`,
    );
}

/**
 * The live file that holds the rows of a file which the target added: the file itself, or, if a later rewrite removed it
 * and was taken back, the file under the name it came back with. Throws if there is none.
 */
function currentOf({ topic, live, log }: TopicState, target: Rewrite, added: DataFile): DataFile {
  let current = added;
  for (const { seq, kind, run, removes } of log.rewrites) {
    const index = removes.findIndex(({ final }) => final === current.final);
    if (index < 0) continue;
    const back = log.rewrites.find(({ undoes }) => undoes === seq)?.adds[index];
    if (back === undefined)
      throw new Error(
        `${topic}: rewrite ${target.seq} can't be taken back, because rewrite ${seq} (${kind}, run ${run}) has replaced ${current.final} since${UNDOABLE.includes(kind) ? '; undo that one first' : ''}`,
      );
    current = back;
  }
  if (!live.has(current.final))
    throw new Error(`${topic}: ${current.final} of rewrite ${target.seq} is not live; nothing was changed`);
  return current;
}

/** Throws unless the trash still holds every file that the target removed, whole. */
async function checkTrash(store: Store, topic: string, { seq, removes }: Rewrite): Promise<void> {
  await inParallel(removes.entries(), async ([k, { bytes, final }]) => {
    const path = `${topic}/${trashName(seq, k)}`;
    const found = await store.stat(path);
    if (found?.size !== bytes)
      throw new Error(
        `${path}, once ${final}, is ${found === undefined ? 'not there' : `of ${found.size} bytes instead of ${bytes}`}: rewrite ${seq} can't be taken back, nothing was changed; replay the offsets again if the log still has them`,
      );
  });
}

/** A removed file as it comes back: from the trash, under a name of the undo's. */
function restored(file: DataFile, undone: number, k: number, seq: number): DataFile {
  const id = parseFinalName(file.final)!;
  const final = finalName(file.role, file.hour, { ...id, rewrite: seq, part: k });
  return { ...file, staged: trashName(undone, k), final };
}
