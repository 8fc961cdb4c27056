/**
 * A table made without a broker: commits whose files hold the offsets they stand for, as text, through the real chain,
 * publish and apply. For tests about records and names, where the rows themselves don't matter.
 */
import { applyCommit } from '../../loader/apply.ts';
import type { Commit, DataFile } from '../../loader/commit.ts';
import { newAttempt, publishCommit, rootChain } from '../../loader/commit-chain.ts';
import { asDataFile } from '../../loader/fold.ts';
import { attemptDirectory, finalName } from '../../loader/paths.ts';
import type { Published } from '../../loader/publish.ts';
import { type RecoveredTopic, recoverChain } from '../../loader/recover.ts';
import type { Rewrite } from '../../loader/rewrite.ts';
import { rewriteTopic } from '../../loader/rewrite-topic.ts';
import { RowDigest } from '../../loader/row-digest.ts';
import type { Store } from '../../loader/store/store.ts';

export const MADE_HOUR = '2026-03-01T00';
export const MADE_AT = '2026-03-02T00:00:00.000Z';

/** Roots a partition's chain at offset 0, unless it has one. */
export async function rootMade(store: Store, topic: string, partition: number): Promise<void> {
  const base = { topic, topicId: 'id', partition, incarnation: 0, head: 0, policy: 'earliest' as const };
  await rootChain(store, { ...base, createdAt: MADE_AT, rewriteSeq: 0 });
}

/** The entry of a file with the offsets [from, next) of a partition. */
export function madeFile(
  { partition, incarnation = 0, from, next, rewrite = 0, part = 0, hour = MADE_HOUR }: MadeRange,
  staged: string,
): DataFile {
  const digest = new RowDigest(partition);
  for (let offset = from; offset < next; offset++) digest.add(offset);
  return {
    role: 'data',
    staged,
    final: finalName('data', hour, { partition, incarnation, from, next, rewrite, part }),
    hour,
    rows: next - from,
    bytes: madeBody(partition, from, next).length,
    minOffset: from,
    maxOffset: next - 1,
    minTime: 0,
    maxTime: 0,
    digest: digest.toString(),
  };
}

export interface MadeRange {
  partition: number;
  incarnation?: number;
  from: number;
  next: number;
  rewrite?: number;
  part?: number;
  hour?: string;
}

/** What such a file holds: `3:17` for offset 17 of partition 3, one a line. */
export const madeBody = (partition: number, from: number, next: number) =>
  Array.from({ length: next - from }, (_, i) => `${partition}:${from + i}\n`).join('');

/** Loads the next `rows` offsets of a partition in one file; `lost` if another loader was faster. */
export async function commitMade(
  store: Store,
  topic: string,
  { partition, rows, hour = MADE_HOUR }: { partition: number; rows: number; hour?: string },
): Promise<Published> {
  const { head: start, headSha256, generation, base } = (await recoverChain(store, topic, partition))!;
  const [attempt, next, incarnation] = [newAttempt(), start + rows, base.incarnation];
  const staging = attemptDirectory(topic, { kind: 'commit', partition, generation, start }, attempt);
  const staged = `${staging}/000-000.staged`;
  await store.create(staged, madeBody(partition, start, next));
  const file = madeFile({ partition, incarnation, from: start, next, hour }, staged.slice(topic.length + 1));
  const none = { lateInHour: 0, lateDir: 0, quarantined: 0, filtered: 0 };
  const record: Commit = {
    v: 1,
    kind: 'data',
    topic,
    topicId: base.topicId,
    incarnation,
    partition,
    start,
    next,
    prevSha256: headSha256,
    run: 'made',
    attempt,
    planTakenAt: MADE_AT,
    committedAt: MADE_AT,
    leaderEpoch: 0,
    last: { baseOffset: start, crc: 0 },
    lateBefore: MADE_AT,
    skewAfter: MADE_AT,
    schema: { name: 'raw', sha256: '0'.repeat(64) },
    files: [file],
    counts: { read: rows, data: rows, ...none, perHour: { [hour]: rows } },
  };
  const published = await publishCommit(store, generation, record);
  if (published === 'won') await applyCommit(store, record, generation, true);
  return published;
}

/** Merges all live files into one of the hour, as a compaction would; nothing where there is none. */
export async function mergeMade(table: RecoveredTopic): Promise<Rewrite | undefined> {
  const by = { run: 'merge', now: () => Date.parse(MADE_AT) };
  return await rewriteTopic(table, by, async ({ live }, { seq, staging }) => {
    const removes = [...live.values()].map(asDataFile);
    if (removes.length === 0) return undefined;
    const next = removes.reduce((sum, { rows }) => sum + rows, 0);
    const add = madeFile({ partition: 0, from: 0, next, rewrite: seq }, `${staging}/000-000.staged`);
    await table.store.create(`${table.topic}/${add.staged}`, madeBody(0, 0, next));
    return { kind: 'compact', removes, adds: [add] };
  });
}
