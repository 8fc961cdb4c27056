/**
 * The log of one partition: an ordered row of segments, appended to at its end. Batches wait for the end of the event
 * loop's tick and are then written together; fsync runs beside the loop, one for all that wait (group commit). An I/O
 * error on append or fsync stops the log for good, as in Kafka: after it nothing is known of the file's end, and a later
 * fsync that succeeds would prove nothing.
 */
import assert from 'node:assert/strict';
import type { BufferPool } from '../protocol/buffer-pool.ts';
import { outcomeOf } from '../protocol/control-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import { type BatchHeader, stampBatch } from '../protocol/record-batch.ts';
import { type Offset, type TopicPartition, topicPartitionName } from '../topic-partition.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { type EpochEnd, LeaderEpochs } from './leader-epochs.ts';
import type { LogConfig } from './log-config.ts';
import { LogReader, type ReadBatches, type TimedOffset } from './log-reader.ts';
import { writeSnapshot } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import type { RecoveredLog } from './recovery.ts';
import type { PlacedBatch, Segment } from './segment.ts';
import { SegmentList } from './segment-list.ts';

/** What the logs of a broker share. */
export interface LogEnvironment {
  now: () => number;
  buffers: BufferPool;
  /** Has `write` called at the end of the tick. */
  scheduleWrite(log: Log): void;
  /** Told after each roll, so that a disk budget is looked at soon. */
  rolled(): void;
  /** Told after each write, so that the log is fsynced when its settings ask for it. */
  written(log: Log): void;
  /** Told once when the log stops for good. */
  failed(log: Log, error: Error): void;
}

/** Where an appended batch lies; for a repetition of an idempotent producer, where it lay already. */
export interface Appended {
  baseOffset: Offset;
  endOffset: Offset;
  /** The broker's time that its records have under message.timestamp.type=LogAppendTime. */
  logAppendTimeMs?: number | undefined;
}

export class Log {
  readonly tp: TopicPartition;
  readonly name: string;
  /** Replaced when the topic's settings change; every use reads it anew. */
  config: LogConfig;
  /** Where DeleteRecords had the log begin; segments before it may still be there. */
  startOffset: Offset = 0;
  readonly #directory: string;
  readonly #environment: LogEnvironment;
  readonly #reader: LogReader;
  readonly #segments: SegmentList;
  readonly #epochs: LeaderEpochs;
  readonly #producers: ProducerState;
  readonly #listeners = new Set<() => void>();
  #pending: PlacedBatch[] = [];
  readonly #acknowledgements = new Acknowledgements();
  #nextOffset: Offset;
  #writtenOffset: Offset;
  #syncedOffset: Offset;
  #writtenBytes = 0;
  #syncedBytes = 0;
  #syncing: Promise<void> | undefined;
  #snapshotDue = false;
  #failure: KafkaError | undefined;

  /** With a `failure` the log could not be opened, and answers everything with that. */
  constructor(
    tp: TopicPartition,
    directory: string,
    config: LogConfig,
    environment: LogEnvironment,
    recovered: RecoveredLog | { failure: Error },
  ) {
    this.tp = tp;
    this.name = topicPartitionName(tp);
    this.config = config;
    this.#directory = directory;
    this.#environment = environment;
    this.#reader = new LogReader(environment.buffers, config.indexIntervalBytes);
    const isOpen = !('failure' in recovered);
    if (!isOpen) this.#failure = storageError(this.name, recovered.failure);
    this.#segments = new SegmentList(directory, isOpen ? recovered.segments : []);
    this.#epochs = isOpen ? recovered.epochs : new LeaderEpochs();
    this.#producers = isOpen ? recovered.producers : new ProducerState();
    this.#nextOffset = this.segments.at(-1)?.endOffset ?? 0;
    this.#writtenOffset = this.#nextOffset;
    this.#syncedOffset = this.#nextOffset;
  }

  /** Acts by other settings from now on. What must be fsynced before it is seen is fsynced at once. */
  reconfigure(config: LogConfig): void {
    this.config = config;
    if (config.flush === 'acks') void this.sync();
  }

