/**
 * The batches of one partition on their way to its leader, in order (KIP-98). Each takes its sequence numbers once, when
 * it is sealed, and keeps them through every retry, so that the broker can tell a repetition from news. Up to five are
 * under way at once; when one fails, nothing new is sent until all of them have been answered, and then everything
 * unacknowledged goes out again in order. A broker that knows nothing of a producer takes any first sequence number:
 * that is why one batch goes alone at the start and after a failure.
 */
import { KafkaError } from '../protocol/errors.ts';
import { backOff, mayRetry, type RetryPolicy } from './retry.ts';

/** Sequence numbers are 31 bits and begin again at 0. */
const SEQUENCES = 2 ** 31;

/** A sealed batch: what is sent, and what it counts for. */
export interface SealedBatch {
  bytes: Buffer;
  recordCount: number;
  /** What the batch takes of the producer's buffer. */
  bufferedBytes: number;
}

/** What the queue asks of its producer. */
export interface PartitionQueueOptions {
  maxInFlight: number;
  retryPolicy: RetryPolicy;
  /** Sends one batch once; rejects with the error of the broker or the connection. */
  send(batch: SealedBatch): Promise<void>;
  onAcknowledged(batch: SealedBatch): void;
  /** The queue has stopped for good. */
  onFailed(error: unknown): void;
}

/** The sequence number that follows `count` records from `sequence`. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

/** Sends the batches of one partition in order, each until it is acknowledged. */
export class PartitionQueue {
  readonly #options: PartitionQueueOptions;
  /** Not acknowledged yet; the first `#sent` are under way. */
  readonly #batches: SealedBatch[] = [];
  #nextSequence = 0;
  #sent = 0;
  #answersAwaited = 0;
  #retries = 0;
  #retryCause: unknown;
  #stopped = false;
  /** Batches that may be under way: one until the leader has taken one, so that the first it sees is the first. */
  #window = 1;

  constructor(options: PartitionQueueOptions) {
    this.#options = options;
  }

  /** Takes the sequence numbers of the next `recordCount` records; the batch must be added before the next call. */
  takeSequence(recordCount: number): number {
    const sequence = this.#nextSequence;
    this.#nextSequence = sequenceAfter(sequence, recordCount);
    return sequence;
  }

  /** Adds a batch behind the others and sends it as soon as its turn comes. */
  add(batch: SealedBatch): void {
    this.#batches.push(batch);
    this.#pump();
  }

  /** Sends nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  #pump(): void {
    while (
      !this.#stopped &&
      this.#retryCause === undefined &&
      this.#sent < this.#batches.length &&
      this.#answersAwaited < this.#window
    ) {
      const batch = this.#batches[this.#sent++] as SealedBatch;
      this.#answersAwaited++;
      this.#options.send(batch).then(
        () => this.#onAnswer(batch, undefined),
        (error) => this.#onAnswer(batch, error),
      );
    }
  }

  #onAnswer(batch: SealedBatch, error: unknown): void {
    this.#answersAwaited--;
    if (this.#stopped) return;
    if (error === undefined || isDuplicate(error)) this.#acknowledge(batch);
    else if (!this.#isPassing(batch, error)) {
      this.#stopped = true;
      this.#options.onFailed(error);
      return;
    } else this.#retryCause ??= error;
    if (this.#retryCause === undefined) this.#pump();
    else if (this.#answersAwaited === 0) void this.#sendAgain(this.#retryCause);
  }

  #acknowledge(batch: SealedBatch): void {
    const index = this.#batches.indexOf(batch);
    this.#batches.splice(index, 1);
    this.#sent--;
    this.#retries = 0;
    this.#window = this.#options.maxInFlight;
    this.#options.onAcknowledged(batch);
  }

  /** A gap in the sequence is no surprise while an earlier batch has failed; for the first of all it is a loss. */
  #isPassing(batch: SealedBatch, error: unknown): boolean {
    const isGap = error instanceof KafkaError && error.error === 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    if (isGap) return batch !== this.#batches[0];
    return mayRetry(error, this.#retries, this.#options.retryPolicy);
  }

  async #sendAgain(cause: unknown): Promise<void> {
    try {
      await backOff(this.#retries++, this.#options.retryPolicy);
    } catch {
      this.#stopped = true;
      this.#options.onFailed(cause);
      return;
    }
    this.#retryCause = undefined;
    this.#window = 1;
    this.#sent = 0;
    this.#pump();
  }
}

function isDuplicate(error: unknown): boolean {
  return error instanceof KafkaError && error.error === 'DUPLICATE_SEQUENCE_NUMBER';
}
