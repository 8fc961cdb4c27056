/**
 * Which hours were marked since somebody looked last: for hooks that must hear of every complete hour at least once, and
 * for aggregates that need not look at ten years of hours every hour. One listing tells, because the directory of an
 * hour's markers changes its modification time with every marker; times are the store's, and compared only with each
 * other. The cursor moves only after what hangs on it was done, so a runner that dies in between says it again.
 */
import { z } from 'zod';
import type { Hour } from '../loader/hour.ts';
import { hourCursorPath, hoursDirectory } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { readRecord, replaceRecord } from './small-record.ts';

/** The store's clock may step back this far (another NameNode takes over) without an hour being missed. */
const CLOCK_STEP_MS = 10 * 60_000;

const cursor = z.strictObject({
  v: z.literal(1),
  /** What was done with the hours; if it becomes another thing, all of them are new. */
  purpose: z.string(),
  /** The newest modification time seen, by the store's clock. */
  seenMs: z.number(),
  /** Hours seen with times shortly before that: hour → time. */
  recent: z.record(z.string(), z.number()),
});
type HourCursor = z.infer<typeof cursor>;

/** Who has looked: each has a cursor of its own. */
export type CursorReader = 'aggregates' | 'hooks';

export interface ChangedHours {
  /** Ascending; undefined: nobody has looked yet, so all of them. */
  hours: Hour[] | undefined;
  /** Those not in `handled` stay to be told again. */
  advance(notHandled?: ReadonlySet<Hour>): Promise<void>;
}

/** The hours of a topic that were marked, for the first time or anew, since the reader's cursor moved last. */
export async function changedHours(
  store: Store,
  topic: string,
  reader: CursorReader,
  purpose = '',
): Promise<ChangedHours> {
  const path = hourCursorPath(reader, topic);
  const found = await readRecord(store, path, cursor);
  const before = found?.purpose === purpose ? found : undefined;
  const entries = (await store.list(hoursDirectory(topic))).map(({ name, modifiedMs }) => ({
    hour: name,
    modifiedMs,
  }));
  const isNew = ({ hour, modifiedMs }: { hour: Hour; modifiedMs: number }, { seenMs, recent }: HourCursor) =>
    modifiedMs > seenMs - CLOCK_STEP_MS && recent[hour] !== modifiedMs;
  const fresh = before && entries.filter((entry) => isNew(entry, before));
  return {
    hours: fresh?.map(({ hour }) => hour).sort(),
    async advance(notHandled = new Set()) {
      if (fresh?.length === 0) return;
      const done = entries.filter(({ hour }) => !notHandled.has(hour));
      const waiting = entries.filter(({ hour }) => notHandled.has(hour));
      // Not beyond what waits: it is found again by its time.
      const seenMs = Math.min(
        Math.max(before?.seenMs ?? 0, ...done.map(({ modifiedMs }) => modifiedMs)),
        ...waiting.map(({ modifiedMs }) => modifiedMs),
      );
      const recent = done.filter(({ modifiedMs }) => modifiedMs > seenMs - CLOCK_STEP_MS);
      await replaceRecord(
        store,
        path,
        cursor.parse({
          v: 1,
          purpose,
          seenMs,
          recent: Object.fromEntries(recent.map(({ hour, modifiedMs }) => [hour, modifiedMs])),
        }),
      );
    },
  };
}

/** Begins to look now, unless the reader has begun: hours marked before are no news. */
export async function beginCursor(store: Store, topic: string, reader: CursorReader): Promise<void> {
  if (await readRecord(store, hourCursorPath(reader, topic), cursor)) return;
  const { advance } = await changedHours(store, topic, reader);
  await advance();
}
