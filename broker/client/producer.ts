/**
 * Writes records to topics: gathers them into compressed batches per partition and sends each exactly once (idempotent,
 * acks=all; KIP-98), in order. Keys choose partitions as in every Kafka client; keyless records stay with one partition
 * for a whole batch and then move to the next (KIP-480). What goes wrong for good stops the whole producer and comes out
 * of the next `send`, `flush` or `close`: after a gap nothing may follow.
 */
import type { Settings } from '../../config/settings.ts';
import { initProducerId } from '../protocol/apis/init-producer-id.ts';
import { produce } from '../protocol/apis/produce.ts';
import { errorOf, KafkaError } from '../protocol/errors.ts';
import type { RecordHeader, RecordInput } from '../protocol/record.ts';
import { encodeBatch } from '../protocol/record-batch.ts';
import { type TopicPartition, topicPartitionName } from '../topic-partition.ts';
import type { KafkaClient } from './client.ts';
import { PartitionQueue, type SealedBatch } from './partition-queue.ts';
import { partitionOf } from './partitioner.ts';
import { retrying } from './retry.ts';

const ACKS_ALL = -1;
/** What a record takes beside key and value: lengths, times and the objects that hold it until it is sent. */
const RECORD_OVERHEAD_BYTES = 32;

/** A record to be sent. Without `partition` the key decides, without a key the producer. */
export interface ProducerRecord {
  key: Buffer | null;
  value: Buffer | null;
  /** ms since 1970; becomes the record's CreateTime. */
  timestampMs: number;
  headers?: readonly RecordHeader[];
  partition?: number;
}

interface OpenPartition {
  readonly part: TopicPartition;
  readonly queue: PartitionQueue;
  records: RecordInput[];
  bytes: number;
}

interface OpenTopic {
  readonly partitions: OpenPartition[];
  /** Where keyless records go at present. */
  sticky: number;
}

/** Sends records; see the top of the file. Buffers given to `send` must not change until it is flushed. */
export class Producer implements AsyncDisposable {
  readonly #client: KafkaClient;
  readonly #settings: Settings['producer'];
  readonly #producerId: number;
  readonly #producerEpoch: number;
  readonly #topics = new Map<string, OpenTopic>();
  readonly #opening = new Map<string, Promise<OpenTopic>>();
  /** Partitions with records that are not sealed yet. */
  readonly #gathering = new Set<OpenPartition>();
  #bufferedBytes = 0;
  #recordsPending = 0;
  #acknowledged = 0;
  #linger: NodeJS.Timeout | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #idle: PromiseWithResolvers<void> | undefined;
  #failure: Error | undefined;

  private constructor(
    client: KafkaClient,
    settings: Settings['producer'],
    identity: { producerId: number; producerEpoch: number },
  ) {
    this.#client = client;
    this.#settings = settings;
    this.#producerId = identity.producerId;
    this.#producerEpoch = identity.producerEpoch;
  }

  /** Gets a producer id from the cluster. */
  static async open(client: KafkaClient, settings: Settings['producer']): Promise<Producer> {
    const identity = await retrying(client.retryPolicy, async () => {
      const response = await client.requestOnce(initProducerId, 'any', {});
      const error = errorOf(response.errorCode, 'producer id');
      if (error) throw error;
      return response;
    });
    return new Producer(client, settings, identity);
  }

  /** As it stands in the headers of all its batches; no other producer of the cluster has it. */
  get producerId(): number {
    return this.#producerId;
  }

  /** Records acknowledged by all in-sync replicas so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /**
   * Takes a record. Answers a promise only where it must wait, for the first record of a topic or while the buffer is
   * full: await it before sending more. Throws what stopped the producer earlier.
   */
  send(topic: string, record: ProducerRecord): Promise<void> | undefined {
    this.#throwFailure();
    const open = this.#topics.get(topic);
    if (!open) return this.#openAndSend(topic, record);
    this.#gather(open, record);
    return this.#bufferedBytes > this.#settings.maxBufferedBytes ? this.#waitForRoom() : undefined;
  }