  get logStartOffset(): Offset {
    return Math.max(this.startOffset, this.#segments.baseOffset);
  }

  /** Offset after the last record written to the file. */
  get logEndOffset(): Offset {
    return this.#writtenOffset;
  }

  /** Offset after the last record a client may see: under flush=acks only what is fsynced, so that it cannot vanish. */
  get highWatermark(): Offset {
    return this.config.flush === 'acks' ? this.#syncedOffset : this.#writtenOffset;
  }

  /** Offset after the last record of a decided transaction, or outside of any: all that read_committed sees. */
  get lastStableOffset(): Offset {
    return this.#producers.transactions.lastStableOffset(this.highWatermark);
  }

  /** Every offset below it is on disk. */
  get recoveryPoint(): Offset {
    return this.#syncedOffset;
  }

  /** Counts the bytes that became visible since the start; its growth tells a waiting fetch what came. */
  get visibleBytes(): number {
    return this.config.flush === 'acks' ? this.#syncedBytes : this.#writtenBytes;
  }

  get leaderEpoch(): number {
    return Math.max(0, this.#epochs.current);
  }

  get segments(): readonly Segment[] {
    return this.#segments.all;
  }

  get failure(): KafkaError | undefined {
    return this.#failure;
  }

  /** Its idempotent producers and open transactions; only `append` changes them. */
  get producers(): Pick<ProducerState, 'epochOf' | 'isLastOf' | 'transactions'> {
    return this.#producers;
  }

  /**
   * Takes one batch, or marker, whose header and checksum were verified: gives it its offsets, stamps them into `bytes` and queues
   * it. Throws RECORD_LIST_TOO_LARGE, the idempotence errors, or KAFKA_STORAGE_ERROR; nothing is queued then.
   */
  append(bytes: Buffer, header: BatchHeader): Appended {
    this.#assertUsable();
    if (header.sizeBytes > this.config.segmentBytes) {
      throw new KafkaError('RECORD_LIST_TOO_LARGE', `batch of ${header.sizeBytes} bytes`);
    }
    const known = this.#producers.check(header);
    if (known !== undefined) return { baseOffset: known.baseOffset, endOffset: known.lastOffset + 1 };
    const baseOffset = this.#nextOffset;
    const lastOffset = baseOffset + header.lastOffsetDelta;
    assert(Number.isSafeInteger(lastOffset + 1), `${this.name}: offsets are used up`);
    const nowMs = this.#environment.now();
    const logAppendTimeMs = this.config.messageTimestampType === 'LogAppendTime' ? nowMs : undefined;
    stampBatch(bytes, 0, { baseOffset, leaderEpoch: this.leaderEpoch, logAppendTimeMs });
    const outcome = header.isControl ? outcomeOf(bytes, 0, header) : undefined;
    const ended = this.#producers.update(header, baseOffset, nowMs, outcome);
    const aborted = ended?.outcome === 'abort' ? ended : undefined;
    const maxTimestamp = logAppendTimeMs ?? header.maxTimestamp;
    this.#pending.push({ bytes, baseOffset, lastOffset, maxTimestamp, aborted });
    this.#nextOffset = lastOffset + 1;
    if (this.#pending.length === 1) this.#environment.scheduleWrite(this);
    return { baseOffset, endOffset: this.#nextOffset, logAppendTimeMs };
  }

  /** Resolves when what ends at `endOffset` is written and, if `allReplicas` (acks=all) under flush=acks, fsynced. */
  acknowledged(endOffset: Offset, allReplicas: boolean): Promise<void> | undefined {
    this.#assertUsable();
    const needsSync = allReplicas && this.config.flush === 'acks';
    if (endOffset <= (needsSync ? this.#syncedOffset : this.#writtenOffset)) return undefined;
    return this.#acknowledgements.wait(endOffset, needsSync);
  }

  /** Writes what was queued in this tick; called by the environment. Never throws: an error stops the log. */
  write(): void {
    const batches = this.#pending;
    if (this.#failure || batches.length === 0) return;
    this.#pending = [];
    const nowMs = this.#environment.now();
    try {
      let first = 0;
      while (first < batches.length) first = this.#appendToActive(batches, first, nowMs);
      this.#writtenOffset = this.#nextOffset;
      if (this.#snapshotDue) this.#writeSnapshot();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    for (const { bytes } of batches) this.#writtenBytes += bytes.length;
    this.#settle();
    if (this.config.flush === 'acks') void this.sync();
    else this.#environment.written(this);
  }

  /** Appends as many batches as the active segment takes, rolling it first if need be. Returns the next batch's number. */
  #appendToActive(batches: readonly PlacedBatch[], first: number, nowMs: number): number {
    const batch = batches[first] as PlacedBatch;
    if (!this.#segments.active.hasRoom(batch, 0, this.config, nowMs)) this.roll(batch.baseOffset);
    const { active } = this.#segments;
    let end = first;
    let bytes = 0;
    for (; end < batches.length; end++) {
      const next = batches[end] as PlacedBatch;
      if (end > first && !active.hasRoom(next, bytes, this.config, nowMs)) break;
      bytes += next.bytes.length;
    }
    active.append(first === 0 && end === batches.length ? batches : batches.slice(first, end), nowMs);
    this.#segments.written();
    return end;
  }

  /** Closes the active segment and begins the next at `baseOffset`, the log's end. */
  roll(baseOffset: Offset = this.#writtenOffset): void {
    this.#snapshotDue = true;
    this.#segments.roll(baseOffset, this.config.indexIntervalBytes, this.#environment.now());
    this.#environment.rolled();
  }

  /** Rolls between two writes, so that even the newest records can be deleted as a whole segment. */
  rollIfIdle(): void {
    this.write();
    if (this.#failure || this.#segments.active.sizeBytes === 0) return;
    try {
      this.roll();
      this.#writeSnapshot();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Taken when all that the state knows is written: the state is ahead of the file while batches are queued. */
  #writeSnapshot(): void {
    assert.equal(this.#nextOffset, this.#writtenOffset);
    this.#snapshotDue = false;
    writeSnapshot(this.#directory, this.#writtenOffset, this.#producers);
  }

  /** Makes everything written so far durable. Calls that come while one runs share the next. Never rejects. */
  sync(): Promise<void> {
    this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #syncAll(): Promise<void> {
    while (!this.#failure && this.#syncedOffset < this.#writtenOffset) {
      const [offset, bytes] = [this.#writtenOffset, this.#writtenBytes];
      try {
        await this.#segments.sync();
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      this.#syncedOffset = offset;
      this.#syncedBytes = bytes;
      this.#settle();
    }
  }

  /** Answers those whose batches are now as safe as they asked for, and wakes waiting fetches. */
  #settle(): void {
    this.#acknowledgements.settle(this.#writtenOffset, this.#syncedOffset);
    for (const listener of [...this.#listeners]) listener();
  }

  /** Stops the log: everyone who waits is told, everything later is refused. */
  #fail(error: Error): void {
    if (this.#failure) return;
    this.#end(storageError(this.name, error));
    this.#environment.failed(this, error);
  }

  #end(failure: KafkaError): void {
    this.#failure = failure;
    this.#pending = [];
    this.#acknowledgements.refuse(failure);
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `listener` whenever records become visible or the log stops. Returns what takes it off again. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Whole batches from the one that holds `offset` on, about `maxBytes` of them; undefined at the end of the log, and if
   * the first is larger and `minOneBatch` false. Nothing at or after `until`. Throws OFFSET_OUT_OF_RANGE.
   */
  read(
    offset: Offset,
    maxBytes: number,
    minOneBatch = true,
    until = this.highWatermark,
  ): ReadBatches | undefined {
    this.#assertUsable();
    if (offset < this.logStartOffset || offset > this.#writtenOffset) {
      const range = `${this.logStartOffset} to ${this.#writtenOffset}`;
      throw new KafkaError('OFFSET_OUT_OF_RANGE', `${this.name} holds ${range}, not ${offset}`);
    }
    if (offset >= until) return undefined;
    const limits = { maxBytes, minOneBatch, until };
    return this.#reader.readRecords(this.#segments, offset, limits, this.#environment.now());
  }

  /** The first record at or after a time (KIP-79), or undefined. */
  offsetSince(timestampMs: number): TimedOffset | undefined {
    this.#assertUsable();
    const from = this.logStartOffset;
    const found = this.#reader.offsetSince(this.segments, { timestampMs, from }, this.#environment.now());
    return found && found.offset < this.highWatermark ? found : undefined;
  }

  /** The first record with the greatest timestamp of the log (KIP-734), or undefined if it is empty. */
  offsetOfMaxTimestamp(): TimedOffset | undefined {
    const greatest = Math.max(-1, ...this.segments.map(({ maxTimestampMs }) => maxTimestampMs));
    return greatest < 0 ? undefined : this.offsetSince(greatest);
  }

  /** Where a leader epoch ends, or undefined if it is not known. */
  endOfEpoch(epoch: number): EpochEnd | undefined {
    this.#assertUsable();
    return this.#epochs.endOf(epoch, this.highWatermark);
  }

  /** The epoch in which an offset was written. */
  epochAt(offset: Offset): number {
    return (
      this.#epochs.starts.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? this.leaderEpoch
    );
  }

  /** Deletes its oldest segment, durably, if it has another one. */
  async deleteOldestSegment(): Promise<void> {
    while (this.#syncing) await this.#syncing;
    if (this.#failure || this.segments.length < 2) return;
    try {
      await this.#segments.deleteOldest();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Puts a compacted segment in the place of its sources; see `SegmentList.replace`. An error stops the log. */
  replaceSegments(sources: readonly Segment[], install: () => Segment): boolean {
    if (this.#failure) return false;
    try {
      return this.#segments.replace(sources, install);
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
  }

  /** Lets go of what has not been used since a time, and forgets producers not heard of for long. */
  rest(lastUseBeforeMs: number, nowMs: number): void {
    this.#producers.expire(nowMs - this.config.producerIdExpirationMs);
    if (this.#syncing || this.#syncedOffset < this.#nextOffset || this.#failure) return;
    try {
      for (const segment of this.segments) segment.rest(lastUseBeforeMs);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Writes and syncs what is left and closes the files. Returns whether the log is then whole on disk. */
  async close(): Promise<boolean> {
    this.write();
    await this.sync();
    if (this.#failure) return false;
    this.#writeSnapshot();
    this.#segments.close();
    return true;
  }

  /** Stops the log because its topic is deleted; its files are the caller's to remove. */
  async abandon(): Promise<void> {
    this.#end(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${this.name} was deleted`));
    while (this.#syncing) await this.#syncing;
    for (const segment of this.segments) segment.close();
  }

  #assertUsable(): void {
    if (this.#failure) throw this.#failure;
  }
}

function storageError(name: string, cause: Error): KafkaError {
  return new KafkaError('KAFKA_STORAGE_ERROR', `${name}: ${cause.message}`, { cause });
}
