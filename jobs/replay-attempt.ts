/**
 * One attempt at a replay, up to the record: cuts what is partly inside, reads the ranges again in worker threads, and
 * proves that nothing is missing from what was read. It publishes nothing, and stages only in its own directory.
 */

import type { Settings } from '../config/settings.ts';
import { CarryOver } from '../loader/carry-over.ts';
import type { DataFile } from '../loader/commit.ts';
import type { LiveFile } from '../loader/fold.ts';
import { HOUR_MS, type HourIndex, parseHour } from '../loader/hour.ts';
import { listMarkedHours } from '../loader/hour-marker.ts';
import { finalName, stagedName } from '../loader/paths.ts';
import type { RewriteAttempt } from '../loader/rewrite-topic.ts';
import type { Store } from '../loader/store/store.ts';
import type { TopicState } from '../loader/table-state.ts';
import type { TaskDone, TaskInput } from '../loader/task.ts';
import type { TaskPool } from '../loader/task-pool.ts';
import type { EventSchema } from '../schemas/event-schema.ts';
import {
  nameOfRest,
  piecesOf,
  type Removal,
  type ReplayPiece,
  type ReplayRange,
  removalOf,
  rowsOfWhole,
} from './replay-plan.ts';
import { sideBySide } from './side-by-side.ts';

const US_PER_MS = 1_000;
/** Most files that one replay takes out: its record names each, and a record is read as a whole. */
const MAX_FILES = 50_000;

/** What every attempt of a replay works with. */
export interface ReplayInputs {
  settings: Pick<Settings, 'client' | 'loader' | 'webhdfs' | 'schemas'>;
  store: Store;
  topic: string;
  ranges: readonly ReplayRange[];
  /** Goes on where the log has fewer records than the table has rows. */
  acceptFewer: boolean;
  schema: EventSchema | undefined;
  tombstones: TaskInput['tombstones'];
  pool: TaskPool;
  workers: number;
  spoolDirectory: string;
  signal?: AbortSignal;
}

/** What goes, what comes, and what was read. */
export interface AttemptedReplay {
  removed: LiveFile[];
  adds: DataFile[];
  counts: { read: number; filtered: number };
}

type StagedEntry = Omit<DataFile, 'final'>;

/** Files on their way, in the order of their numbers. */
class Additions {
  readonly files: DataFile[] = [];
  readonly #seq: number;

  constructor(seq: number) {
    this.#seq = seq;
  }

