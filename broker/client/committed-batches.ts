/**
 * What a fetch response delivers: its whole batches, each with a right checksum, without control batches and, under
 * read_committed, without the records of aborted transactions. A pure function, after the rules of Kafka's own consumer
 * (org.apache.kafka.clients.consumer.internals.CompletedFetch): the broker names each aborted transaction by producer id
 * and first offset; it reaches from there to that producer's next abort marker, which may lie in a later response. The
 * same producer id may abort several times in one response, and a first offset may lie before it.
 */
import { outcomeOf } from '../protocol/control-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import { type BatchHeader, batchesOf, isCrcValid } from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';

/** An aborted transaction as a fetch response names it. */
export interface AbortedTransaction {
  producerId: number;
  firstOffset: Offset;
}

/** What to take from a response. */
export interface CommittedOptions {
  /** Batches wholly below are left out. */
  from: Offset;
  /** Batches that begin here or above are left out, and looked at no further. */
  until: Offset;
  /** The response's list under read_committed; empty under read_uncommitted. */
  aborted: readonly AbortedTransaction[];
}

/** What a response holds for the reader. */
export interface CommittedBatches {
  /** Whole batches, in order; a view of the response unless something was taken out. */
  bytes: Buffer;
  /** Every offset below has been delivered, or does not exist for the reader. */
  nextOffset: Offset;
}

/** Follows the aborted transactions through the batches of one response. */
class AbortedTransactions {
  readonly #upcoming: AbortedTransaction[];
  readonly #producers = new Set<number>();
  #next = 0;

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Whether the next batch belongs to an aborted transaction. Must see every batch, in order. */
  holds(records: Buffer, at: number, header: BatchHeader): boolean {
    for (; this.#next < this.#upcoming.length; this.#next++) {
      const { producerId, firstOffset } = this.#upcoming[this.#next] as AbortedTransaction;
      if (firstOffset > header.lastOffset) break;
      this.#producers.add(producerId);
    }
    if (!this.#producers.has(header.producerId)) return false;
    if (!header.isControl) return header.isTransactional;
    if (outcomeOf(records, at, header) === 'abort') this.#producers.delete(header.producerId);
    return false;
  }
}

/** Takes from the records of a response what a reader of `[from, until)` may see. Throws CORRUPT_MESSAGE. */
export function committedBatches(records: Buffer, options: CommittedOptions): CommittedBatches {
  const aborted = new AbortedTransactions(options.aborted);
  const spans: [start: number, end: number][] = [];
  let nextOffset = options.from;
  for (const { at, header } of batchesOf(records)) {
    if (header.baseOffset >= options.until) {
      // Nothing lies between the batch before and this one.
      nextOffset = Math.max(nextOffset, options.until);
      break;
    }
    if (!isCrcValid(records, at, header)) {
      throw new KafkaError('CORRUPT_MESSAGE', `record batch at offset ${header.baseOffset}, wrong checksum`);
    }
    const isAborted = aborted.holds(records, at, header);
    if (header.lastOffset < options.from) continue;
    nextOffset = header.lastOffset + 1;
    if (isAborted || header.isControl) continue;
    const last = spans.at(-1);
    if (last && last[1] === at) last[1] = at + header.sizeBytes;
    else spans.push([at, at + header.sizeBytes]);
  }
  const views = spans.map(([start, end]) => records.subarray(start, end));
  return { bytes: views.length === 1 ? (views[0] as Buffer) : Buffer.concat(views), nextOffset };
}
