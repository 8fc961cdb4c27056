/**
 * The audit: for every hour, what the broker's log holds against what the records of the table say against what is in its
 * files; and before them, where producers count, what these say they sent. All are counted apart, so a fault in one shows
 * against the others.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import { KafkaError } from '../broker/protocol/errors.ts';
import type { Settings } from '../config/settings.ts';
import { boundsOf, type LiveFile } from '../loader/fold.ts';
import type { Hour } from '../loader/hour.ts';
import { listMarkedHours, newestMarker } from '../loader/hour-marker.ts';
import type { RowCopier } from '../loader/row-copier.ts';
import { viewLog } from '../loader/same-log.ts';
import type { Store } from '../loader/store/store.ts';
import { readTopicState, type TopicState } from '../loader/table-state.ts';
import { tombstoneRule } from '../loader/topic-load.ts';
import { decodersOf } from '../loader/value-decoders.ts';
import { findSchema } from '../schemas/event-schema.ts';
import { countFiles } from './audit-files.ts';
import { countLog, type LogAuditOptions, type LogCounts } from './audit-log.ts';
import {
  compareHour,
  type ProducedHour,
  type ProducerRuns,
  producedProblems,
  readProducerRuns,
} from './audit-produced.ts';
import { type AuditedHour, verdictOf } from './audit-verdict.ts';

/** Audits of a table that a run changes meanwhile, or of a log that retention does. */
const LOOKS = 3;

export interface AuditOptions {
  store: Store;
  client: KafkaClient;
  topic: string;
  settings: Pick<Settings, 'client' | 'loader' | 'webhdfs' | 'topics' | 'schemas'>;
  copier: RowCopier;
  localDirectory: string;
  /** First and last hour, both included. */
  from?: Hour | undefined;
  to?: Hour | undefined;
  now: () => number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  warn: (message: string) => void;
}

export interface AuditResult {
  topic: string;
  hours: AuditedHour[];
  /** Whether no hour is SHORT or OVER. */
  ok: boolean;
}

/** Audits the hours of a topic. Throws if it has no table, or a chain is broken. */
export async function audit(options: AuditOptions): Promise<AuditResult> {
  for (let look = 1; ; look++) {
    const state = await readTopicState(options.store, options.topic);
    const result = await auditState(options, state).catch((error: unknown) => {
      // Retention took records between the look where the log begins and their reading: it begins elsewhere now.
      if (look < LOOKS && error instanceof KafkaError && error.error === 'OFFSET_OUT_OF_RANGE')
        return undefined;
      throw error;
    });
    if (result === undefined) continue;
    if (result.ok || look === LOOKS) return result;
    // A run may have changed the table between the records and the files.
    if (isSameState(await readTopicState(options.store, options.topic), state)) return result;
  }
}

async function auditState(options: AuditOptions, state: TopicState): Promise<AuditResult> {
  const { store, client, topic, settings, from, to, onProgress, warn } = options;
  if (state.chains.size === 0)
    throw new Error(`topic "${topic}" has no table in ${store.url}; load it first`);
  const marked = new Set(await listMarkedHours(store, topic));
  // Before the log: what was said by then must be in it.
  const runs = await readProducerRuns(client, topic, { maxBytes: settings.loader.fetchBytes, warn });
  const log = await readLog(options, state, runs);
  const { loaded, ahead } = log.counts;
  const said = [...runs.values()].flatMap((run) => [...run.said.keys()]);
  const expiredBefore = state.log.expiredBefore ?? '';
  const known = new Set([
    ...[...byHour(state).keys(), ...marked, ...loaded.keys(), ...ahead.keys()],
    ...said.filter((hour) => hour >= expiredBefore),
  ]);
  const hours = [...known].filter((hour) => (!from || hour >= from) && (!to || hour <= to)).sort();
  const newestMarked = [...marked].sort().at(-1) ?? '';
  const audited: AuditedHour[] = [];
  for (const [done, hour] of hours.entries()) {
    onProgress?.(done, hours.length);
    audited.push(
      await auditHour(options, hour, { state, runs, log, complete: marked.has(hour), newestMarked }),
    );
  }
  onProgress?.(hours.length, hours.length);
  const ok = audited.every(({ verdict }) => verdict === 'OK' || verdict === 'PENDING');
  return { topic, hours: audited, ok };
}

const isSameState = (a: TopicState, b: TopicState) =>
  a.log.seq === b.log.seq && [...a.live.keys()].join() === [...b.live.keys()].join();

function byHour(state: TopicState): Map<Hour, LiveFile[]> {
  return Map.groupBy(state.live.values(), ({ hour }) => hour);
}

/** What the log could tell: counts, and where each partition's log begins. */
interface LogAudit {
  counts: LogCounts;
  logStarts: ReadonlyMap<number, number>;
  /** A compacted log has dropped records that were loaded: its counts say nothing. */
  isCountable: boolean;
  /** Whether it has every record that ever was in it. */
  isWhole: boolean;
  /** Whether every record that was acknowledged was counted: none waits for a transaction, no partition was left out. */
  isAllRead: boolean;
}