  async #openAndSend(topic: string, record: ProducerRecord): Promise<void> {
    let opening = this.#opening.get(topic);
    if (!opening) {
      opening = this.#openTopic(topic);
      this.#opening.set(topic, opening);
    }
    try {
      this.#gather(await opening, record);
    } finally {
      this.#opening.delete(topic);
    }
  }

  async #openTopic(topic: string): Promise<OpenTopic> {
    const found = (await this.#client.metadata([topic], { autoCreate: true })).topics[0];
    if (!found || found.error || found.partitions.length === 0) {
      throw new KafkaError(found?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic}`);
    }
    const partitions = found.partitions.map(({ partition }) => this.#openPartition({ topic, partition }));
    const open = {
      partitions,
      sticky: Math.floor(this.#client.random() * partitions.length) % partitions.length,
    };
    this.#topics.set(topic, open);
    return open;
  }

  #openPartition(part: TopicPartition): OpenPartition {
    const queue = new PartitionQueue({
      maxInFlight: this.#settings.maxInFlight,
      retryPolicy: this.#client.retryPolicy,
      send: (batch) => this.#sendOnce(part, batch),
      onAcknowledged: (batch) => this.#onAcknowledged(batch),
      onFailed: (error) => this.#onFailed(part, error),
    });
    return { part, queue, records: [], bytes: 0 };
  }

  #gather(topic: OpenTopic, record: ProducerRecord): void {
    const partition = choosePartition(topic, record);
    const open = topic.partitions[partition];
    if (!open) {
      const range = `0 to ${topic.partitions.length - 1}`;
      throw new RangeError(
        `partition ${partition} of ${topic.partitions[0]?.part.topic} is not one of ${range}`,
      );
    }
    const size =
      (record.key?.length ?? 0) + (record.value?.length ?? 0) + headersBytes(record) + RECORD_OVERHEAD_BYTES;
    if (open.bytes > 0 && open.bytes + size > this.#settings.batchBytes) this.#seal(open, topic);
    open.records.push(record);
    open.bytes += size;
    this.#bufferedBytes += size;
    this.#recordsPending++;
    if (open.bytes >= this.#settings.batchBytes) this.#seal(open, topic);
    else if (open.records.length === 1) this.#startLinger(open);
  }

  #startLinger(open: OpenPartition): void {
    this.#gathering.add(open);
    this.#linger ??= setTimeout(() => this.#sealAll(), this.#settings.lingerMs);
  }

  #sealAll(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    for (const open of [...this.#gathering]) this.#seal(open, this.#topics.get(open.part.topic));
  }

  #seal(open: OpenPartition, topic: OpenTopic | undefined): void {
    const { records, bytes, queue, part } = open;
    open.records = [];
    open.bytes = 0;
    this.#gathering.delete(open);
    if (this.#failure) return;
    const batch = encodeBatch(records, {
      codec: this.#settings.compression,
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
      baseSequence: queue.takeSequence(records.length),
    });
    if (topic && topic.sticky === part.partition) topic.sticky = (topic.sticky + 1) % topic.partitions.length;
    queue.add({ bytes: batch, recordCount: records.length, bufferedBytes: bytes });
  }

  async #sendOnce(part: TopicPartition, batch: SealedBatch): Promise<void> {
    const response = await this.#client.requestOnce(produce, part, {
      acks: ACKS_ALL,
      timeoutMs: this.#client.settings.requestTimeoutMs,
      topicData: [{ name: part.topic, partitionData: [{ index: part.partition, records: batch.bytes }] }],
    });
    const answer = response.responses[0]?.partitionResponses[0];
    const name = topicPartitionName(part);
    if (!answer) throw new KafkaError('UNKNOWN_SERVER_ERROR', `${name} is missing in the answer`);
    const error = errorOf(answer.errorCode, answer.errorMessage ? `${name} (${answer.errorMessage})` : name);
    if (error?.moved) this.#client.forgetLeaders(part.topic);
    if (error) throw error;
  }

  #onAcknowledged({ recordCount, bufferedBytes }: SealedBatch): void {
    this.#acknowledged += recordCount;
    this.#recordsPending -= recordCount;
    this.#bufferedBytes -= bufferedBytes;
    if (this.#bufferedBytes <= this.#settings.maxBufferedBytes) this.#release('room');
    if (this.#recordsPending === 0) this.#release('idle');
  }

  #onFailed(part: TopicPartition, error: unknown): void {
    if (this.#failure) return;
    const reason = error instanceof Error ? error.message : String(error);
    const lost = `${this.#recordsPending} records were not acknowledged`;
    const message = `producing to ${topicPartitionName(part)} failed, ${lost}: ${reason}`;
    this.#failure = new Error(message, { cause: error });
    for (const { partitions } of this.#topics.values()) for (const { queue } of partitions) queue.stop();
    this.#release('room');
    this.#release('idle');
  }

  #release(what: 'room' | 'idle'): void {
    const waiting = what === 'room' ? this.#room : this.#idle;
    if (what === 'room') this.#room = undefined;
    else this.#idle = undefined;
    waiting?.resolve();
  }

  async #waitForRoom(): Promise<void> {
    // Batches that are not full must go too: otherwise many partitions could hold the whole buffer and wait for ever.
    if (!this.#room) this.#sealAll();
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Sends what was gathered and waits until everything is acknowledged; throws what stopped the producer. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#opening.values());
    this.#sealAll();
    if (this.#recordsPending > 0 && !this.#failure) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
    this.#throwFailure();
  }

  /** Flushes. The client stays open: it is its opener's. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      clearTimeout(this.#linger);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function choosePartition(topic: OpenTopic, { partition, key }: ProducerRecord): number {
  if (partition !== undefined) return partition;
  return key === null ? topic.sticky : partitionOf(key, topic.partitions.length);
}

function headersBytes({ headers }: ProducerRecord): number {
  let size = 0;
  for (const { key, value } of headers ?? []) size += key.length + (value?.length ?? 0) + 4;
  return size;
}
