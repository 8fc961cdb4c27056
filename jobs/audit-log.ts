/**
 * What the broker's log holds, hour by hour: it is read again and every record judged as a load would judge it, by the
 * bounds of the record that first read it. Nothing of it is kept but numbers.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { KafkaClient } from '../broker/client/client.ts';
import { fetchRange } from '../broker/client/fetch-range.ts';
import { batchesOf } from '../broker/protocol/record-batch.ts';
import type { OffsetRange } from '../broker/topic-partition.ts';
import type { Settings } from '../config/settings.ts';
import type { Chain } from '../loader/commit-chain.ts';
import { EventSorter } from '../loader/event-sorter.ts';
import { boundsOf } from '../loader/fold.ts';
import { HOUR_MS, type Hour, hourName, parseHour } from '../loader/hour.ts';
import { Spool } from '../loader/spool.ts';
import type { ValueDecoders } from '../loader/value-decoders.ts';
import type { EventSchema } from '../schemas/event-schema.ts';
import { addTo } from './produced-counts.ts';

const US_PER_MS = 1_000;

export interface LogAuditOptions {
  client: KafkaClient;
  topic: string;
  schema: EventSchema | undefined;
  tombstones: 'quarantine' | 'skip';
  loader: Settings['loader'];
  /** Reads values that bear the number of a schema; undefined: there is no registry. */
  decoders: ValueDecoders | undefined;
  spoolDirectory: string;
  /** Rows of earlier hours were deleted by retention and are not counted. */
  expiredBefore: Hour | undefined;
  nowMs: number;
  signal?: AbortSignal | undefined;
  onRead?: ((records: number) => void) | undefined;
}

/** Records by hour, accepted and refused. */
export interface LogCounts {
  /** Among the loaded offsets, and above them. */
  loaded: Map<Hour, number>;
  ahead: Map<Hour, number>;
  /** In the whole log: those of the producers whose ids are the keys. */
  byProducer: ReadonlyMap<number, Map<Hour, number>>;
}

const NO_PRODUCER = -1;

/** Counts the records of one partition from `range.from` on; those below the chain's head are loaded. */
export async function countLog(
  options: LogAuditOptions,
  chain: Chain,
  range: OffsetRange,
  counts: LogCounts,
): Promise<void> {
  const { client, topic, loader, signal, onRead } = options;
  for (const { range: part, skewAfterMs } of partsOf(chain, range, options)) {
    using rows = Spool.create(join(options.spoolDirectory, `${randomUUID()}.rows`));
    using refused = Spool.create(join(options.spoolDirectory, `${randomUUID()}.refused`));
    const minTimeUs = Date.parse(loader.eventTimeMin) * US_PER_MS;
    const sorter = new EventSorter(
      {
        partition: chain.partition,
        range: part,
        schema: options.schema,
        bounds: { minTimeUs, maxTimeUs: skewAfterMs * US_PER_MS },
        tombstones: options.tombstones,
        decoders: options.decoders,
        // A refused record without a time was put into the hour of the plan.
        fallbackHour: Math.floor((skewAfterMs - loader.eventTimeMaxAheadMs) / HOUR_MS),
        expiredBefore: options.expiredBefore === undefined ? undefined : parseHour(options.expiredBefore),
      },
      rows,
      refused,
    );
    const into = part.from < chain.head ? counts.loaded : counts.ahead;
    const tp = { topic, partition: chain.partition };
    let read = 0;
    for await (const fetched of fetchRange(client, tp, part, {
      maxBytes: loader.fetchBytes,
      isolation: 'read_committed',
    })) {
      signal?.throwIfAborted();
      if (options.schema !== undefined) await options.decoders?.prepare(fetched.bytes, part);
      for (const { bytes, producerId } of byProducerId(fetched.bytes, counts)) {
        const own = counts.byProducer.get(producerId);
        sorter.add(bytes);
        for (const spool of [rows, refused]) {
          for (const hour of spool.hours()) {
            addTo(into, hourName(hour), spool.rows(hour));
            if (own !== undefined) addTo(own, hourName(hour), spool.rows(hour));
          }
          spool.clear();
        }
        sorter.refused.clear();
      }
      fetched.release();
      onRead?.(sorter.read - read);
      read = sorter.read;
    }
  }
}

/** Cuts a range where the bounds of the records change, and at the head; above it the bounds of now hold. */
function partsOf(
  chain: Chain,
  { from, until }: OffsetRange,
  { nowMs, loader }: LogAuditOptions,
): { range: OffsetRange; skewAfterMs: number }[] {
  const now = { start: chain.head, skewAfterMs: nowMs + loader.eventTimeMaxAheadMs };
  const bounds = [...boundsOf(chain), now];
  const parts = bounds.map(({ start, skewAfterMs }, i) => ({
    range: {
      from: Math.max(from, i === 0 ? 0 : start),
      until: Math.min(until, bounds[i + 1]?.start ?? until),
    },
    skewAfterMs,
  }));
  return parts.filter(({ range }) => range.until > range.from);
}

/** The batches one by one, where it matters whose they are. */
function* byProducerId(
  bytes: Buffer,
  { byProducer }: LogCounts,
): Generator<{ bytes: Buffer; producerId: number }> {
  if (byProducer.size === 0) yield { bytes, producerId: NO_PRODUCER };
  else
    for (const { at, header } of batchesOf(bytes))
      yield { bytes: bytes.subarray(at, at + header.sizeBytes), producerId: header.producerId };
}
