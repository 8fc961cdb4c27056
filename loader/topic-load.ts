/**
 * One run over one topic: recover every partition, observe, plan durably, load the partitions side by side, judge the
 * hours, sweep, and leave the outcome in the history. A partition that fails stops alone.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { ClusterMetadata } from '../broker/client/cluster-metadata.ts';
import type { GroupOffset } from '../broker/client/group-offsets.ts';
import type { Settings } from '../config/settings.ts';
import { type EventSchema, findSchema } from '../schemas/event-schema.ts';
import { type Accepted, acceptProblem, PartitionStopped } from './accept.ts';
import type { Commit } from './commit.ts';
import { committedBefore, endProblem } from './committed-before.ts';
import { HOUR_MS, type Hour } from './hour.ts';
import type { Judgement } from './hour-judge.ts';
import { listMarkedHours } from './hour-marker.ts';
import { judgeTopic } from './judge-topic.ts';
import { MadeDirectories } from './made-directories.ts';
import { loadPartition, type TopicRun } from './partition-load.ts';
import { type PlannedPartition, planLoad } from './plan.ts';
import type { RecordCache } from './record-cache.ts';
import { type LoadRecovery, type Recovering, recoverForLoad } from './recover.ts';
import type { RewriteLog } from './rewrite-log.ts';
import { type Observation, type RunId, writeOutcome, writePlan, writeStarted } from './run-history.ts';
import { type LogView, lastEpochOf, logProblem, viewLog } from './same-log.ts';
import { isInShard, type Shard } from './shard.ts';
import type { Store } from './store/store.ts';
import type { TaskPool } from './task-pool.ts';

const US_PER_MS = 1_000;

export interface TopicLoadOptions {
  settings: Pick<Settings, 'client' | 'loader' | 'webhdfs' | 'topics' | 'schemas'>;
  store: Store;
  client: KafkaClient;
  pool: TaskPool;
  workers: number;
  spoolDirectory: string;
  /** Records kept on the local disk; none where the warehouse is local itself. */
  records: RecordCache | undefined;
  run: string;
  /** Records at or after this time are left for later; milliseconds since 1970. */
  untilMs?: number | undefined;
  maxEvents?: number | undefined;
  /** Only the partitions of this shard; undefined: all. */
  shard?: Shard | undefined;
  accepted: Accepted;
  now: () => number;
  warn: (message: string) => void;
  /** Told once, when it is known how many offsets the run will read. */
  onPlanned: (offsets: number) => void;
  /** Told at the end how far each partition without trouble is loaded: what its chain in the warehouse says by then. */
  onLoaded: (loaded: readonly GroupOffset[]) => void;
}

/** How one partition ended. Offsets and rows are this run's own; `late` counts rows for marked hours, wherever they went. */
export interface PartitionOutcome {
  partition: number;
  startOffset: number;
  nextOffset: number;
  rows: number;
  quarantined: number;
  late: number;
  files: number;
  bytes: number;
  /** Of its tasks, one after the other; not the time it waited for a worker. */
  seconds: number;
  caughtUp: boolean;
  error: string | null;
}

export interface TopicOutcome {
  topic: string;
  partitions: PartitionOutcome[];
  /** Hours that got rows in this run. */
  hours: Hour[];
  marked: Hour[];
  /** What stopped the whole topic, in one line; what stopped a partition stands with it. */
  error: string | null;
}

type Tombstones = TopicRun['task']['tombstones'];
type TopicMetadata = ClusterMetadata['topics'][number];

/** A partition on its way through a run. */
interface Standing extends Recovering {
  logStart: number;
  highWatermark: number;
  lastStable: number;
  commits: Commit[];
  startHead: number;
  seconds: number;
  error?: string;
}

export async function loadTopic(options: TopicLoadOptions, metadata: TopicMetadata): Promise<TopicOutcome> {
  const { store, settings, now } = options;
  const topic = metadata.name;
  const { shard } = options;
  // Others load it, mark its hours and keep it tidy.
  if (
    shard !== undefined &&
    !metadata.partitions.some(({ partition }) => isInShard({ topic, partition }, shard))
  )
    return { topic, partitions: [], hours: [], marked: [], error: null };
  const schema = await findSchema(topic, settings);
  const id: RunId = { topic, run: options.run, startedAt: new Date(now()).toISOString() };
  const { standings, log } = await recoverPartitions(options, metadata);
  const heads = new Map(
    standings.flatMap(({ partition, chain }) => (chain ? [[partition, chain.head] as const] : [])),
  );
  const localBeforeMs = now();
  const storeMs = await writeStarted(store, id, heads);
  const skewMs = Math.abs(storeMs - localBeforeMs);
  const takenMs = Math.floor(Math.min(now(), storeMs));
  await observeLogs(options, topic, standings);
  const markedHours = new Set(await listMarkedHours(store, topic));
  const planned = await plan(options, metadata, id, standings, takenMs);
  options.onPlanned(planned.reduce((sum, { range }) => sum + range.until - range.from, 0));
  await loadPlanned(
    topicRun(options, metadata, schema, await tombstoneRule(options, topic), takenMs, markedHours),
    standings,
    planned,
  );
  const read = standings.flatMap(({ partition, chain }) => (chain ? [[partition, chain] as const] : []));
  const isShared = shard !== undefined;
  const seen = { markedHours, skewMs, takenMs, chains: new Map(read), log, isShared };
  const judgement = await judgeTopic(options, topic, seen);
  const outcome = outcomeOf(topic, standings, judgement);
  options.onLoaded(loadedOf(topic, standings));
  await writeOutcome(store, id, {
    v: 1,
    ...id,
    endedAt: new Date(now()).toISOString(),
    partitions: outcome.partitions.map(({ caughtUp: _c, seconds: _s, ...partition }) => partition),
    hoursMarked: judgement?.marked.length ?? 0,
    judgedHeads: judgement?.judgedHeads ?? {},
    judgedRewrite: judgement?.judgedRewrite ?? 0,
  }).catch((error: unknown) => {
    // A run without an outcome is one that died: the next one looks after what it left. What stopped the partitions says more.
    if (outcome.partitions.every((partition) => partition.error === null)) throw error;
    options.warn(`${topic}: the outcome of the run was not written: ${(error as Error).message}`);
  });
  return outcome;
}

