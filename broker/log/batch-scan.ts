/**
 * Walks the record batches of a segment file by their headers, and by their checksums where asked. It stops at the first
 * place that holds no whole batch and says why: at the end of a log that is a torn write to be cut, anywhere else it is
 * corruption. Synchronous: used while a log is opened, and at runtime for at most one index interval at a time.
 */
import fs from 'node:fs';
import { KafkaError } from '../protocol/errors.ts';
import {
  AT,
  BATCH_HEADER_BYTES,
  BATCH_OVERHEAD_BYTES,
  type BatchHeader,
  isCrcValid,
  MAGIC,
  readBatchHeader,
} from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';

const HEADER_WINDOW_BYTES = 64 * 1024;
const CRC_WINDOW_BYTES = 4 * 1024 * 1024;

export interface ScannedBatch {
  header: BatchHeader;
  position: number;
}

export interface ScanOptions {
  /** First byte to look at: the start of a batch. */
  from: number;
  /** End of the file's valid bytes. */
  until: number;
  checkCrc: boolean;
  /** Base offset the first batch must have at least; each later one must follow its predecessor without a gap. */
  expectedOffset?: Offset;
  /** There may be gaps all the same: the segment was compacted. */
  mayHaveGaps?: boolean;
}

/**
 * A batch's greatest timestamp as the log counts with it. A producer may write any 64-bit number; beyond 2^53 - 1, the
 * year 287396, it is held to be that.
 */
export function countedTimestamp(timestampMs: number): number {
  return Math.max(-1, Math.min(timestampMs, Number.MAX_SAFE_INTEGER));
}

/** Where a scan ended, and what was wrong there; no reason: everything up to `until` was whole. */
export interface ScanEnd {
  position: number;
  reason: string | undefined;
}

/** Reads exactly `length` bytes, or fewer at the end of the file. */
export function readFully(fd: number, buffer: Buffer, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const count = fs.readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** A sliding view of a file, so that a scan reads it in large steps. */
class Window {
  readonly #fd: number;
  readonly #until: number;
  #buffer: Buffer;
  #start = 0;
  #length = 0;

  constructor(fd: number, until: number, bytes: number) {
    this.#fd = fd;
    this.#until = until;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(bytes, until)));
  }

  /** The bytes at a position, at least `length` of them unless the file ends before. */
  at(position: number, length: number): Buffer {
    const inside = position - this.#start;
    if (inside < 0 || inside + length > this.#length) {
      if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length);
      const wanted = Math.min(this.#buffer.length, this.#until - position);
      this.#length = readFully(this.#fd, this.#buffer, wanted, position);
      this.#start = position;
    }
    return this.#buffer.subarray(position - this.#start, this.#length);
  }
}

function headerOrReason(bytes: Buffer): BatchHeader | string {
  try {
    return readBatchHeader(bytes, 0);
  } catch (error) {
    if (error instanceof KafkaError) return error.message;
    throw error;
  }
}

/** Yields each whole batch from `from` on; returns where and why it stopped. */
export function* scanBatches(fd: number, options: ScanOptions): Generator<ScannedBatch, ScanEnd> {
  const { until, checkCrc } = options;
  const window = new Window(fd, until, checkCrc ? CRC_WINDOW_BYTES : HEADER_WINDOW_BYTES);
  let position = options.from;
  let expectedOffset = options.expectedOffset;
  while (position < until) {
    const stop = (reason: string): ScanEnd => ({ position, reason });
    const bytes = window.at(position, Math.min(BATCH_HEADER_BYTES, until - position));
    if (bytes.length < BATCH_HEADER_BYTES) return stop('the header of a batch is cut off');
    if (bytes[AT.magic] !== MAGIC) return stop(`magic byte ${bytes[AT.magic]} is not 2`);
    const sizeBytes = bytes.readInt32BE(AT.batchLength) + BATCH_OVERHEAD_BYTES;
    if (sizeBytes < BATCH_HEADER_BYTES) return stop(`batch of ${sizeBytes} bytes`);
    if (sizeBytes > until - position) return stop('a batch is cut off');
    const header = headerOrReason(bytes);
    if (typeof header === 'string') return stop(header);
    if (checkCrc && !isCrcValid(window.at(position, sizeBytes), 0, header)) return stop('checksum is wrong');
    const isGap = expectedOffset !== undefined && header.baseOffset > expectedOffset && options.mayHaveGaps;
    if (expectedOffset !== undefined && header.baseOffset !== expectedOffset && !isGap) {
      return stop(`batch of offset ${header.baseOffset} where ${expectedOffset} should be`);
    }
    yield { header, position };
    position += sizeBytes;
    expectedOffset = header.lastOffset + 1;
  }
  return { position, reason: undefined };
}
