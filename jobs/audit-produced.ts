/**
 * What producers say they sent, against the log: the tier of the audit before the broker. Only producers that count say
 * anything (setting `producer.auditCounts`); what others write is left out, told apart by the producer ids of the batches.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import { fetchRange } from '../broker/client/fetch-range.ts';
import { batchesOf, recordsOf } from '../broker/protocol/record-batch.ts';
import type { TopicPartition } from '../broker/topic-partition.ts';
import type { Hour } from '../loader/hour.ts';
import { AUDIT_TOPIC, addTo, decodeCounts, type ProducedCounts } from './produced-counts.ts';

/** What one producer said of a topic. */
export interface ProducerRun {
  by: string;
  said: Map<Hour, number>;
  /** Events that the time of the load puts into this hour or into another. */
  unsure: Map<Hour, number>;
  /** Whether nothing it said is missing, up to its last record: it sent no more than it said. */
  isWhole: boolean;
}

/** Runs by their producer id. */
export type ProducerRuns = ReadonlyMap<number, ProducerRun>;

/** The counts of a topic, record after record. Pure; docs/formats.md has the rules. */
export class ProducerTally {
  readonly runs = new Map<number, ProducerRun & { next: number; hasHole: boolean }>();
  /** Records of other forms. */
  unknown = 0;
  readonly #topic: string;

  constructor(topic: string) {
    this.#topic = topic;
  }

  /** Takes the value of a record; those of other topics say nothing here. */
  add(value: Buffer | null): void {
    const counts = decodeCounts(value);
    if (counts === undefined) this.unknown++;
    else if (counts.topic === this.#topic) this.#take(counts);
  }

  #take({ producerId, seq, by, hours, unsure = {}, last }: ProducedCounts): void {
    const run = this.runs.get(producerId) ?? {
      by,
      said: new Map(),
      unsure: new Map(),
      isWhole: false,
      next: 0,
      hasHole: false,
    };
    this.runs.set(producerId, run);
    if (seq < run.next) return; // sent again
    // Such as retention leaves: what else the run said is not known.
    run.hasHole ||= seq > run.next;
    run.next = seq + 1;
    run.isWhole = last && !run.hasHole;
    for (const [hour, events] of Object.entries(hours)) addTo(run.said, hour, events);
    for (const [hour, events] of Object.entries(unsure)) addTo(run.unsure, hour, events);
  }
}

/** Reads what producers said of a topic. Empty where nobody counts. */
export async function readProducerRuns(
  client: KafkaClient,
  topic: string,
  { maxBytes, warn }: { maxBytes: number; warn: (message: string) => void },
): Promise<ProducerRuns> {
  const tally = new ProducerTally(topic);
  const { topics } = await client.metadata([AUDIT_TOPIC], { autoCreate: false });
  for (const { partition } of topics[0]?.error === undefined ? (topics[0]?.partitions ?? []) : []) {
    const tp: TopicPartition = { topic: AUDIT_TOPIC, partition };
    const [until] = await client.listOffsets([tp], 'latest', 'read_committed');
    const [from] = await client.listOffsets([tp], 'earliest');
    const range = { from: from!.offset, until: until!.offset };
    if (range.until <= range.from) continue;
    for await (const { bytes, release } of fetchRange(client, tp, range, {
      maxBytes,
      isolation: 'read_committed',
    })) {
      for (const { at, header } of batchesOf(bytes))
        for (const { value } of recordsOf(bytes, at, header)) tally.add(value);
      release();
    }
  }
  if (tally.unknown > 0)
    warn(
      `${AUDIT_TOPIC}: ${tally.unknown} records are no counts of this version and were passed over; look who writes there`,
    );
  return tally.runs;
}

/** What the log and the table can tell of an hour, to compare with. */
export interface ArrivedHour {
  hour: Hour;
  /** Whether the log has every record that was ever in it: then each producer is compared by itself. */
  isWholeLog: boolean;
  byProducer: ReadonlyMap<number, ReadonlyMap<Hour, number>>;
  /** All that came, of whomever: loaded, and in the log above that. */
  total: number;
}

/** What producers said of an hour, and what is wrong with it. */
export interface ProducedHour {
  produced: number;
  /** Said, but nowhere. */
  missing: number;
  /** There, but not said by producers that said all. */
  surplus: number;
  /** Producers that have not said all, with the events they have not told of. */
  unfinished: { producerId: number; by: string; events: number }[];
}

/** Compares an hour; undefined: no producer said anything of it. Pure. */
export function compareHour(
  runs: ProducerRuns,
  { hour, isWholeLog, byProducer, total }: ArrivedHour,
): ProducedHour | undefined {
  const result: ProducedHour = { produced: 0, missing: 0, surplus: 0, unfinished: [] };
  for (const [producerId, { by, said, unsure, isWhole }] of runs) {
    const events = said.get(hour) ?? 0;
    const there = byProducer.get(producerId)?.get(hour) ?? 0;
    result.produced += events;
    if (!isWholeLog) continue;
    result.missing += Math.max(0, events - there);
    const over = Math.max(0, there - events - (unsure.get(hour) ?? 0));
    if (isWhole) result.surplus += over;
    else if (over > 0) result.unfinished.push({ producerId, by, events: over });
  }
  if (result.produced === 0 && result.surplus === 0) return undefined;
  // Retention has taken records that may have been loaded before: only the sum can be held against what came.
  if (!isWholeLog) result.missing = Math.max(0, result.produced - total);
  return result;
}

/** The same in words, a line each. */
export function producedProblems(
  topic: string,
  hour: Hour,
  { produced, missing, surplus, unfinished }: ProducedHour,
): string[] {
  const lines = unfinished.map(
    ({ producerId, by, events }) =>
      `${topic}: producer ${producerId} (${by}) has not said its last counts, ${events} of its events of ${hour} are in none; it is at work, or was killed`,
  );
  if (missing > 0)
    lines.push(
      `${topic}: producers sent ${produced} events of ${hour}, ${missing} of them are not there; the log lost them: see broker.log.flush and the retention of the topic, and send them again`,
    );
  if (surplus > 0)
    lines.push(
      `${topic}: the log has ${surplus} events of ${hour} more than their producers sent; they stand twice in the log, look who wrote them`,
    );
  return lines;
}