function standingOf(topic: string, { partition, error }: TopicMetadata['partitions'][number]): Standing {
  const standing: Standing = {
    partition,
    logStart: 0,
    highWatermark: 0,
    lastStable: 0,
    commits: [],
    startHead: 0,
    seconds: 0,
    step: (act) => guarded(standing, act),
  };
  if (error !== undefined)
    standing.error = `${topic}-${partition}: the broker answers ${error}; run the load again when it is back`;
  return standing;
}

/** Reads, roots or repairs every chain of the shard, and the log of rewrites. */
async function recoverPartitions(
  { store, client, settings, now, records, shard }: TopicLoadOptions,
  { name: topic, topicId, partitions }: TopicMetadata,
): Promise<{ standings: Standing[]; log: RewriteLog | undefined }> {
  const all = partitions.map((one) => standingOf(topic, one));
  const standings = all.filter(
    ({ partition }) => shard === undefined || isInShard({ topic, partition }, shard),
  );
  // Partitions of other shards get their root with ours: where they begin is settled by the topic's first load, not by
  // who of its shards comes first.
  const others = all.filter((one) => !standings.includes(one));
  const root: LoadRecovery['root'] = async (partition, policy, rewriteSeq) => {
    const [at] = await client.listOffsets([{ topic, partition }], policy);
    const createdAt = new Date(now()).toISOString();
    const origin = { incarnation: 0, head: at!.offset, policy, createdAt, rewriteSeq };
    return { topic, topicId, partition, ...origin };
  };
  const { startPolicy } = settings.loader;
  const ours = standings.map(({ partition }) => partition);
  const committed = await committedBefore(store, topic, ours, shard?.of ?? 1);
  const log = await recoverForLoad({ store, topic, cache: records, root, startPolicy }, standings, others);
  for (const standing of standings)
    await guarded(standing, async () => {
      const problem = await endProblem(store, standing.chain!, committed.get(standing.partition));
      if (problem !== undefined) throw new PartitionStopped(problem);
    });
  for (const standing of standings) standing.startHead = standing.chain?.head ?? 0;
  return { standings, log };
}

/** Runs one step of a partition; what it throws ends that partition only, as a line of its outcome. */
async function guarded(standing: Standing, step: () => Promise<void>): Promise<void> {
  if (standing.error !== undefined) return;
  await step().catch((error: unknown) => {
    standing.error = error instanceof Error ? error.message : String(error);
  });
}

/** Asks for the high watermark after the clock was read, then for what may be read. */
async function observeLogs(
  { client, untilMs }: TopicLoadOptions,
  topic: string,
  standings: Standing[],
): Promise<void> {
  await Promise.all(
    standings.map((standing) =>
      guarded(standing, async () => {
        const tp = [{ topic, partition: standing.partition }];
        const view = await viewLog(client, topic, standing.partition, '');
        standing.logStart = view.logStart;
        standing.highWatermark = view.highWatermark;
        standing.lastStable = (await client.listOffsets(tp, 'latest', 'read_committed'))[0]!.offset;
        if (untilMs === undefined) return;
        const cut = (await client.listOffsets(tp, untilMs))[0]!.offset;
        if (cut >= 0) standing.lastStable = Math.min(standing.lastStable, cut);
      }),
    ),
  );
}

/** Checks each log against its chain, and goes on past what an operator has signed for. */
async function checkLogs(
  { client, store, accepted, run, now }: TopicLoadOptions,
  topicId: string,
  standings: readonly Standing[],
): Promise<void> {
  await Promise.all(
    standings.map((standing) =>
      guarded(standing, async () => {
        const { logStart, highWatermark } = standing;
        const view: LogView = { topicId, logStart, highWatermark };
        const chain = standing.chain!;
        const problem = await logProblem(client, chain, view);
        if (problem === undefined) return;
        const sealer = { run, nowMs: now() };
        standing.chain = await acceptProblem(store, chain, { problem, view, accepted, sealer });
        standing.startHead = standing.chain.head;
      }),
    ),
  );
}

