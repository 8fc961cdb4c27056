/**
 * The appends of one log that wait to be as safe as their producers asked: written, or fsynced too.
 */
import type { Offset } from '../topic-partition.ts';

interface Waiter {
  endOffset: Offset;
  needsSync: boolean;
  resolve(): void;
  reject(error: Error): void;
}

export class Acknowledgements {
  #waiters: Waiter[] = [];

  /** Resolves once everything below `endOffset` is written or, with `needsSync`, fsynced. */
  wait(endOffset: Offset, needsSync: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ endOffset, needsSync, resolve, reject });
    return promise;
  }

  /** Answers those who got what they wait for. */
  settle(writtenOffset: Offset, syncedOffset: Offset): void {
    if (this.#waiters.length === 0) return;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.endOffset <= (waiter.needsSync ? syncedOffset : writtenOffset)) waiter.resolve();
      else waiting.push(waiter);
    }
    this.#waiters = waiting;
  }

  /** Tells everyone that it will not come. */
  refuse(error: Error): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}