  add(
    file: StagedEntry,
    range: { partition: number; incarnation: number; from: number; next: number },
  ): void {
    const part = this.files.length;
    this.files.push({
      ...file,
      final: finalName(file.role, file.hour, { ...range, rewrite: this.#seq, part }),
    });
  }
}

/** Throws if something is in the way of the replay: a file that isn't what its record says, a log that has too little. */
export async function attemptReplay(
  inputs: ReplayInputs,
  state: TopicState,
  { seq, staging }: RewriteAttempt,
): Promise<AttemptedReplay> {
  const { topic, ranges, workers, signal } = inputs;
  signal?.throwIfAborted();
  const removal = removalOf(state.live.values(), ranges);
  checkSize(topic, removal);
  const additions = new Additions(seq);
  const { kept, inside } = await carryOver(inputs, removal, staging, additions);
  const { taskOffsets } = inputs.settings.loader;
  const pieces = ranges.flatMap((range) =>
    piecesOf(state.chains.get(range.partition)!, range, { workers, taskOffsets }),
  );
  const results = await readPieces(inputs, state, pieces, {
    staging,
    firstTask: removal.partly.length,
  });
  checkFound(inputs, inside, pieces, results);
  for (const [i, { files }] of results.entries()) {
    const { partition, incarnation, from, until } = ranges.find(
      (range) => range.partition === pieces[i]!.partition,
    )!;
    for (const file of files) additions.add(file, { partition, incarnation, from, next: until });
  }
  const cut = removal.partly.flatMap(({ file }) => (kept.has(file.final) ? [] : [file]));
  return {
    removed: [...removal.whole, ...cut],
    adds: additions.files,
    counts: { read: sum(results, 'read'), filtered: sum(results, 'filtered') },
  };
}

const sum = (results: readonly TaskDone[], key: 'read' | 'filtered' | 'expired') =>
  results.reduce((total, result) => total + result[key], 0);

function checkSize(topic: string, { whole, partly }: Removal): void {
  const files = whole.length + partly.length;
  if (files > MAX_FILES)
    throw new Error(
      `${topic}: the replay would replace ${files} files, ${MAX_FILES} are the most for one; nothing was changed, replay a part of the range, by partition or by time`,
    );
}

/** Stages what is left of files that are cut. `inside`: rows that the table holds of the ranges, by partition; `kept`: files that turned out to hold none. */
async function carryOver(
  { store, topic, settings, spoolDirectory, schema, signal }: ReplayInputs,
  { whole, partly }: Removal,
  staging: string,
  additions: Additions,
): Promise<{ inside: Map<number, number>; kept: Set<string> }> {
  const inside = rowsOfWhole(whole);
  const kept = new Set<string>();
  if (partly.length === 0) return { inside, kept };
  const eventTime = schema?.eventTime;
  await using carrier = await CarryOver.open({ store, topic, settings, spoolDirectory, eventTime });
  for (const [task, { file, cuts }] of partly.entries()) {
    signal?.throwIfAborted();
    const found = await carrier.cut(file, cuts, `${staging}/${stagedName(task, 0)}`);
    if (found.inside.size === 0) kept.add(file.final);
    for (const [partition, rows] of found.inside) inside.set(partition, (inside.get(partition) ?? 0) + rows);
    if (found.rest === undefined) continue;
    const { parts, ...rest } = found.rest;
    additions.add(parts.length > 1 ? { ...rest, parts } : rest, nameOfRest(file, parts));
  }
  return { inside, kept };
}

/** Reads every piece again, each with the bounds of the commit that first read it. */
async function readPieces(
  inputs: ReplayInputs,
  { log }: TopicState,
  pieces: readonly ReplayPiece[],
  { staging, firstTask }: { staging: string; firstTask: number },
): Promise<TaskDone[]> {
  const { store, topic, settings, pool, workers, schema, tombstones, spoolDirectory, signal } = inputs;
  const { loader, client, webhdfs, schemas } = settings;
  const markedHours = new Set<HourIndex>(
    (await listMarkedHours(store, topic)).flatMap((hour) => parseHour(hour) ?? []),
  );
  const results: TaskDone[] = [];
  await sideBySide([...pieces.entries()], workers, async ([i, { partition, range, bounds }]) => {
    signal?.throwIfAborted();
    const result = await pool.run({
      topic,
      partition,
      range,
      task: firstTask + i,
      schema,
      bounds: {
        minTimeUs: Date.parse(loader.eventTimeMin) * US_PER_MS,
        maxTimeUs: bounds.skewAfterMs * US_PER_MS,
      },
      tombstones,
      markedHours,
      lateBeforeMs: bounds.lateBeforeMs,
      // The hour of the first reading, so that a refused record without a timestamp goes where it was.
      fallbackHour: Math.floor((bounds.skewAfterMs - loader.eventTimeMaxAheadMs) / HOUR_MS),
      expiredBefore: log.expiredBefore === undefined ? undefined : parseHour(log.expiredBefore),
      staging,
      client,
      loader,
      webhdfs,
      registry: schemas,
      spoolDirectory,
    });
    if (!result.ok) throw new Error(`${topic}-${partition}: ${result.message}`, { cause: result.stack });
    if (result.next < range.until)
      throw new Error(
        `${topic}-${partition}: the broker gave offsets up to ${result.next} only, of ${range.until}; nothing was changed, run the replay again`,
      );
    results[i] = result;
  });
  return results;
}

/** Everything read is in exactly one place, and there is no less of it than the table holds of the ranges. */
function checkFound(
  { topic, acceptFewer, ranges }: ReplayInputs,
  inside: ReadonlyMap<number, number>,
  pieces: readonly ReplayPiece[],
  results: readonly TaskDone[],
): void {
  for (const { partition, from, until } of ranges) {
    const own = results.filter((_, i) => pieces[i]!.partition === partition);
    const [read, filtered, expired] = [sum(own, 'read'), sum(own, 'filtered'), sum(own, 'expired')];
    const written = own.flatMap(({ files }) => files).reduce((rows, file) => rows + file.rows, 0);
    const name = `${topic}-${partition}`;
    if (written + filtered !== read)
      throw new Error(
        `${name}: ${read} records were read, ${written} written and ${filtered} passed over: a bug, nothing was changed`,
      );
    const deletions = filtered - expired;
    const rows = inside.get(partition) ?? 0;
    if (read - deletions >= rows || acceptFewer) continue;
    const passedOver = deletions === 0 ? '' : `, besides ${deletions} deletions that are passed over`;
    throw new Error(
      `${name}: the log has ${read - deletions} records of offsets ${from} to ${until - 1}${passedOver}, but the table holds ${rows} rows of them: a compacted log has lost the others; nothing was changed, --accept-fewer replaces them all the same`,
    );
  }
}
