/**
 * Reads a range of offsets of one partition as raw record batches: nothing is done per record, and while one response is
 * being worked on the next is already under way, on a connection of its own. This is the loader's way in.
 */
import { fetch } from '../protocol/apis/fetch.ts';
import { errorOf, KafkaError } from '../protocol/errors.ts';
import { batchesOf } from '../protocol/record-batch.ts';
import type { Response } from '../protocol/schema.ts';
import {
  checkOffset,
  type Offset,
  type OffsetRange,
  type TopicPartition,
  topicPartitionName,
} from '../topic-partition.ts';
import type { Isolation, KafkaClient } from './client.ts';
import { committedBatches } from './committed-batches.ts';
import type { Connection } from './connection.ts';
import { backOff, mayRetry } from './retry.ts';

/** How long a broker may wait for records before it answers without. */
const MAX_WAIT_MS = 500;
/** Answers in a row that say nothing at all, as throttling brokers give (KIP-219), before we give up. */
const SILENT_ANSWERS_MAX = 20;
/** Empty answers in a row where there ought to be records, as brokers give that wait for remote storage (KIP-405). */
const EMPTY_ANSWERS_MAX = 20;
/** Enough for one batch: the first comes whole. */
const PROBE_BYTES = 1;

/** Limits of one fetch, and what is to be seen. */
export interface FetchOptions {
  /** Bytes asked per fetch. A batch larger than this comes whole all the same (KIP-74). */
  maxBytes: number;
  isolation: Isolation;
}

/** What one fetch brought. */
export interface FetchedBatches {
  /**
   * Whole record batches with right checksums, in order, without control batches and aborted transactions. The first may
   * begin before the range and the last reach past it. May be empty.
   */
  bytes: Buffer;
  /** Every offset below has been delivered or does not exist. May lie above the range's end. */
  nextOffset: Offset;
  /** For readers that are done with `bytes` and all views of it: lets the memory be used for a later fetch. */
  release(): void;
}

type Answer = Response<typeof fetch>['responses'][number]['partitions'][number];

/** The connection and the position of one reader; tries again, on the new leader if need be. */
class RangeReader {
  readonly #client: KafkaClient;
  readonly #part: TopicPartition;
  readonly #options: FetchOptions;
  #connection: Connection | undefined;

  constructor(client: KafkaClient, part: TopicPartition, options: FetchOptions) {
    this.#client = client;
    this.#part = part;
    this.#options = options;
  }

  /** One answer that is not an error. */
  async fetch(offset: Offset, options = this.#options): Promise<Answer> {
    const policy = this.#client.retryPolicy;
    let silent = 0;
    for (let retry = 0; ; ) {
      try {
        const answer = await this.#fetchOnce(offset, options);
        if (answer) return answer;
        if (++silent > SILENT_ANSWERS_MAX) {
          throw new KafkaError('THROTTLING_QUOTA_EXCEEDED', `fetch from ${topicPartitionName(this.#part)}`);
        }
      } catch (error) {
        if (!mayRetry(error, retry, policy)) throw error;
        if (error instanceof KafkaError && error.moved) {
          this.#client.forgetLeaders(this.#part.topic);
          await this.close();
        }
        await backOff(retry++, policy);
      }
    }
  }

