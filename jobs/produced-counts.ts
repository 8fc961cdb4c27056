/**
 * The records of the topic `_audit`: what producers say they sent, by hour of event time. A producer run counts what was
 * acknowledged and says it in numbered records, each with what came since the one before; so a run that dies has said too
 * little, never too much, and a record that is read twice is known by its number. docs/formats.md has the form.
 */
import { z } from 'zod';
import { type Hour, type HourIndex, parseHour } from '../loader/hour.ts';

/** The topic of the counts: millrace's own, no stream of events. */
export const AUDIT_TOPIC = '_audit';
/** A record has hardly more hours than this, so that it fits a batch. */
export const HOURS_MAX = 4_096;

const count = z.int().min(1);
const hours = z.record(
  z.string().refine((hour) => parseHour(hour) !== undefined),
  count,
);

const producedCounts = z.strictObject({
  v: z.literal(1),
  /** The topic whose events are counted. */
  topic: z.string(),
  /** As it stands in the headers of the run's record batches; each run has its own. */
  producerId: z.int().min(0),
  /** Number of the record in its run and topic, from 0 without a gap. */
  seq: z.int().min(0),
  /** The command: `ingest`, `generate`. */
  by: z.string(),
  at: z.iso.datetime(),
  /** Events acknowledged since the record before, by the hour that a load puts them into. */
  hours,
  /** Events so far in the future that the time of the load decides: accepted or refused. Each stands at both its hours. */
  unsure: hours.optional(),
  /** Whether the run has ended: it sent no event that is in no record. */
  last: z.boolean(),
});

export type ProducedCounts = z.infer<typeof producedCounts>;

export const encodeCounts = (counts: ProducedCounts): Buffer =>
  Buffer.from(JSON.stringify(producedCounts.parse(counts)));

/** Undefined: it is no record of counts, or one of another version. */
export function decodeCounts(value: Buffer | null): ProducedCounts | undefined {
  try {
    return producedCounts.parse(JSON.parse((value ?? '').toString()));
  } catch {
    return undefined; // anybody may write to a topic: the reader says how many it passed over
  }
}

/** Adds to the count of an hour. */
export function addTo<H extends Hour | HourIndex>(counts: Map<H, number>, hour: H, n: number): void {
  counts.set(hour, (counts.get(hour) ?? 0) + n);
}
