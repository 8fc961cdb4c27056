/**
 * A producer that counts: it hands every event on, and says in the topic `_audit` how many it sent for each hour, every so
 * often and at the end. Only acknowledged events are said, so the log never has fewer than that unless it lost some. The
 * hour of an event is found as a load finds it: by the guard and the judge of the topic's schema.
 */
import type { KafkaClient } from '../../broker/client/client.ts';
import type { Producer } from '../../broker/client/producer.ts';
import { KafkaError } from '../../broker/protocol/errors.ts';
import type { Settings } from '../../config/settings.ts';
import { HOUR_MS, type Hour, type HourIndex, hourName, hourOfUs } from '../../loader/hour.ts';
import type { EventSchema } from '../../schemas/event-schema.ts';
import { compileGuard } from '../../schemas/guard.ts';
import { compileJudge } from '../../schemas/judge.ts';
import { AUDIT_TOPIC, addTo, encodeCounts, HOURS_MAX } from '../produced-counts.ts';
import type { RecordSink, SinkRecord } from './record-sink.ts';

const US_PER_MS = 1_000;
/** Later events are refused whenever they are loaded. */
const LATEST_US = Date.UTC(2_255, 0) * US_PER_MS;
/** Events between two looks at the clock. */
const LOOK_EVENTS = 1_024;
const KEEP_MS = String(90 * 24 * HOUR_MS);

export interface CountedSinkOptions {
  topic: string;
  /** The topic's schema, from `findSchema`; undefined: raw. */
  schema: EventSchema | undefined;
  loader: Pick<Settings['loader'], 'eventTimeMin' | 'eventTimeMaxAheadMs' | 'graceMs'>;
  /** The command, for people. */
  by: string;
  /** Time between two records of counts. */
  intervalMs: number;
  now: () => number;
}

/** What the sink needs of a producer. */
export type CountableProducer = Pick<Producer, 'producerId' | 'send' | 'flush'>;

/** Makes the topic of the counts if it isn't there: one partition, kept longer than logs are. */
export async function createAuditTopic(client: KafkaClient): Promise<void> {
  const { topics } = await client.metadata([AUDIT_TOPIC], { autoCreate: false });
  if (topics[0]?.error === undefined && topics[0]?.partitions.length) return;
  const configs = { 'retention.ms': KEEP_MS };
  await client
    .createTopic(AUDIT_TOPIC, { partitions: 1, replication: -1, configs })
    .catch((error: unknown) => {
      if (!(error instanceof KafkaError) || error.error !== 'TOPIC_ALREADY_EXISTS') throw error;
    });
}

/** Takes the events of one run to one topic. `close` says the last counts; until then the run counts as unfinished. */
export class CountedSink implements RecordSink {
  readonly #options: CountedSinkOptions;
  readonly #producer: CountableProducer;
  readonly #timeOf: (value: Buffer) => number;
  #hours = new Map<HourIndex, number>();
  #unsure = new Map<HourIndex, number>();
  #seq = 0;
  #untilLook = LOOK_EVENTS;
  #nowMs: number;
  #saidMs: number;

  constructor(producer: CountableProducer, options: CountedSinkOptions) {
    this.#options = options;
    this.#producer = producer;
    this.#timeOf = eventTimeOf(options);
    this.#nowMs = options.now();
    this.#saidMs = this.#nowMs;
  }

  send(topic: string, record: SinkRecord): Promise<void> | undefined {
    const pause = this.#producer.send(topic, record);
    this.#count(record);
    const isFull = this.#hours.size + this.#unsure.size > HOURS_MAX;
    if (--this.#untilLook > 0 && !isFull) return pause;
    this.#untilLook = LOOK_EVENTS;
    this.#nowMs = this.#options.now();
    return isFull || this.#nowMs - this.#saidMs >= this.#options.intervalMs ? this.#sayAfter(pause) : pause;
  }

  #count({ value, timestampMs }: SinkRecord): void {
    const { eventTimeMaxAheadMs, graceMs } = this.#options.loader;
    const timeUs = this.#timeOf(value);
    const ownHour = Math.floor(timestampMs / HOUR_MS);
    const hour = Number.isNaN(timeUs) ? ownHour : hourOfUs(timeUs);
    // The grace covers what the clocks differ by.
    const isUnsure = timeUs / US_PER_MS > this.#nowMs + eventTimeMaxAheadMs - graceMs;
    if (!isUnsure || hour === ownHour) addTo(this.#hours, hour, 1);
    else for (const either of [hour, ownHour]) addTo(this.#unsure, either, 1);
  }

  async #sayAfter(pause: Promise<void> | undefined): Promise<void> {
    await pause;
    await this.#say(false);
  }

  /** Says what was acknowledged since the last time. */
  async #say(last: boolean): Promise<void> {
    const { topic, by, now } = this.#options;
    await this.#producer.flush();
    const { producerId } = this.#producer;
    const timestampMs = now();
    const value = encodeCounts({
      v: 1,
      topic,
      producerId,
      seq: this.#seq++,
      by,
      at: new Date(timestampMs).toISOString(),
      hours: byName(this.#hours),
      ...(this.#unsure.size > 0 && { unsure: byName(this.#unsure) }),
      last,
    });
    this.#hours = new Map();
    this.#unsure = new Map();
    this.#saidMs = timestampMs;
    // One key, one partition: a run's records stay in order.
    await this.#producer.send(AUDIT_TOPIC, { key: Buffer.from(String(producerId)), value, timestampMs });
  }

  async flush(): Promise<void> {
    await this.#producer.flush();
  }

  /** Says the last counts. Not to be called when sending failed: then the run stays unfinished. */
  async close(): Promise<void> {
    await this.#say(true);
    await this.#producer.flush();
  }
}

const byName = (counts: ReadonlyMap<HourIndex, number>): Record<Hour, number> =>
  Object.fromEntries([...counts].map(([hour, n]) => [hourName(hour), n]));

/** Finds an event's time, µs since 1970; NaN: a load refuses it, or takes the record's own time. */
function eventTimeOf({ schema, loader }: CountedSinkOptions): (value: Buffer) => number {
  if (schema === undefined) return () => Number.NaN;
  const bounds = { minTimeUs: Date.parse(loader.eventTimeMin) * US_PER_MS, maxTimeUs: LATEST_US };
  const guard = compileGuard(schema, bounds);
  const judge = compileJudge(schema, bounds);
  return (value) => {
    const timeUs = guard(value, 0, value.length);
    if (!Number.isNaN(timeUs)) return timeUs;
    const verdict = judge(value);
    return verdict.ok ? verdict.timeUs : Number.NaN;
  };
}
