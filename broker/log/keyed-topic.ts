/**
 * A topic in which the broker keeps its own state as keyed records, the way Kafka keeps `__consumer_offsets`: the newest
 * record of a key is its value, one with a null value (a tombstone) takes it away, and compaction may drop all others.
 * Its records go through the broker's own logs, so what was acknowledged is exactly as safe as a producer's acks=all.
 * The topic is made on first use, and read once at start-up, batch by batch, in bounded memory.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { KafkaError } from '../protocol/errors.ts';
import {
  type BatchHeader,
  batchesOf,
  encodeBatch,
  isCrcValid,
  type ReadRecord,
  readBatchHeader,
  recordsOf,
} from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';
import type { Log } from './log.ts';
import type { LogDirectory } from './log-directory.ts';

/** Read at once during a replay; one larger batch is still read whole. */
const REPLAY_READ_BYTES = 1024 * 1024;

/**
 * Compacted, never shortened by age or size; small segments, because only closed ones are compacted and every byte is
 * read again at the next start.
 */
export const KEYED_TOPIC_CONFIGS = {
  'cleanup.policy': 'compact',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'segment.bytes': String(100 * 1024 * 1024),
};

/** A key's new value, or null to take it away. */
export interface KeyedRecord {
  key: Buffer;
  value: Buffer | null;
}

/** Told of every record of the topic in the order of each partition; what it is given is only valid during the call. */
export type ReplayVisitor = (record: ReadRecord, batch: BatchHeader, partition: number) => void;

export interface KeyedTopicInput {
  directory: LogDirectory;
  name: string;
  /** Partitions if the topic has yet to be made; never changed afterwards, for a key's partition follows from it. */
  partitions: number;
  now: () => number;
}

export class KeyedTopic {
  readonly name: string;
  readonly #input: KeyedTopicInput;
  #made: Promise<unknown> | undefined;

  constructor(input: KeyedTopicInput) {
    this.name = input.name;
    this.#input = input;
  }

  /** How many partitions there are, or will be. */
  get partitions(): number {
    const { directory, partitions } = this.#input;
    return directory.topics.get(this.name)?.partitions ?? partitions;
  }

  /** The partition of an id, by Kafka's rule: its Java hash code without the sign, modulo the number of partitions. */
  partitionOf(id: string): number {
    return (javaHashCode(id) & 0x7fffffff) % this.partitions;
  }

  /** Makes the topic unless it is there. Throws a KafkaError if there is no room for it. */
  async ensure(): Promise<void> {
    this.#made ??= this.#make().catch((error: Error) => {
      this.#made = undefined;
      throw error;
    });
    await this.#made;
  }

  async #make(): Promise<void> {
    const { directory, partitions } = this.#input;
    if (directory.topics.get(this.name) !== undefined) return;
    await directory.createTopic({ name: this.name, partitions, configs: KEYED_TOPIC_CONFIGS });
  }

  /**
   * Visits everything in the topic; nothing may be appended meanwhile. Resolves to the partitions that cannot be read
   * to their end, with the reason: of their ids nothing is known for sure.
   */
  async replay(visit: ReplayVisitor): Promise<Map<number, Error>> {
    const failures = new Map<number, Error>();
    const topic = this.#input.directory.topics.get(this.name);
    for (let partition = 0; partition < (topic?.partitions ?? 0); partition++) {
      try {
        const log = this.#log(partition);
        if (log.failure) throw log.failure;
        await replayLog(log, (record, batch) => visit(record, batch, partition));
      } catch (error) {
        failures.set(partition, error as Error);
      }
    }
    return failures;
  }

  /**
   * Appends records as one batch, all or none, and resolves when they are as safe as acks=all asks. Their order is that
   * of the calls. Throws a KafkaError.
   */
  async append(partition: number, records: readonly KeyedRecord[]): Promise<void> {
    await this.ensure();
    const timestampMs = this.#input.now();
    const timed = records.map((record) => ({ ...record, timestampMs }));
    const bytes = encodeBatch(timed, { codec: 'none' });
    const log = this.#log(partition);
    const { endOffset } = log.append(bytes, readBatchHeader(bytes, 0));
    await log.acknowledged(endOffset, true);
  }

  #log(partition: number): Log {
    return this.#input.directory.log({ topic: this.name, partition });
  }
}

async function replayLog(log: Log, visit: (record: ReadRecord, batch: BatchHeader) => void): Promise<void> {
  let offset = log.logStartOffset;
  for (;;) {
    const read = log.read(offset, REPLAY_READ_BYTES);
    if (read === undefined) return;
    try {
      offset = visitBatches(log.name, read.bytes, offset, visit);
    } finally {
      read.release();
    }
    await nextTurn();
  }
}

/** Returns the offset after the last batch. */
function visitBatches(
  name: string,
  bytes: Buffer,
  from: Offset,
  visit: (record: ReadRecord, batch: BatchHeader) => void,
): Offset {
  let next = from;
  for (const { at, header } of batchesOf(bytes)) {
    // The log trusts what was closed in order; here a flipped bit would be a wrong offset, acted upon in silence.
    if (!isCrcValid(bytes, at, header)) {
      throw new KafkaError('CORRUPT_MESSAGE', `${name} at offset ${header.baseOffset}`);
    }
    for (const record of recordsOf(bytes, at, header)) visit(record, header);
    next = header.lastOffset + 1;
  }
  return next;
}

/** `String.hashCode` of Java: over UTF-16 units, which is what JavaScript's strings are made of too. */
function javaHashCode(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}
