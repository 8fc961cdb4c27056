/**
 * The aborted transactions whose markers lie in one segment, in the order of the markers. A fetch names those that overlap
 * what it returns, so that the consumer can leave their records out. Each entry bears the last stable offset at its time,
 * which tells a search where it may stop. Small and rare, so it is one JSON text, written durably when the segment is
 * closed; a segment without aborted transactions has none.
 */
import fs from 'node:fs';
import type { Offset } from '../topic-partition.ts';
import { readIfThere, replaceFile } from './durable-file.ts';

const FILE_VERSION = 1;

export interface AbortedTransaction {
  producerId: number;
  firstOffset: Offset;
  /** The marker's offset. */
  lastOffset: Offset;
  /** Every transaction that begins below it had ended by then. */
  lastStableOffset: Offset;
}

export class TransactionIndex {
  #aborted: AbortedTransaction[] = [];

  get size(): number {
    return this.#aborted.length;
  }

  /** Adds the transaction that ended last. */
  add({ producerId, firstOffset, lastOffset, lastStableOffset }: AbortedTransaction): void {
    this.#aborted.push({ producerId, firstOffset, lastOffset, lastStableOffset });
  }

  /** Forgets markers at or after an offset, which are cut off. */
  truncate(endOffset: Offset): void {
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset < endOffset);
  }

  /**
   * The transactions that overlap `[from, until)`. `isComplete`: no later segment can hold another.
   */
  overlapping(from: Offset, until: Offset): { aborted: AbortedTransaction[]; isComplete: boolean } {
    const aborted: AbortedTransaction[] = [];
    for (let i = this.#firstEndingAt(from); i < this.#aborted.length; i++) {
      const transaction = this.#aborted[i] as AbortedTransaction;
      if (transaction.firstOffset < until) aborted.push(transaction);
      if (transaction.lastStableOffset >= until) return { aborted, isComplete: true };
    }
    return { aborted, isComplete: false };
  }

  #firstEndingAt(offset: Offset): number {
    let low = 0;
    let high = this.#aborted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#aborted[middle] as AbortedTransaction).lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  encode(): string {
    return `${JSON.stringify({ version: FILE_VERSION, aborted: this.#aborted })}\n`;
  }

  /** Reads the file's text; undefined if it isn't whole, so that it has to be made again from the log. */
  static decode(text: string): TransactionIndex | undefined {
    const index = new TransactionIndex();
    try {
      const { version, aborted } = JSON.parse(text) as { version?: unknown; aborted?: unknown };
      if (version !== FILE_VERSION || !Array.isArray(aborted)) return undefined;
      for (const transaction of aborted as AbortedTransaction[]) index.add(transaction);
    } catch {
      return undefined; // what the disk made of it, the log can replace
    }
    return index;
  }
}

/** A segment's transaction index with its file: read when it is needed, let go when the segment rests. */
export class AbortedTransactions {
  readonly #file: string;
  #index: TransactionIndex | undefined;
  #isSaved = true;
  #isKnown = true;

  constructor(file: string) {
    this.#file = file;
  }

  /** False: the segment has markers, or a damaged file, and its aborted transactions must be added again. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** Forgets everything if the file is not whole. */
  check(): void {
    if (this.#read() === undefined) this.forget({ isKnown: false });
  }

  add(transaction: AbortedTransaction): void {
    this.#loaded().add(transaction);
    this.#isSaved = false;
  }

  overlapping(from: Offset, until: Offset): ReturnType<TransactionIndex['overlapping']> {
    return this.#loaded().overlapping(from, until);
  }

  /** Forgets markers at or after an offset. */
  truncate(endOffset: Offset): void {
    const index = this.#loaded();
    const { size } = index;
    index.truncate(endOffset);
    if (index.size < size) this.#isSaved = false;
  }

  forget({ isKnown }: { isKnown: boolean }): void {
    fs.rmSync(this.#file, { force: true });
    this.#index = new TransactionIndex();
    this.#isSaved = true;
    this.#isKnown = isKnown;
  }

  /** Writes the file durably, if anything is new: a missing one says that nothing was aborted. */
  save(): void {
    if (this.#isSaved) return;
    replaceFile(this.#file, this.#loaded().encode());
    this.#isSaved = true;
  }

  /** Gives back the memory of what is saved. */
  rest(): void {
    if (this.#isSaved) this.#index = undefined;
  }

  #read(): TransactionIndex | undefined {
    const text = readIfThere(this.#file);
    return text === undefined ? new TransactionIndex() : TransactionIndex.decode(text);
  }

  #loaded(): TransactionIndex {
    this.#index ??= this.#read();
    if (this.#index === undefined) {
      throw new Error(`${this.#file} is damaged: start the broker again, it is then made anew from the log`);
    }
    return this.#index;
  }
}
