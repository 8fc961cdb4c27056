/**
 * Sends generated activity to a topic, keyed by visitor.
 *
 * A record's timestamp is the clock's, unless `timestamps: 'event'` is asked for: brokers delete by it, and a backfill
 * that starts beyond the retention time would be gone before it is loaded. With it, `load --until` and `tail --from` find
 * generated records by the time of their events.
 */
import { type ActivityOptions, generateActivity } from './activity-generator.ts';
import type { RecordSink } from './record-sink.ts';

/** What `generate` is told besides what to generate. */
export interface GenerateOptions extends ActivityOptions {
  topic: string;
  /** Wall clock, ms. */
  now: () => number;
  timestamps?: 'now' | 'event';
  /** Called every few thousand events; the object is the running one. */
  onProgress?: (counts: Readonly<GenerateCounts>) => void;
  /** Stops: what was sent is flushed, then the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** What was sent so far. `bytes`: of the records' values. */
export interface GenerateCounts {
  events: number;
  bytes: number;
}

const PROGRESS_EVENTS = 4_096;

/** Generates and sends all events, and flushes the sink. Yields to other work of the process at each progress call. */
export async function generate(options: GenerateOptions, sink: RecordSink): Promise<GenerateCounts> {
  const counts: GenerateCounts = { events: 0, bytes: 0 };
  let nowMs = options.now();
  for (const { json, visitorId, timeMs } of generateActivity(options)) {
    const value = Buffer.from(json);
    const timestampMs = options.timestamps === 'event' ? timeMs : nowMs;
    const pause = sink.send(options.topic, { key: Buffer.from(visitorId), value, timestampMs });
    if (pause !== undefined) await pause;
    counts.events++;
    counts.bytes += value.length;
    if (counts.events % PROGRESS_EVENTS === 0) {
      options.onProgress?.(counts);
      await new Promise((resolve) => setImmediate(resolve));
      if (options.signal?.aborted) break;
      nowMs = options.now();
    }
  }
  await sink.flush();
  options.onProgress?.(counts);
  options.signal?.throwIfAborted();
  return counts;
}
