/**
 * What a partition remembers of its idempotent producers (KIP-98): for each producer id its epoch and its last five
 * batches, so that a batch sent again after a lost answer is recognised and answered with the offset it already has.
 * Five, because a client keeps at most five requests under way; with fewer, a late repetition would be taken for a gap
 * and the client would begin anew and duplicate (Redpanda #3039). A snapshot is written at every segment roll and clean
 * stop; after a crash the newest usable one is completed from the batch headers behind it.
 */

import { KafkaError } from '../protocol/errors.ts';
import type { BatchHeader } from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';

/** Batches remembered per producer: the largest number a client has under way. */
export const REMEMBERED_BATCHES = 5;
const SEQUENCES = 2 ** 31;
const SNAPSHOT_VERSION = 1;

/** A batch as remembered: its sequence numbers (they wrap at 2^31) and its place in the log. */
interface ProducedBatch {
  firstSequence: number;
  lastSequence: number;
  baseOffset: Offset;
  lastOffset: Offset;
}

interface ProducerEntry {
  producerId: number;
  epoch: number;
  lastSeenMs: number;
  batches: ProducedBatch[];
}

type Sequenced = Pick<BatchHeader, 'producerId' | 'producerEpoch' | 'baseSequence' | 'lastOffsetDelta'>;

/** The sequence number `count` after another. */
function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>();

  get size(): number {
    return this.#producers.size;
  }

  /**
   * Judges a batch that is about to be appended. Returns where it already lies if it is a repetition, undefined if it is
   * the next one (or not idempotent). Throws INVALID_PRODUCER_EPOCH for a fenced producer and
   * OUT_OF_ORDER_SEQUENCE_NUMBER for a gap. A producer not known here may begin anywhere: its state may have expired.
   */
  check(batch: Sequenced): ProducedBatch | undefined {
    if (batch.producerId < 0) return undefined;
    const entry = this.#producers.get(batch.producerId);
    const last = entry?.batches.at(-1);
    if (entry === undefined || last === undefined) return undefined;
    if (batch.producerEpoch < entry.epoch) {
      throw new KafkaError(
        'INVALID_PRODUCER_EPOCH',
        `producer ${batch.producerId} has epoch ${entry.epoch}, the batch ${batch.producerEpoch}`,
      );
    }
    if (batch.producerEpoch > entry.epoch) {
      if (batch.baseSequence === 0) return undefined;
      throw outOfOrder(batch, 0);
    }
    const lastSequence = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta);
    const known = entry.batches.find(
      (produced) => produced.firstSequence === batch.baseSequence && produced.lastSequence === lastSequence,
    );
    if (known !== undefined) return known;
    const expected = sequenceAfter(last.lastSequence, 1);
    if (batch.baseSequence !== expected) throw outOfOrder(batch, expected);
    return undefined;
  }

  /** Remembers a batch that is now in the log at `baseOffset`. */
  update(batch: Sequenced, baseOffset: Offset, nowMs: number): void {
    if (batch.producerId < 0) return;
    let entry = this.#producers.get(batch.producerId);
    if (entry === undefined || entry.epoch !== batch.producerEpoch) {
      entry = { producerId: batch.producerId, epoch: batch.producerEpoch, lastSeenMs: nowMs, batches: [] };
      this.#producers.set(batch.producerId, entry);
    }
    entry.lastSeenMs = nowMs;
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: sequenceAfter(batch.baseSequence, batch.lastOffsetDelta),
      baseOffset,
      lastOffset: baseOffset + batch.lastOffsetDelta,
    });
    if (entry.batches.length > REMEMBERED_BATCHES) entry.batches.shift();
  }

  /** Forgets producers not heard of since a time. */
  expire(lastSeenBeforeMs: number): void {
    for (const [producerId, { lastSeenMs }] of this.#producers) {
      if (lastSeenMs < lastSeenBeforeMs) this.#producers.delete(producerId);
    }
  }

  encode(): string {
    return JSON.stringify({ version: SNAPSHOT_VERSION, producers: [...this.#producers.values()] });
  }

  /** Reads a snapshot; undefined if it isn't whole, so that an older one has to serve. */
  static decode(text: string): ProducerState | undefined {
    const snapshot = parseJson(text) as { version?: unknown; producers?: unknown } | undefined;
    if (snapshot?.version !== SNAPSHOT_VERSION || !Array.isArray(snapshot.producers)) return undefined;
    const state = new ProducerState();
    for (const entry of snapshot.producers as ProducerEntry[]) state.#producers.set(entry.producerId, entry);
    return state;
  }
}

function outOfOrder(batch: Sequenced, expected: number): KafkaError {
  return new KafkaError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `producer ${batch.producerId} sent sequence ${batch.baseSequence}, expected ${expected}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a snapshot cut by a crash is as good as none
  }
}
