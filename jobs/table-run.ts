/**
 * A run that changes rows which are in the table already: it leaves the same history as a load, and ends as a load does,
 * with the hours judged anew, so that those it touched get their markers again.
 */
import { randomUUID } from 'node:crypto';
import type { KafkaClient } from '../broker/client/client.ts';
import type { DataFile } from '../loader/commit.ts';
import { asLive } from '../loader/fold.ts';
import type { Hour } from '../loader/hour.ts';
import { listMarkedHours } from '../loader/hour-marker.ts';
import { type JudgeTopicOptions, judgeTopic } from '../loader/judge-topic.ts';
import type { Rewrite } from '../loader/rewrite.ts';
import {
  listRuns,
  newestOutcome,
  type RunId,
  type RunOutcome,
  writeOutcome,
  writeStarted,
} from '../loader/run-history.ts';
import { readTopicState } from '../loader/table-state.ts';

export interface TableRunOptions extends Omit<JudgeTopicOptions, 'run' | 'client'> {
  /** Undefined: no broker can be reached; the hours are judged by the next load. */
  client: KafkaClient | undefined;
  topic: string;
  kind: NonNullable<RunOutcome['kind']>;
  /** What the run is about, for its outcome. */
  ranges: NonNullable<Rewrite['ranges']>;
}

/** What the run did; `record` undefined: nothing. */
export interface TableRun {
  runId: string;
  record: Rewrite | undefined;
  /** Hours that were marked, or marked anew. */
  marked: Hour[];
}

/** Runs `act`, which rewrites the table under the run's id, between the files of the history. What it throws stands in the outcome too. */
export async function runOnTable(
  options: TableRunOptions,
  act: (run: string) => Promise<Rewrite | undefined>,
): Promise<TableRun> {
  const { store, topic, kind, client, warn, now } = options;
  const id: RunId = { topic, run: randomUUID(), startedAt: new Date(now()).toISOString() };
  const { chains } = await readTopicState(store, topic);
  const localBeforeMs = now();
  const storeMs = await writeStarted(
    store,
    id,
    new Map([...chains.values()].map(({ partition, head }) => [partition, head])),
  );
  const skewMs = Math.abs(storeMs - localBeforeMs);
  const takenMs = Math.floor(Math.min(now(), storeMs));
  const markedHours = new Set(await listMarkedHours(store, topic));
  const end = async (rest: Omit<RunOutcome, 'v' | 'kind' | 'endedAt' | keyof RunId>) =>
    await writeOutcome(store, id, { v: 1, ...id, kind, endedAt: new Date(now()).toISOString(), ...rest });
  let record: Rewrite | undefined;
  try {
    record = await act(id.run);
  } catch (error) {
    const before = await listRuns(store, topic)
      .then((runs) => newestOutcome(store, runs))
      .catch(() => undefined);
    // A run without an outcome is one that was killed: if not even this can be written, that is what it looks like.
    await end({
      partitions: options.ranges.map((range) => emptyOutcome(range, error)),
      hoursMarked: 0,
      judgedHeads: before?.judgedHeads ?? {},
      judgedRewrite: before?.judgedRewrite ?? 0,
    }).catch(() => {});
    throw error;
  }
  if (client === undefined)
    warn(`${topic}: no broker can be reached, so hours were not judged; the next load does it`);
  const judgement =
    client &&
    (await judgeTopic({ ...options, client, run: id.run }, topic, { markedHours, skewMs, takenMs }));
  await end({
    partitions: options.ranges.map((range) => outcomeOf(range, record?.adds ?? [])),
    hoursMarked: judgement?.marked.length ?? 0,
    judgedHeads: judgement?.judgedHeads ?? {},
    judgedRewrite: judgement?.judgedRewrite ?? 0,
  });
  return { runId: id.run, record, marked: judgement?.marked ?? [] };
}

type Range = TableRunOptions['ranges'][number];

function emptyOutcome({ partition, from, until }: Range, error: unknown): RunOutcome['partitions'][number] {
  const none = { rows: 0, quarantined: 0, late: 0, files: 0, bytes: 0 };
  const message = error instanceof Error ? error.message : String(error);
  return { partition, startOffset: from, nextOffset: until, ...none, error: message };
}

/** Of one partition: the files that were added and begin with it, and their rows. */
function outcomeOf(
  { partition, from, until }: Range,
  adds: readonly DataFile[],
): RunOutcome['partitions'][number] {
  const own = adds.map(asLive).filter((file) => file.partition === partition);
  const rows = (role: DataFile['role']) => rowsOf(own, role);
  const data = own.filter(({ role }) => role === 'data');
  return {
    partition,
    startOffset: from,
    nextOffset: until,
    rows: rows('data'),
    quarantined: rows('quarantine'),
    late: rows('late'),
    files: data.length,
    bytes: data.reduce((sum, { bytes }) => sum + bytes, 0),
    error: null,
  };
}

/** Rows in the files of one role. */
export function rowsOf(files: readonly DataFile[], role: DataFile['role']): number {
  return files.reduce((sum, file) => (file.role === role ? sum + file.rows : sum), 0);
}
