/**
 * What a topic's runs leave behind in `_loader/runs`: `started` (which heads they saw; its modification time is the
 * store's clock), `plan` (what each partition's observation was, and what was to be read) and `outcome`. The plans are
 * more than history: hours are judged complete by their observations, so a plan is durable before anything is read.
 */
import { z } from 'zod';
import { parseRunName, type RunStage, runPath, runStage, runsDirectory } from './paths.ts';
import { type Store, StoreError } from './store/store.ts';

const offset = z.int().min(0);

/**
 * At time T, when the chain's head was `headRead`, the partition's high watermark was E: everything the broker had
 * acknowledged by T lies below E. T is read before E is asked for, never after. Void if E < headRead.
 */
const observation = z.strictObject({
  partition: z.int().min(0),
  topicId: z.string(),
  headRead: offset,
  /** Milliseconds since 1970; the earlier of the local and the store's clock. */
  timeMs: z.int(),
  highWatermark: offset,
});
export type Observation = z.infer<typeof observation>;

const plan = z.strictObject({
  v: z.literal(1),
  run: z.string(),
  topic: z.string(),
  takenAt: z.iso.datetime(),
  observations: z.array(observation),
  ranges: z.array(z.strictObject({ partition: z.int(), from: offset, until: offset })),
});
export type RunPlan = z.infer<typeof plan>;

const outcome = z.strictObject({
  v: z.literal(1),
  run: z.string(),
  topic: z.string(),
  /** What the run was; absent: a load. Offsets and rows of the partitions are then those that were read again or put back. */
  kind: z.enum(['replay', 'undo']).optional(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  partitions: z.array(
    z.strictObject({
      partition: z.int(),
      startOffset: offset,
      nextOffset: offset,
      rows: z.int(),
      quarantined: z.int(),
      late: z.int(),
      files: z.int(),
      bytes: z.int(),
      error: z.string().nullable(),
    }),
  ),
  hoursMarked: z.int(),
  /** Partition → head up to which every touched hour has been judged. */
  judgedHeads: z.record(z.string(), offset),
  /** And the log of rewrites up to this number. */
  judgedRewrite: offset.optional(),
});
export type RunOutcome = z.infer<typeof outcome>;

/** One run of one topic, as its files are named by it. */
export interface RunId {
  topic: string;
  startedAt: string;
  run: string;
}

/** Records that a run has begun; returns the store's clock at that moment, in milliseconds since 1970. */
export async function writeStarted(
  store: Store,
  id: RunId,
  heads: ReadonlyMap<number, number>,
): Promise<number> {
  const path = runPath(id.topic, id.startedAt, id.run, 'started');
  await store.create(path, json({ v: 1, ...id, heads: Object.fromEntries(heads) }));
  const entry = await store.stat(path);
  if (entry === undefined)
    throw new StoreError('stat', path, 'vanished after it was written', { hint: 'run the load again' });
  return entry.modifiedMs;
}

export async function writePlan(store: Store, id: RunId, body: RunPlan): Promise<void> {
  await store.create(runPath(id.topic, id.startedAt, id.run, 'plan'), json(plan.parse(body)));
}

export async function writeOutcome(store: Store, id: RunId, body: RunOutcome): Promise<void> {
  await store.create(runPath(id.topic, id.startedAt, id.run, 'outcome'), json(outcome.parse(body)));
}

/** Paths of what runs left behind, newest run first; listed once, for those who look for plans, outcomes and starts. */
export type RunPaths = readonly string[];

export async function listRuns(store: Store, topic: string): Promise<RunPaths> {
  const directory = runsDirectory(topic);
  return (await store.list(directory)).map(({ name }) => `${directory}/${name}`).reverse();
}

const ofStage = (paths: RunPaths, stage: RunStage) => paths.filter((path) => runStage(path) === stage);

/** The plans of all runs, newest first; one that can't be read (a run that died while writing it) is passed over. */
export async function* plansNewestFirst(store: Store, runs: RunPaths): AsyncGenerator<RunPlan> {
  for (const path of ofStage(runs, 'plan')) {
    const found = plan.safeParse(await readJson(store, path));
    if (found.success) yield found.data;
  }
}

/** The outcomes of all runs that ended, newest first. */
export async function* newestOutcomes(store: Store, runs: RunPaths): AsyncGenerator<RunOutcome> {
  for (const path of ofStage(runs, 'outcome')) {
    const found = outcome.safeParse(await readJson(store, path));
    if (found.success) yield found.data;
  }
}

/** The newest outcome that can be read, or undefined. */
export async function newestOutcome(store: Store, runs: RunPaths): Promise<RunOutcome | undefined> {
  for await (const newest of newestOutcomes(store, runs)) return newest;
  return undefined;
}

/** One run of one topic; without an outcome it died, or is still under way. */
export interface PastRun extends RunId {
  outcome: RunOutcome | undefined;
}

/** The newest runs of these topics together, newest first. Reads the outcomes of those alone. */
export async function newestRuns(store: Store, topics: readonly string[], limit: number): Promise<PastRun[]> {
  const found = new Map<string, RunId & { path: string }>();
  for (const topic of topics)
    for (const path of await listRuns(store, topic)) {
      const id = parseRunName(path.slice(path.lastIndexOf('/') + 1));
      if (id)
        found.set(`${topic} ${id.run}`, {
          topic,
          ...id,
          path: runPath(topic, id.startedAt, id.run, 'outcome'),
        });
    }
  const newest = [...found.values()].sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
  return await Promise.all(
    newest.map(async ({ path, ...id }) => {
      const read = outcome.safeParse(await readJson(store, path));
      return { ...id, outcome: read.success ? read.data : undefined };
    }),
  );
}

/** Whether the run before this one ended: a run that died may have left marks half made. */
export function hasLastRunEnded(runs: RunPaths, currentRun: string): boolean {
  const last = ofStage(runs, 'started').find((path) => !path.includes(currentRun));
  return last === undefined || runs.includes(last.replace(/started\.json$/, 'outcome.json'));
}

async function readJson(store: Store, path: string): Promise<unknown> {
  const body = await store.read(path);
  try {
    return body === undefined ? undefined : JSON.parse(body.toString('utf8'));
  } catch {
    return undefined; // torn by a crash: the same as never written
  }
}

const json = (body: object) => `${JSON.stringify(body, null, 1)}\n`;
