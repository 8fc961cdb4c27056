/**
 * Reads a log: whole batches from an offset on, and the place of a time. A fetch of the next offset finds its place by
 * where the last one ended, any other by the sparse index. Synchronous: the tail, which nearly all reads want, is in the
 * page cache.
 */
import type { BufferPool } from '../protocol/buffer-pool.ts';
import { KafkaError } from '../protocol/errors.ts';
import {
  AT,
  BATCH_HEADER_BYTES,
  BATCH_OVERHEAD_BYTES,
  readBatchHeader,
  recordsOf,
} from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';
import { countedTimestamp, type ScannedBatch } from './batch-scan.ts';
import type { Segment } from './segment.ts';

const TWO_32 = 2 ** 32;
/** Read at least this much, so that a tiny byte limit still finds its batch in one read. */
const MIN_READ_BYTES = 16 * 1024;

/** Whole batches as they lie in the log; `release` exactly once, when they are sent. */
export interface ReadBatches {
  bytes: Buffer;
  /** Offset after the last of them. */
  endOffset: Offset;
  release(): void;
}

/** A record found by time. */
export interface TimedOffset {
  offset: Offset;
  timestampMs: number;
  leaderEpoch: number;
}

/** The first record at or after a time is wanted, and none before an offset. */
export interface SinceTime {
  timestampMs: number;
  from: Offset;
}

export interface ReadLimits {
  maxBytes: number;
  /** Gives the first batch whole even if it is larger than `maxBytes` (KIP-74). */
  minOneBatch: boolean;
  /** No record at or after it is given. */
  until: Offset;
}

function baseOffsetAt(bytes: Buffer, at: number): Offset {
  return bytes.readInt32BE(at + AT.baseOffset) * TWO_32 + bytes.readUInt32BE(at + AT.baseOffset + 4);
}

function lastOffsetAt(bytes: Buffer, at: number): Offset {
  return baseOffsetAt(bytes, at) + bytes.readInt32BE(at + AT.lastOffsetDelta);
}

function sizeAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + AT.batchLength) + BATCH_OVERHEAD_BYTES;
}

export class LogReader {
  readonly #buffers: BufferPool;
  readonly #indexIntervalBytes: number;
  #nextRead: { segment: Segment; offset: Offset; position: number } | undefined;

  constructor(buffers: BufferPool, indexIntervalBytes: number) {
    this.#buffers = buffers;
    this.#indexIntervalBytes = indexIntervalBytes;
  }

  /**
   * Batches from the one that holds `offset` on; undefined if not one fits. Those that compaction left without records
   * are passed over if they fill an answer: kafkajs takes it for the end of the log, and would miss what follows.
   */
  readRecords(
    segments: { holding(offset: Offset): Segment },
    offset: Offset,
    limits: ReadLimits,
    nowMs: number,
  ): ReadBatches | undefined {
    for (let from = offset; ; ) {
      const read = this.read(segments.holding(from), from, limits, nowMs);
      const next = read && endOfEmpty(read.bytes);
      if (next === undefined || next >= limits.until) return read;
      read?.release();
      from = next;
    }
  }

  /** Batches from the one that holds `offset` on, which must lie in the segment; undefined if not one fits. */
  read(segment: Segment, offset: Offset, limits: ReadLimits, nowMs: number): ReadBatches | undefined {
    const hint = this.#nextRead;
    let position =
      hint?.segment === segment && hint.offset === offset ? hint.position : segment.positionBefore(offset);
    const wanted = Math.max(limits.maxBytes + this.#indexIntervalBytes, MIN_READ_BYTES);
    for (;;) {
      const bytes = this.#load(segment, position, wanted, nowMs);
      const { at, found } = skipTo(bytes, offset);
      if (found) return this.#take(segment, bytes, { at, position }, limits, nowMs);
      this.#buffers.giveBack(bytes);
      if (at === 0) throw this.#misplaced(segment, offset, position);
      position += at;
    }
  }

  #load(segment: Segment, position: number, wanted: number, nowMs: number): Buffer {
    const length = Math.max(0, Math.min(wanted, segment.sizeBytes - position));
    const bytes = this.#buffers.lend(length);
    return bytes.subarray(0, segment.read(bytes, length, position, nowMs));
  }

