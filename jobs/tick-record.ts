/**
 * How each run of the schedule (a tick) ended, as a file a person can read, and as what the next run, perhaps of another
 * process, compares itself with to tell failures and recoveries once. Loads don't need it: what is loaded stands in the
 * chains alone.
 */
import { z } from 'zod';
import { TICKS_DIRECTORY, tickPath } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { failure, news } from './schedule-plan.ts';
import { readRecord, replaceRecord } from './small-record.ts';

const count = z.int().min(0);

export const tickTopic = z.strictObject({
  topic: z.string(),
  /** `behind`: the time budget ended before the log did. */
  state: z.enum(['done', 'behind', 'failed']),
  /** Attempts made. */
  attempts: count,
  rows: count,
  quarantined: count,
  hoursMarked: count,
  error: z.string().nullable(),
});
export type TickTopic = z.infer<typeof tickTopic>;

const tickRecord = z.strictObject({
  v: z.literal(1),
  tick: z.string(),
  /** Number of the runner. */
  runner: count,
  dueAt: z.iso.datetime(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  state: z.enum(['done', 'behind', 'failed']),
  /** Topics that got rows or did not end well; the others are counted. */
  topics: z.array(tickTopic),
  quiet: count,
  /** All that failed the last time it was tried. */
  failing: z.array(failure),
  /** Events that no hook has taken yet, oldest first. */
  untold: z.array(news),
});
export type TickRecord = z.infer<typeof tickRecord>;

export async function writeTick(store: Store, record: TickRecord): Promise<void> {
  await replaceRecord(store, tickPath(record.startedAt, record.tick), tickRecord.parse(record));
}

const names = async (store: Store) => (await store.list(TICKS_DIRECTORY)).map(({ name }) => name).sort();

/** The newest ticks, newest first; files that can't be read are passed over. */
export async function newestTicks(store: Store, limit: number): Promise<TickRecord[]> {
  const found: TickRecord[] = [];
  for (const name of (await names(store)).reverse()) {
    if (found.length >= limit) break;
    const record = await readRecord(store, `${TICKS_DIRECTORY}/${name}`, tickRecord);
    if (record) found.push(record);
  }
  return found;
}

/** Deletes ticks that began before a time. The newest stays: it knows what fails. */
export async function forgetTicks(store: Store, beforeMs: number): Promise<void> {
  const before = new Date(beforeMs).toISOString().replaceAll(':', '-');
  for (const name of (await names(store)).slice(0, -1))
    if (name < before) await store.remove(`${TICKS_DIRECTORY}/${name}`);
}