  async #fetchOnce(offset: Offset, { maxBytes, isolation }: FetchOptions): Promise<Answer | undefined> {
    const { topic, partition } = this.#part;
    if (!this.#connection?.isOpen) this.#connection = await this.#client.connectToLeader(this.#part);
    const response = await this.#connection.send(fetch, {
      maxWaitMs: MAX_WAIT_MS,
      minBytes: 1,
      maxBytes,
      isolationLevel: isolation === 'read_committed' ? 1 : 0,
      topics: [
        {
          topic,
          partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: maxBytes }],
        },
      ],
    });
    const name = topicPartitionName(this.#part);
    const answer = response.responses[0]?.partitions[0];
    const error =
      errorOf(response.errorCode, name) ?? errorOf(answer?.errorCode ?? 0, `${name}, offset ${offset}`);
    if (error) throw error;
    return answer;
  }

  /**
   * Whether the log goes on at or above `until` and has nothing from `offset` up to there. Only a batch from above proves
   * it, be it one of an open transaction; an answer without records proves nothing.
   */
  async provesGap({ from, until }: OffsetRange): Promise<boolean> {
    const options = { maxBytes: PROBE_BYTES, isolation: 'read_uncommitted' } as const;
    const records = (await this.fetch(from, options)).records ?? Buffer.alloc(0);
    const release = this.releaseOf(records);
    const next = batchesOf(records).find(({ header }) => header.lastOffset >= from);
    release();
    return next !== undefined && next.header.baseOffset >= until;
  }

  /** What gives back the memory of an answer's records; further calls do nothing. */
  releaseOf(records: Buffer): () => void {
    let connection = this.#connection;
    return () => {
      connection?.giveBack(records);
      connection = undefined;
    };
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}

/** An error inside a response must come out when it is asked for, not crash the process while nobody waits yet. */
function ahead<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * Yields the batches of `[from, until)`. Ends once `nextOffset` has reached `until`, or where the log ends before that:
 * then the last `nextOffset` is below. Where nothing is left below `until` though the log goes on (compacted, markers,
 * aborted), the last item says so by its `nextOffset`, but only once a batch from above has proven it. Throws
 * OFFSET_OUT_OF_RANGE if the log no longer, or not yet, has `from`, CORRUPT_MESSAGE for a wrong checksum,
 * REQUEST_TIMED_OUT if answers stay empty without such a proof, and whatever outlasts the client's retries.
 */
export async function* fetchRange(
  client: KafkaClient,
  part: TopicPartition,
  range: OffsetRange,
  options: FetchOptions,
): AsyncGenerator<FetchedBatches, void, void> {
  let position = checkOffset(range.from, 'start of the range');
  if (position >= range.until) return;
  const reader = new RangeReader(client, part, options);
  try {
    let pending = ahead(reader.fetch(position));
    for (let empty = 0; ; ) {
      const answer = await pending;
      const records = answer.records ?? Buffer.alloc(0);
      const release = reader.releaseOf(records);
      const taken = committedBatches(records, {
        from: position,
        until: range.until,
        aborted: options.isolation === 'read_committed' ? (answer.abortedTransactions ?? []) : [],
      });
      if (taken.nextOffset === position) {
        if (endOf(answer, options) < range.until) return;
        checkNothingLeft(answer, part, position);
        if (!(await reader.provesGap({ from: position, until: range.until }))) {
          if (++empty > EMPTY_ANSWERS_MAX) throw unproven(part, position, range.until);
          release();
          pending = ahead(reader.fetch(position));
          continue;
        }
        yield { bytes: taken.bytes, nextOffset: range.until, release };
        return;
      }
      empty = 0;
      position = taken.nextOffset;
      const done = position >= range.until;
      if (!done) pending = ahead(reader.fetch(position));
      yield { ...taken, release };
      if (done) return;
    }
  } finally {
    await reader.close();
  }
}

function unproven(part: TopicPartition, from: Offset, until: Offset): KafkaError {
  const detail = `fetch from ${topicPartitionName(part)}, offset ${from}: the log goes on to ${until}, but ${EMPTY_ANSWERS_MAX} answers were empty`;
  return new KafkaError('REQUEST_TIMED_OUT', detail);
}

/** The offset that reading can reach at present. */
function endOf(answer: Answer, { isolation }: FetchOptions): Offset {
  const isKnown = isolation === 'read_committed' && answer.lastStableOffset >= 0;
  return isKnown ? answer.lastStableOffset : answer.highWatermark;
}

/** No whole batch in the answer must mean no bytes: brokers send the first batch whole, whatever the limit. */
function checkNothingLeft(answer: Answer, part: TopicPartition, position: Offset): void {
  if (answer.records === null || answer.records.length === 0) return;
  const detail = `fetch from ${topicPartitionName(part)}, offset ${position}: ${answer.records.length} bytes, no whole batch`;
  throw new KafkaError('CORRUPT_MESSAGE', detail);
}
