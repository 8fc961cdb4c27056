/**
 * The transactions that are open in one partition (KIP-98), by producer id, and with them the last stable offset: below
 * it every transaction is decided, so that it is all that a read_committed consumer may be given. A transaction whose
 * marker is queued but not yet visible to readers still holds the offset back.
 */
import type { Outcome } from '../protocol/control-batch.ts';
import type { Offset } from '../topic-partition.ts';

/** A transaction without a marker yet. */
export interface OpenTransaction {
  producerId: number;
  firstOffset: Offset;
}

/** A transaction that its marker ended. */
export interface EndedTransaction extends OpenTransaction {
  /** The marker's offset. */
  lastOffset: Offset;
  outcome: Outcome;
  /** Every transaction that begins below it had ended by then. */
  lastStableOffset: Offset;
}

export class OpenTransactions {
  /** In the order in which they began, which is the order of their first offsets. */
  readonly #open = new Map<number, Offset>();
  #ended: EndedTransaction[] = [];

  /** Notes a transactional batch; the first of its producer begins a transaction. */
  begin(producerId: number, offset: Offset): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, offset);
  }

  /** Notes a marker. Undefined if the producer had nothing open here. */
  end(producerId: number, marker: Pick<EndedTransaction, 'lastOffset' | 'outcome'>) {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) return undefined;
    this.#open.delete(producerId);
    const lastStableOffset = this.#first() ?? marker.lastOffset + 1;
    const ended: EndedTransaction = { producerId, firstOffset, ...marker, lastStableOffset };
    this.#ended.push(ended);
    return ended;
  }

  /** Where a producer's open transaction began; undefined without one. */
  startOf(producerId: number): Offset | undefined {
    return this.#open.get(producerId);
  }

  all(): OpenTransaction[] {
    return [...this.#open].map(([producerId, firstOffset]) => ({ producerId, firstOffset }));
  }

  /** The offset below which all is decided, given what readers see at all. */
  lastStableOffset(highWatermark: Offset): Offset {
    if (this.#ended.length > 0) {
      this.#ended = this.#ended.filter(({ lastOffset }) => lastOffset >= highWatermark);
    }
    const first = Math.min(highWatermark, this.#first() ?? highWatermark);
    return this.#ended.reduce((lowest, { firstOffset }) => Math.min(lowest, firstOffset), first);
  }

  #first(): Offset | undefined {
    return this.#open.values().next().value;
  }
}
