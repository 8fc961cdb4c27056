/**
 * What was produced, when, and where it belongs: known from the generator, not from the loader. The tests' clock is
 * their own: it stands in the small hours of 2026-03-01, so that hours end when a test wants them to.
 */
import { SECOND_MS, webRequest } from '../../support/events.ts';
import { sendRecords } from '../../support/load-topic.ts';

export const MIDNIGHT_MS = Date.parse('2026-03-01T00:00:00Z');
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
/** As in the settings. */
export const GRACE_MS = 5 * MINUTE_MS;
/** Every so many-th record is refused. */
const REFUSED_EVERY = 10;

/** `2026-03-01T01` of the hour 1. */
export const hourName = (hour: number) => new Date(MIDNIGHT_MS + hour * HOUR_MS).toISOString().slice(0, 13);

/** A record of the log. `hour` is undefined if the loader must refuse it; `n` is in its column `bytes`. */
export interface Produced {
  incarnation: number;
  partition: number;
  offset: number;
  n: number;
  hour: number | undefined;
  producedMs: number;
}

export const keyOf = ({ incarnation, partition, offset }: Omit<Produced, 'n' | 'hour' | 'producedMs'>) =>
  `${incarnation}/${partition}/${offset}`;

/** One round of production: so many records to each partition, the hours in turn, at a time of the tests' clock. */
export interface Round {
  each: number;
  partitions: readonly number[];
  hours: readonly number[];
  atMs: number;
}

/** Event times that the loader refuses by its settings' defaults. */
const isWild = (hour: number, atMs: number) => {
  const timeMs = MIDNIGHT_MS + hour * HOUR_MS;
  return timeMs < Date.parse('1990-01-01T00:00:00Z') || timeMs > atMs + 24 * HOUR_MS;
};

export class TopicTruth {
  readonly topic: string;
  readonly produced = new Map<string, Produced>();
  readonly #ends = new Map<string, number>();
  #n = 0;
  incarnation = 0;

  constructor(topic: string) {
    this.topic = topic;
  }

  /** Sends a round and notes what it was. */
  async produce(address: string, { each, partitions, hours, atMs }: Round): Promise<void> {
    const records: { value: string; partition: number; timestampMs: number }[] = [];
    for (const partition of partitions)
      for (let i = 0; i < each; i++) {
        const n = this.#n++;
        const isRefused = n % REFUSED_EVERY === REFUSED_EVERY - 1;
        const hour = hours[i % hours.length]!;
        records.push({ value: isRefused ? 'not json' : webRequest(n, hour), partition, timestampMs: atMs });
        this.#note(partition, n, isRefused || isWild(hour, atMs) ? undefined : hour, atMs);
      }
    await sendRecords(address, this.topic, records);
  }

  #note(partition: number, n: number, hour: number | undefined, producedMs: number): void {
    const end = `${this.incarnation}/${partition}`;
    const offset = this.#ends.get(end) ?? 0;
    this.#ends.set(end, offset + 1);
    const record = { incarnation: this.incarnation, partition, offset, n, hour, producedMs };
    this.produced.set(keyOf(record), record);
  }

  /** The next offset of a partition. */
  end(partition: number): number {
    return this.#ends.get(`${this.incarnation}/${partition}`) ?? 0;
  }

  /** For a case that forgets. */
  clone(): TopicTruth {
    const copy = new TopicTruth(this.topic);
    for (const [key, record] of this.produced) copy.produced.set(key, record);
    return copy;
  }

  /** Forgets what was never to be loaded: the log lost it, or a load began after it. */
  forget(isForgotten: (record: Produced) => boolean): void {
    for (const [key, record] of this.produced)
      if (isForgotten(record)) {
        this.produced.delete(key);
      }
  }

  /** The log lost its end: the next record of the partition gets this offset. */
  cut(partition: number, end: number): void {
    this.#ends.set(`${this.incarnation}/${partition}`, end);
  }

  /** What has to be visible if an hour bears a marker: all that was acknowledged by its end and the grace. */
  dueIn(hour: number): Produced[] {
    const untilMs = MIDNIGHT_MS + (hour + 1) * HOUR_MS + GRACE_MS;
    return [...this.produced.values()].filter((r) => r.hour === hour && r.producedMs < untilMs);
  }
}
