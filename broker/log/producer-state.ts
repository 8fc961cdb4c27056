/**
 * What a partition remembers of its idempotent producers (KIP-98): for each producer id its epoch and its last five
 * batches, so that a batch sent again after a lost answer is recognised and answered with the offset it already has.
 * Five, because a client keeps at most five requests under way; with fewer, a late repetition would be taken for a gap
 * and the client would begin anew and duplicate (Redpanda #3039). A snapshot is written at every segment roll and clean
 * stop; after a crash the newest usable one is completed from the batches behind it. With it goes which transactions are
 * open here: they begin with a producer's first transactional batch and end with the coordinator's marker.
 */

import type { Outcome } from '../protocol/control-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import type { BatchHeader } from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';
import { type EndedTransaction, type OpenTransaction, OpenTransactions } from './open-transactions.ts';

/** Batches remembered per producer: the largest number a client has under way. */
export const REMEMBERED_BATCHES = 5;
const SEQUENCES = 2 ** 31;
/** Version 1 is from before transactions: it has no list of open ones. */
const SNAPSHOT_VERSION = 2;
const SNAPSHOT_VERSIONS_READ: readonly unknown[] = [1, SNAPSHOT_VERSION];

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

type Sequenced = Pick<BatchHeader, 'producerId' | 'producerEpoch' | 'baseSequence' | 'lastOffsetDelta'> &
  Partial<Pick<BatchHeader, 'isTransactional' | 'isControl'>>;

type LastBatch = Pick<BatchHeader, 'producerId' | 'producerEpoch' | 'lastOffset' | 'isControl'>;

/** The sequence number `count` after another. */
function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

export class ProducerState {
  readonly transactions = new OpenTransactions();
  readonly #producers = new Map<number, ProducerEntry>();

  get size(): number {
    return this.#producers.size;
  }

  /**
   * Judges a batch that is about to be appended. Returns where it already lies if it is a repetition, undefined if it is
   * the next one (or not idempotent). Throws INVALID_PRODUCER_EPOCH for a fenced producer, OUT_OF_ORDER_SEQUENCE_NUMBER
   * for a gap, and INVALID_TXN_STATE for a plain batch inside a transaction. A producer not known here may begin
   * anywhere: its state may have expired. Of a marker only the epoch is judged.
   */
  check(batch: Sequenced): ProducedBatch | undefined {
    if (batch.producerId < 0) return undefined;
    const entry = this.#producers.get(batch.producerId);
    if (entry === undefined) return undefined;
    if (batch.producerEpoch < entry.epoch) {
      throw new KafkaError(
        'INVALID_PRODUCER_EPOCH',
        `producer ${batch.producerId} has epoch ${entry.epoch}, the batch ${batch.producerEpoch}`,
      );
    }
    const last = entry.batches.at(-1);
    if (batch.isControl) return undefined;
    if (!batch.isTransactional && this.transactions.startOf(batch.producerId) !== undefined) {
      throw new KafkaError('INVALID_TXN_STATE', `producer ${batch.producerId} has a transaction open`);
    }
    if (batch.producerEpoch > entry.epoch) {
      if (batch.baseSequence === 0) return undefined;
      throw outOfOrder(batch, 0);
    }
    if (last === undefined) return undefined;
    const lastSequence = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta);
    const known = entry.batches.find(
      (produced) => produced.firstSequence === batch.baseSequence && produced.lastSequence === lastSequence,
    );
    if (known !== undefined) return known;
    const expected = sequenceAfter(last.lastSequence, 1);
    if (batch.baseSequence !== expected) throw outOfOrder(batch, expected);
    return undefined;
  }

  /**
   * Remembers a batch that is now in the log at `baseOffset`; with an `outcome` it is a marker. Returns the transaction
   * that it ended, if any.
   */
  update(
    batch: Sequenced,
    baseOffset: Offset,
    nowMs: number,
    outcome?: Outcome,
  ): EndedTransaction | undefined {
    if (batch.producerId < 0) return undefined;
    let entry = this.#producers.get(batch.producerId);
    if (entry === undefined || entry.epoch !== batch.producerEpoch) {
      entry = { producerId: batch.producerId, epoch: batch.producerEpoch, lastSeenMs: nowMs, batches: [] };
      this.#producers.set(batch.producerId, entry);
    }
    entry.lastSeenMs = nowMs;
    if (batch.isControl) {
      return outcome && this.transactions.end(batch.producerId, { lastOffset: baseOffset, outcome });
    }
    if (batch.isTransactional) this.transactions.begin(batch.producerId, baseOffset);
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: sequenceAfter(batch.baseSequence, batch.lastOffsetDelta),
      baseOffset,
      lastOffset: baseOffset + batch.lastOffsetDelta,
    });
    if (entry.batches.length > REMEMBERED_BATCHES) entry.batches.shift();
    return undefined;
  }

  /** The epoch of a producer, -1 if it is not known here. */
  epochOf(producerId: number): number {
    return this.#producers.get(producerId)?.epoch ?? -1;
  }

  /**
   * Whether a batch is what tells, when all is read back from the log, what a producer sent last: its last one, or, if it
   * wrote nothing in its epoch, a marker that says which that is.
   */
  isLastOf({ producerId, producerEpoch, lastOffset, isControl }: LastBatch): boolean {
    const entry = this.#producers.get(producerId);
    const last = entry?.batches.at(-1);
    return last === undefined ? isControl && entry?.epoch === producerEpoch : last.lastOffset === lastOffset;
  }

  /** Forgets producers not heard of since a time, except those whose transaction is open. */
  expire(lastSeenBeforeMs: number): void {
    for (const [producerId, { lastSeenMs }] of this.#producers) {
      const isOpen = this.transactions.startOf(producerId) !== undefined;
      if (lastSeenMs < lastSeenBeforeMs && !isOpen) this.#producers.delete(producerId);
    }
  }

  encode(): string {
    return JSON.stringify({
      version: SNAPSHOT_VERSION,
      producers: [...this.#producers.values()],
      transactions: this.transactions.all(),
    });
  }

  /** Reads a snapshot; undefined if it isn't whole, so that an older one has to serve. */
  static decode(text: string): ProducerState | undefined {
    const snapshot = parseJson(text) as
      | { version?: unknown; producers?: unknown; transactions?: unknown }
      | undefined;
    const { producers, transactions = [] } = snapshot ?? {};
    if (!SNAPSHOT_VERSIONS_READ.includes(snapshot?.version)) return undefined;
    if (!Array.isArray(producers) || !Array.isArray(transactions)) return undefined;
    const state = new ProducerState();
    for (const entry of producers as ProducerEntry[]) state.#producers.set(entry.producerId, entry);
    for (const { producerId, firstOffset } of transactions as OpenTransaction[]) {
      state.transactions.begin(producerId, firstOffset);
    }
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