  #take(
    segment: Segment,
    loaded: Buffer,
    { at, position }: { at: number; position: number },
    limits: ReadLimits,
    nowMs: number,
  ): ReadBatches | undefined {
    let bytes = loaded;
    let start = at;
    const firstBytes = sizeAt(bytes, start);
    if (firstBytes > limits.maxBytes && !limits.minOneBatch) {
      this.#buffers.giveBack(bytes);
      return undefined;
    }
    if (start + firstBytes > bytes.length) {
      this.#buffers.giveBack(bytes);
      bytes = this.#load(segment, position + at, firstBytes, nowMs);
      start = 0;
    }
    let end = start;
    let next = baseOffsetAt(bytes, start);
    while (bytes.length - end >= BATCH_HEADER_BYTES) {
      const size = sizeAt(bytes, end);
      const over = end > start && end + size - start > limits.maxBytes;
      if (over || end + size > bytes.length || lastOffsetAt(bytes, end) >= limits.until) break;
      next = lastOffsetAt(bytes, end) + 1;
      end += size;
    }
    this.#nextRead = { segment, offset: next, position: position + at + (end - start) };
    return {
      bytes: bytes.subarray(start, end),
      endOffset: next,
      release: () => this.#buffers.giveBack(bytes),
    };
  }

  #misplaced(segment: Segment, offset: Offset, position: number): KafkaError {
    return new KafkaError(
      'KAFKA_STORAGE_ERROR',
      `${segment.file}: offset ${offset} is not after ${position}`,
    );
  }

  /** The first record at or after a time and an offset, or undefined. */
  offsetSince(segments: readonly Segment[], wanted: SinceTime, nowMs: number): TimedOffset | undefined {
    for (const segment of segments) {
      let { from } = wanted;
      while (from < segment.endOffset) {
        const batch = segment.firstBatchSince(wanted.timestampMs, from);
        if (batch === undefined) break;
        const found = this.#recordSince(segment, batch, wanted, nowMs);
        if (found !== undefined) return found;
        from = batch.header.lastOffset + 1;
      }
    }
    return undefined;
  }

  #recordSince(
    segment: Segment,
    batch: ScannedBatch,
    { timestampMs, from }: SinceTime,
    nowMs: number,
  ): TimedOffset | undefined {
    const { sizeBytes } = batch.header;
    const bytes = this.#load(segment, batch.position, sizeBytes, nowMs);
    const { leaderEpoch } = batch.header;
    try {
      const header = readBatchHeader(bytes, 0);
      for (const record of recordsOf(bytes, 0, header)) {
        if (record.offset >= from && countedTimestamp(record.timestampMs) >= timestampMs) {
          return { offset: record.offset, timestampMs: countedTimestamp(record.timestampMs), leaderEpoch };
        }
      }
      // What the header says of the time may be true of records that were deleted or compacted away.
      const isWhole = header.recordCount === header.lastOffsetDelta + 1;
      if (from > header.baseOffset || !isWhole) return undefined;
    } catch {
      // The records are the producer's bytes and may be no records at all; the batch is then found as a whole.
    } finally {
      this.#buffers.giveBack(bytes);
    }
    const { baseOffset, maxTimestamp } = batch.header;
    return { offset: Math.max(baseOffset, from), timestampMs: countedTimestamp(maxTimestamp), leaderEpoch };
  }
}

/** The offset after the last of some batches, if compaction has left not one of them a record; else undefined. */
function endOfEmpty(bytes: Buffer): Offset | undefined {
  let next: Offset | undefined;
  for (let at = 0; bytes.length - at >= BATCH_HEADER_BYTES; at += sizeAt(bytes, at)) {
    if (bytes.readInt32BE(at + AT.recordCount) > 0) return undefined;
    next = lastOffsetAt(bytes, at) + 1;
  }
  return next;
}

/** Skips whole batches that end before an offset. `found`: at `at` stands the header of the batch that holds it. */
function skipTo(bytes: Buffer, offset: Offset): { at: number; found: boolean } {
  let at = 0;
  while (bytes.length - at >= BATCH_HEADER_BYTES) {
    const size = sizeAt(bytes, at);
    if (size < BATCH_HEADER_BYTES || baseOffsetAt(bytes, at) < 0) return { at: 0, found: false };
    if (lastOffsetAt(bytes, at) >= offset) return { at, found: true };
    at += size;
  }
  return { at, found: false };
}