/** Checks each log against its chain, fixes what will be read, and makes observations and plan durable. */
async function plan(
  options: TopicLoadOptions,
  metadata: TopicMetadata,
  id: RunId,
  standings: Standing[],
  takenMs: number,
): Promise<PlannedPartition[]> {
  const { store, maxEvents, workers, settings } = options;
  const { taskOffsets } = settings.loader;
  await checkLogs(options, metadata.topicId, standings);
  const ready = standings.filter(({ error }) => error === undefined);
  const planned = planLoad(
    ready.map(({ partition, chain, lastStable }) => ({ partition, head: chain!.head, end: lastStable })),
    { maxEvents, workers, taskOffsets },
  );
  const observations = ready.map(
    ({ partition, chain, highWatermark }): Observation => ({
      partition,
      topicId: chain!.base.topicId,
      headRead: chain!.head,
      timeMs: takenMs,
      highWatermark,
    }),
  );
  const ranges = planned.map(({ partition, range }) => ({ partition, ...range }));
  await writePlan(store, id, {
    v: 1,
    run: id.run,
    topic: id.topic,
    takenAt: new Date(takenMs).toISOString(),
    observations,
    ranges,
  });
  return planned;
}

/** What becomes of records without a value: in a compacted topic they are deletions and no events, elsewhere they are faults. */
export async function tombstoneRule(
  { client, settings }: Pick<TopicLoadOptions, 'client' | 'settings'>,
  topic: string,
): Promise<Tombstones> {
  const policy = async () =>
    (await client.topicSetting(topic, 'cleanup.policy'))?.split(',').map((word) => word.trim());
  return (
    settings.topics[topic]?.tombstones ?? ((await policy())?.includes('compact') ? 'skip' : 'quarantine')
  );
}

function topicRun(
  options: TopicLoadOptions,
  metadata: TopicMetadata,
  schema: EventSchema | undefined,
  tombstones: Tombstones,
  takenMs: number,
  markedHours: ReadonlySet<Hour>,
): TopicRun {
  const { store, client, pool, now, run, settings, spoolDirectory } = options;
  const { loader } = settings;
  const skewAfterMs = takenMs + loader.eventTimeMaxAheadMs;
  return {
    store,
    client,
    pool,
    now,
    run,
    made: new MadeDirectories(store),
    schema,
    markedHours,
    planTakenMs: takenMs,
    lateBeforeMs: takenMs - loader.lateHorizonHours * HOUR_MS,
    skewAfterMs,
    look: async (partition) => {
      const { topics: found } = await client.metadata([metadata.name]);
      return await viewLog(client, metadata.name, partition, found[0]?.topicId ?? metadata.topicId);
    },
    task: {
      bounds: { minTimeUs: Date.parse(loader.eventTimeMin) * US_PER_MS, maxTimeUs: skewAfterMs * US_PER_MS },
      tombstones,
      client: settings.client,
      loader,
      webhdfs: settings.webhdfs,
      registry: settings.schemas,
      spoolDirectory,
    },
  };
}

async function loadPlanned(
  run: TopicRun,
  standings: readonly Standing[],
  planned: readonly PlannedPartition[],
): Promise<void> {
  await Promise.all(
    planned.map((one) => {
      const standing = standings.find(({ partition }) => partition === one.partition)!;
      return guarded(standing, async () => {
        Object.assign(standing, await loadPartition(run, standing.chain!, one));
      });
    }),
  );
}

function loadedOf(topic: string, standings: readonly Standing[]): GroupOffset[] {
  return standings.flatMap(({ partition, chain, error }) =>
    chain === undefined || error !== undefined
      ? []
      : { topic, partition, offset: chain.head, leaderEpoch: lastEpochOf(chain) },
  );
}

function outcomeOf(
  topic: string,
  standings: readonly Standing[],
  judgement: Judgement | undefined,
): TopicOutcome {
  const hours = new Set(
    standings.flatMap(({ commits }) => commits.flatMap(({ counts }) => Object.keys(counts.perHour))),
  );
  const partitions = standings.map(
    ({ partition, chain, commits, startHead, highWatermark, seconds, error }): PartitionOutcome => {
      const files = commits.flatMap((commit) => commit.files).filter(({ role }) => role === 'data');
      const total = (count: (commit: Commit) => number) =>
        commits.reduce((sum, commit) => sum + count(commit), 0);
      return {
        partition,
        startOffset: commits[0]?.start ?? startHead,
        nextOffset: commits.at(-1)?.next ?? chain?.head ?? startHead,
        rows: total(({ counts }) => counts.data),
        quarantined: total(({ counts }) => counts.quarantined),
        late: total(({ counts }) => counts.lateInHour + counts.lateDir),
        files: files.length,
        bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
        seconds: Math.round(seconds * 1_000) / 1_000,
        caughtUp: error === undefined && chain !== undefined && chain.head >= highWatermark,
        error: error ?? null,
      };
    },
  );
  return { topic, partitions, hours: [...hours].sort(), marked: judgement?.marked ?? [], error: null };
}
