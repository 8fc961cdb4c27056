/**
 * The audit: for every hour, what the broker's log holds against what the records of the table say against what is in its
 * files. The three are counted apart, so a fault in one shows against the others.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Settings } from '../config/settings.ts';
import { boundsOf, type LiveFile } from '../loader/fold.ts';
import type { Hour } from '../loader/hour.ts';
import { listMarkedHours } from '../loader/hour-marker.ts';
import type { RowCopier } from '../loader/row-copier.ts';
import { viewLog } from '../loader/same-log.ts';
import type { Store } from '../loader/store/store.ts';
import { readTopicState, type TopicState } from '../loader/table-state.ts';
import { tombstoneRule } from '../loader/topic-load.ts';
import { findSchema } from '../schemas/event-schema.ts';
import { countFiles } from './audit-files.ts';
import { countLog, type LogCounts } from './audit-log.ts';
import { type AuditedHour, verdictOf } from './audit-verdict.ts';

/** Audits of a table that a run changes meanwhile. */
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
    const result = await auditState(options, state);
    if (result.ok || look === LOOKS) return result;
    // A run may have changed the table between the records and the files.
    if (isSameState(await readTopicState(options.store, options.topic), state)) return result;
  }
}

async function auditState(options: AuditOptions, state: TopicState): Promise<AuditResult> {
  const { store, topic, from, to, onProgress } = options;
  if (state.chains.size === 0)
    throw new Error(`topic "${topic}" has no table in ${store.url}; load it first`);
  const marked = new Set(await listMarkedHours(store, topic));
  const log = await readLog(options, state);
  const { loaded, ahead } = log.counts;
  const known = new Set([...byHour(state).keys(), ...marked, ...loaded.keys(), ...ahead.keys()]);
  const hours = [...known].filter((hour) => (!from || hour >= from) && (!to || hour <= to)).sort();
  const audited: AuditedHour[] = [];
  for (const [done, hour] of hours.entries()) {
    onProgress?.(done, hours.length);
    audited.push(await auditHour(options, hour, { state, log, complete: marked.has(hour) }));
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
}

async function readLog(options: AuditOptions, { chains, log }: TopicState): Promise<LogAudit> {
  const { client, topic, settings, localDirectory, now, signal } = options;
  const counts: LogCounts = { loaded: new Map(), ahead: new Map() };
  const logStarts = new Map<number, number>();
  const policy = await client.topicSetting(topic, 'cleanup.policy');
  const isCountable = !policy?.includes('compact');
  const schema = await findSchema(topic, settings);
  const tombstones = await tombstoneRule(options, topic);
  const { topics } = await client.metadata([topic], { autoCreate: false });
  const topicId = topics[0]?.topicId ?? '';
  for (const chain of chains.values()) {
    const view = await viewLog(client, topic, chain.partition, topicId);
    logStarts.set(chain.partition, view.logStart);
    const from = Math.max(view.logStart, boundsOf(chain)[0]?.start ?? chain.head);
    if (!isCountable || view.highWatermark <= from) continue;
    const [stable] = await client.listOffsets(
      [{ topic, partition: chain.partition }],
      'latest',
      'read_committed',
    );
    await countLog(
      {
        client,
        topic,
        schema,
        tombstones,
        loader: settings.loader,
        spoolDirectory: localDirectory,
        expiredBefore: log.expiredBefore,
        nowMs: now(),
        signal,
      },
      chain,
      { from, until: stable!.offset },
      counts,
    );
  }
  return { counts, logStarts, isCountable };
}

async function auditHour(
  options: AuditOptions,
  hour: Hour,
  { state, log, complete }: { state: TopicState; log: LogAudit; complete: boolean },
): Promise<AuditedHour> {
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
  const { ahead: _, isSame: __, ...shown } = counts;
  return {
    hour,
    ...shown,
    late: total('late'),
    quarantined: total('quarantine'),
    verdict: verdictOf(counts),
    problems,
  };
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
