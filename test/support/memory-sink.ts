/**
 * A record sink that keeps what it is sent, for tests of what feeds a producer. With `pauseEvery` it answers a promise
 * for every n-th record, as a producer does whose buffer is full, and fails the test if the sender didn't wait.
 */
import assert from 'node:assert/strict';
import type { RecordSink, SinkRecord } from '../../jobs/activity-in/record-sink.ts';

export class MemorySink implements RecordSink {
  readonly records: (SinkRecord & { topic: string })[] = [];
  flushes = 0;
  pauses = 0;
  readonly #pauseEvery: number;
  #isPaused = false;

  constructor({ pauseEvery = Number.POSITIVE_INFINITY } = {}) {
    this.#pauseEvery = pauseEvery;
  }

  send(topic: string, record: SinkRecord): Promise<void> | undefined {
    assert(!this.#isPaused, 'sent without waiting for the promise of the record before');
    this.records.push({ topic, ...record });
    if (this.records.length % this.#pauseEvery !== 0) return undefined;
    this.#isPaused = true;
    this.pauses++;
    return new Promise((resolve) =>
      setImmediate(() => {
        this.#isPaused = false;
        resolve();
      }),
    );
  }

  async flush(): Promise<void> {
    assert(!this.#isPaused, 'flushed without waiting');
    this.flushes++;
  }

  values(): string[] {
    return this.records.map(({ value }) => value.toString());
  }

  keys(): (string | undefined)[] {
    return this.records.map(({ key }) => key?.toString());
  }
}