async function readLog(
  options: AuditOptions,
  { chains, log }: TopicState,
  runs: ProducerRuns,
): Promise<LogAudit> {
  const { client, topic, settings, localDirectory, now, signal } = options;
  const byProducer = new Map([...runs.keys()].map((id) => [id, new Map<Hour, number>()]));
  const counts: LogCounts = { loaded: new Map(), ahead: new Map(), byProducer };
  const logStarts = new Map<number, number>();
  const policy = await client.topicSetting(topic, 'cleanup.policy');
  const isCountable = !policy?.includes('compact');
  const schema = await findSchema(topic, settings);
  const tombstones = await tombstoneRule(options, topic);
  const { topics } = await client.metadata([topic], { autoCreate: false });
  const topicId = topics[0]?.topicId ?? '';
  let isAllRead = topics[0]?.partitions.every(({ partition }) => chains.has(partition)) ?? false;
  const how: LogAuditOptions = {
    client,
    topic,
    schema,
    tombstones,
    loader: settings.loader,
    decoders: decodersOf(settings.schemas),
    spoolDirectory: localDirectory,
    expiredBefore: log.expiredBefore,
    nowMs: now(),
    signal,
  };
  for (const chain of chains.values()) {
    const view = await viewLog(client, topic, chain.partition, topicId);
    logStarts.set(chain.partition, view.logStart);
    if (!isCountable || view.highWatermark <= view.logStart) continue;
    const tp = { topic, partition: chain.partition };
    const [stable] = await client.listOffsets([tp], 'latest', 'read_committed');
    if (stable!.offset < view.highWatermark) isAllRead = false;
    const first = Math.max(view.logStart, boundsOf(chain)[0]?.start ?? chain.head);
    // What lies before the first load is no part of the table, but producers said it.
    if (runs.size > 0)
      await countLog(how, chain, { from: view.logStart, until: first }, { ...NO_COUNTS(), byProducer });
    await countLog(how, chain, { from: first, until: stable!.offset }, counts);
  }
  const isFirst = [...chains.values()].every(({ base }) => base.incarnation === 0);
  const isWhole = isCountable && isFirst && [...logStarts.values()].every((start) => start === 0);
  return { counts, logStarts, isCountable, isWhole, isAllRead };
}

const NO_COUNTS = () => ({ loaded: new Map<Hour, number>(), ahead: new Map<Hour, number>() });

interface HourInputs {
  state: TopicState;
  runs: ProducerRuns;
  log: LogAudit;
  complete: boolean;
  newestMarked: Hour;
}

async function auditHour(options: AuditOptions, hour: Hour, inputs: HourInputs): Promise<AuditedHour> {
  const { state, log, complete } = inputs;
  const live = byHour(state).get(hour) ?? [];
  const { rows, isSame, problems } = await countFiles(options, hour, live);
  const total = (role?: LiveFile['role']) =>
    live.reduce((sum, file) => (role === undefined || file.role === role ? sum + file.rows : sum), 0);
  const counts = {
    broker: isCovered(state, live, log) ? (log.counts.loaded.get(hour) ?? 0) : null,
    ahead: log.counts.ahead.get(hour) ?? 0,
    loader: total(),
    files: rows.data + rows.late + rows.quarantine,
    isSame,
    complete,
  };
  // What came late into the hour itself only its marker tells from what was there before.
  const marker = complete ? await newestMarker(options.store, options.topic, hour) : undefined;
  const produced = producedOf(hour, inputs, counts.loader, counts.ahead);
  const { ahead: _, isSame: __, ...shown } = counts;
  return {
    hour,
    ...(produced && { produced: produced.produced }),
    ...shown,
    late: (marker?.late.inHour ?? 0) + total('late'),
    quarantined: total('quarantine'),
    verdict: verdictOf({ ...counts, fromProducers: produced }),
    problems: produced ? [...problems, ...producedProblems(options.topic, hour, produced)] : problems,
  };
}

/** What producers say of an hour against what came of it; `isSettled`: nothing more can come that would mend it. */
function producedOf(
  hour: Hour,
  { state, runs, log, complete, newestMarked }: HourInputs,
  loaded: number,
  ahead: number,
): (ProducedHour & { isSettled: boolean }) | undefined {
  const { byProducer } = log.counts;
  const { isWhole: isWholeLog, isAllRead } = log;
  // A table that was begun at the end of a log was never to have what was before; without that log nobody can tell it apart.
  const isPartial = [...state.chains.values()].some(({ base }) => base.policy === 'latest');
  if (!isWholeLog && (isPartial || !log.isCountable)) return undefined;
  const found = compareHour(runs, { hour, isWholeLog, byProducer, total: loaded + ahead });
  // An hour that nothing came of bears no marker if it lies before all others: a later marker says that it is over.
  const isOver = complete || (loaded === 0 && ahead === 0 && hour < newestMarked);
  return found && { ...found, isSettled: isOver && isAllRead };
}

/** Whether the log still has every offset whose rows are in these files. */
function isCovered(
  { chains }: TopicState,
  live: readonly LiveFile[],
  { logStarts, isCountable }: LogAudit,
): boolean {
  return (
    isCountable &&
    live.every(({ parts }) =>
      parts.every(
        ({ partition, incarnation, minOffset }) =>
          minOffset >= (logStarts.get(partition) ?? Number.POSITIVE_INFINITY) &&
          incarnation === chains.get(partition)?.base.incarnation,
      ),
    )
  );
}
