/**
 * The transactions of a log as one compaction meets them, batch by batch in the order of the log: which records were
 * aborted, and which markers have nothing left to decide. A marker stays as long as one batch of its transaction does, if
 * only an empty one: without it a start from the log alone would find the transaction open. All of them are decided:
 * nothing above the last stable offset is compacted. After Kafka's CleanedTransactionMetadata.
 */
import type { BatchHeader } from '../protocol/record-batch.ts';
import type { AbortedTransaction } from './transaction-index.ts';

export class CleanedTransactions {
  /** By producer, the next one last. */
  readonly #aborted: Map<number, AbortedTransaction[]>;
  /** Producers of which a batch was met since their last marker. */
  readonly #met = new Set<number>();

  /** Takes the entries of the index, in the order of their markers. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = Map.groupBy(aborted.toReversed(), ({ producerId }) => producerId);
  }

  /** Takes the next batch that is no marker. Whether it belongs to an aborted transaction. */
  isAborted({ isTransactional, producerId, baseOffset }: BatchHeader): boolean {
    if (!isTransactional) return false;
    this.#met.add(producerId);
    const left = this.#aborted.get(producerId) ?? [];
    while ((left.at(-1)?.lastOffset ?? baseOffset) < baseOffset) left.pop();
    return (left.at(-1)?.firstOffset ?? Number.POSITIVE_INFINITY) <= baseOffset;
  }

  /** Takes the next batch that is a marker. Whether no batch of its transaction was met. */
  isSpent({ producerId }: BatchHeader): boolean {
    return !this.#met.delete(producerId);
  }
}
