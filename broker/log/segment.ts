/**
 * One segment of a log: a file of record batches whose name is its first offset, its two sparse indexes, and the list of
 * transactions aborted in it. Appends go to its end only. File descriptor and indexes are held while the segment is in
 * use and let go when it rests, so that many partitions cost neither descriptors nor memory; the indexes are rebuilt from
 * the log whenever they are not whole. All calls are synchronous and throw the system's errors; what they mean for the log is the log's to decide.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type Outcome, outcomeOf } from '../protocol/control-batch.ts';
import type { BatchHeader } from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';
import {
  countedTimestamp,
  readFully,
  type ScanEnd,
  type ScannedBatch,
  type ScanOptions,
  scanBatches,
} from './batch-scan.ts';
import { segmentFileName } from './file-names.ts';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex } from './time-index.ts';
import { type AbortedTransaction, AbortedTransactions } from './transaction-index.ts';

/** Buffers given to one writev; Linux takes at most 1024 (IOV_MAX). */
const MAX_WRITEV_BUFFERS = 1024;
/** Positions are 32-bit in the index and in Kafka; offsets are relative to the base and 32-bit too. */
const MAX_SEGMENT_BYTES = 2 ** 31 - 1;

/** A whole batch about to be appended, offsets already assigned. */
export interface PlacedBatch {
  bytes: Buffer;
  baseOffset: Offset;
  lastOffset: Offset;
  maxTimestamp: number;
  /** The transaction that this marker aborted. */
  aborted?: AbortedTransaction | undefined;
}

/** A batch found in the log; with an `outcome` it is a marker. */
export interface LoggedBatch {
  header: BatchHeader;
  outcome: Outcome | undefined;
}

/** When a segment is full: by size, and by the time since its first append. */
export interface RollLimits {
  segmentBytes: number;
  segmentMs: number;
}

interface OpenState {
  fd: number;
  offsets: OffsetIndex;
  times: TimeIndex;
}

export class Segment {
  readonly baseOffset: Offset;
  readonly file: string;
  readonly #directory: string;
  readonly #indexIntervalBytes: number;
  readonly #suffix: string;
  /** It was compacted, or may have been: offsets may be missing. */
  hasGaps = false;
  #open: OpenState | undefined;
  #sizeBytes = 0;
  #endOffset: Offset;
  #maxTimestampMs = -1;
  #bytesSinceEntry = 0;
  #indexesSaved = false;
  #hasMarkers = false;
  /** The transactions aborted by markers in it. */
  readonly aborted: AbortedTransactions;
  /** Broker's clock at the first and last append; the file's modification time after a restart. */
  firstAppendMs: number | undefined;
  lastAppendMs: number;
  /** Last use, for letting go of the descriptor. */
  lastUseMs: number;

  /** `suffix` is added to the names of its files while it is on its way in. */
  constructor(directory: string, baseOffset: Offset, indexIntervalBytes: number, nowMs: number, suffix = '') {
    this.#directory = directory;
    this.baseOffset = baseOffset;
    this.#suffix = suffix;
    this.file = path.join(directory, `${segmentFileName(baseOffset, 'log')}${suffix}`);
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#endOffset = baseOffset;
    this.aborted = new AbortedTransactions(this.#path('txnindex'));
    this.lastAppendMs = nowMs;
    this.lastUseMs = nowMs;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Offset after the last record. */
  get endOffset(): Offset {
    return this.#endOffset;
  }

  /** Greatest timestamp of its records, -1 without any. */
  get maxTimestampMs(): number {
    return this.#maxTimestampMs;
  }

  /** Makes a new, empty segment; the file must not exist. The directory has still to be synced. */
  create(): void {
    fs.closeSync(fs.openSync(this.file, 'wx'));
    for (const kind of ['index', 'timeindex', 'txnindex'] as const) {
      fs.rmSync(this.#path(kind), { force: true });
    }
  }

  /**
   * Reads what the segment holds from its indexes and the batches behind their last entry, or from the whole log if the
   * indexes are not whole. Says where the batches end if the file does not end with them.
   */
  load(): ScanEnd {
    const { mtimeMs, size } = fs.statSync(this.file);
    this.lastAppendMs = mtimeMs;
    this.#sizeBytes = size;
    this.aborted.check();
    const indexes = this.#readIndexes();
    if (indexes === undefined) return this.rebuild({ checkCrc: false });
    this.#indexesSaved = true;
    this.#open = { fd: fs.openSync(this.file, 'r+'), ...indexes };
    const last = indexes.offsets.at(indexes.offsets.count - 1);
    const from = last?.position ?? 0;
    this.#maxTimestampMs = indexes.times.lastMs ?? -1;
    const end = this.#scan({
      from,
      until: size,
      checkCrc: false,
      expectedOffset: this.baseOffset + (last?.relativeOffset ?? 0),
    });
    return end.position === from && from > 0 ? this.rebuild({ checkCrc: false }) : end;
  }

  /**
   * Rebuilds both sparse indexes from the log. With `checkCrc` every batch is verified, and the aborted transactions are
   * forgotten if there are any markers. Says where the whole batches end.
   */
  rebuild({ checkCrc }: { checkCrc: boolean }): ScanEnd {
    this.close();
    const { mtimeMs, size } = fs.statSync(this.file);
    this.lastAppendMs = mtimeMs;
    this.#sizeBytes = size;
    this.#endOffset = this.baseOffset;
    this.#maxTimestampMs = -1;
    this.#indexesSaved = false;
    for (const kind of ['index', 'timeindex'] as const) fs.rmSync(this.#path(kind), { force: true });
    this.#open = { fd: fs.openSync(this.file, 'r+'), offsets: new OffsetIndex(), times: new TimeIndex() };
    this.#hasMarkers = false;
    const end = this.#scan({ from: 0, until: size, checkCrc, expectedOffset: this.baseOffset });
    if (checkCrc) this.aborted.forget({ isKnown: !this.#hasMarkers });
    return end;
  }

  /** Cuts the file after a position that is the end of a batch, and makes the cut durable. */
  truncate(sizeBytes: number): void {
    const open = this.#opened();
    fs.ftruncateSync(open.fd, sizeBytes);
    fs.fsyncSync(open.fd);
    this.#sizeBytes = sizeBytes;
    this.rebuild({ checkCrc: false });
    this.aborted.truncate(this.#endOffset);
  }

  /** Whether a batch may still go in behind `queuedBytes` others; an empty segment takes any. */
  hasRoom(batch: PlacedBatch, queuedBytes: number, limits: RollLimits, nowMs: number): boolean {
    const bytes = this.#sizeBytes + queuedBytes;
    if (bytes === 0) return true;
    return (
      bytes + batch.bytes.length <= Math.min(limits.segmentBytes, MAX_SEGMENT_BYTES) &&
      batch.lastOffset - this.baseOffset <= MAX_SEGMENT_BYTES &&
      nowMs - (this.firstAppendMs ?? this.lastAppendMs) < limits.segmentMs
    );
  }

  /** Appends batches with as few system calls as can be. After an error the file's tail is unknown: stop using it. */
  append(batches: readonly PlacedBatch[], nowMs: number): void {
    const open = this.#opened();
    for (let first = 0; first < batches.length; first += MAX_WRITEV_BUFFERS) {
      this.#write(open.fd, batches.slice(first, first + MAX_WRITEV_BUFFERS), this.#sizeBytes);
    }
    this.#indexesSaved = false;
    this.firstAppendMs ??= nowMs;
    this.lastAppendMs = nowMs;
    this.lastUseMs = nowMs;
  }

  #write(fd: number, batches: readonly PlacedBatch[], position: number): void {
    let buffers = batches.map(({ bytes }) => bytes);
    let at = position;
    while (buffers.length > 0) {
      let written = fs.writevSync(fd, buffers, at);
      at += written;
      while (buffers[0] !== undefined && written >= buffers[0].length)
        written -= buffers.shift()?.length ?? 0;
      if (buffers[0] !== undefined && written > 0) {
        buffers = [buffers[0].subarray(written), ...buffers.slice(1)];
      }
    }
    const open = this.#opened();
    for (const { bytes, baseOffset, lastOffset, maxTimestamp, aborted } of batches) {
      if (aborted) this.aborted.add(aborted);
      this.#index(open, baseOffset, this.#sizeBytes, bytes.length);
      this.#sizeBytes += bytes.length;
      this.#endOffset = lastOffset + 1;
      this.#maxTimestampMs = Math.max(this.#maxTimestampMs, countedTimestamp(maxTimestamp));
    }
    assert.equal(this.#sizeBytes, at);
  }

  /** Called with each batch before its timestamp is counted: the entry vouches for the batches before it. */
  #index({ offsets, times }: OpenState, baseOffset: Offset, position: number, sizeBytes: number): void {
    if (this.#bytesSinceEntry > this.#indexIntervalBytes) {
      offsets.add(baseOffset - this.baseOffset, position);
      times.add(this.#maxTimestampMs);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += sizeBytes;
  }

  /** A byte position at or shortly before the batch that holds an offset. */
  positionBefore(offset: Offset): number {
    return this.#opened().offsets.floor(offset - this.baseOffset)?.position ?? 0;
  }

  /** Reads bytes at a position; fewer at the end of the file. */
  read(buffer: Buffer, length: number, position: number, nowMs: number): number {
    this.lastUseMs = nowMs;
    return readFully(this.#opened().fd, buffer, length, position);
  }

  /** The first batch that holds a record at or after a time and ends at or after an offset, or undefined. */
  firstBatchSince(timestampMs: number, fromOffset: Offset): ScannedBatch | undefined {
    if (this.#maxTimestampMs < timestampMs) return undefined;
    const { fd, offsets, times } = this.#opened();
    const from = offsets.at(times.lastBefore(timestampMs))?.position ?? 0;
    for (const batch of scanBatches(fd, this.#from(from))) {
      const { maxTimestamp, lastOffset } = batch.header;
      if (lastOffset >= fromOffset && countedTimestamp(maxTimestamp) >= timestampMs) return batch;
    }
    return undefined;
  }

  /** All whole batches from the one that holds `offset` on. Throws CORRUPT_MESSAGE for a control batch that is none. */
  *batchesFrom(offset: Offset): Generator<LoggedBatch> {
    const { fd } = this.#opened();
    const from = this.positionBefore(offset);
    for (const { header, position } of scanBatches(fd, this.#from(from))) {
      if (header.lastOffset < offset) continue;
      const bytes = Buffer.alloc(header.isControl ? header.sizeBytes : 0);
      readFully(fd, bytes, bytes.length, position);
      yield { header, outcome: header.isControl ? outcomeOf(bytes, 0, header) : undefined };
    }
  }

  #from(from: number): ScanOptions {
    return { from, until: this.#sizeBytes, checkCrc: false, mayHaveGaps: this.hasGaps };
  }

  /** The descriptor, for an asynchronous fdatasync; the segment must not be closed while that runs. */
  descriptor(): number {
    return this.#opened().fd;
  }

  /** Writes the indexes beside the log. Only the aborted transactions are synced: the others are easily rebuilt. */
  saveIndexes(): void {
    this.aborted.save();
    if (this.#indexesSaved || this.#open === undefined) return;
    const { offsets, times } = this.#open;
    fs.writeFileSync(this.#path('index'), offsets.encode());
    fs.writeFileSync(this.#path('timeindex'), times.encode(offsets));
    this.#indexesSaved = true;
  }

  /** Lets go of descriptor and indexes; the next use opens them again. */
  close(): void {
    this.aborted.rest();
    if (this.#open === undefined) return;
    fs.closeSync(this.#open.fd);
    this.#open = undefined;
  }

  /** Closes the segment if it was not used since a time. */
  rest(lastUseBeforeMs: number): void {
    if (this.#open === undefined || this.lastUseMs >= lastUseBeforeMs) return;
    this.saveIndexes();
    this.close();
  }

  /** Removes its files: renamed first, so that a crash between leaves nothing that looks like a segment. */
  delete(): void {
    this.close();
    fs.renameSync(this.file, `${this.file}.deleted`);
    for (const kind of ['index', 'timeindex', 'txnindex', 'snapshot'] as const) {
      fs.rmSync(this.#path(kind), { force: true });
    }
    fs.rmSync(`${this.file}.deleted`, { force: true });
  }

  #path(kind: 'index' | 'timeindex' | 'txnindex' | 'snapshot'): string {
    return path.join(this.#directory, `${segmentFileName(this.baseOffset, kind)}${this.#suffix}`);
  }

  #readIndexes(): Omit<OpenState, 'fd'> | undefined {
    if (!fs.existsSync(this.#path('index')) || !fs.existsSync(this.#path('timeindex'))) return undefined;
    const offsets = OffsetIndex.decode(fs.readFileSync(this.#path('index')), this.#sizeBytes);
    const times = offsets && TimeIndex.decode(fs.readFileSync(this.#path('timeindex')), offsets);
    return offsets && times && { offsets, times };
  }

  /** Counts and indexes the batches from the last index entry, or the file's start, to its end. */
  #scan(options: ScanOptions): ScanEnd {
    const open = this.#opened();
    const entries = open.offsets.count;
    this.#bytesSinceEntry = 0;
    const scan = scanBatches(open.fd, { ...options, mayHaveGaps: this.hasGaps });
    let step = scan.next();
    for (; !step.done; step = scan.next()) {
      const { header, position } = step.value;
      this.#hasMarkers ||= header.isControl;
      this.#index(open, header.baseOffset, position, header.sizeBytes);
      this.#endOffset = header.lastOffset + 1;
      this.#maxTimestampMs = Math.max(this.#maxTimestampMs, countedTimestamp(header.maxTimestamp));
    }
    if (open.offsets.count > entries) this.#indexesSaved = false;
    return step.value;
  }

  /** Opens the segment if it rests. */
  #opened(): OpenState {
    if (this.#open !== undefined) return this.#open;
    const indexes = this.#readIndexes();
    if (indexes === undefined && this.#sizeBytes > 0) {
      const lastAppendMs = this.lastAppendMs;
      this.rebuild({ checkCrc: false });
      this.lastAppendMs = lastAppendMs;
      assert(this.#open);
      return this.#open;
    }
    const open = indexes ?? { offsets: new OffsetIndex(), times: new TimeIndex() };
    this.#open = { fd: fs.openSync(this.file, 'r+'), ...open };
    return this.#open;
  }
}

/** The aborted transactions of a row of segments that overlap `[from, until)`. */
export function abortedWithin(
  segments: readonly Segment[],
  from: Offset,
  until: Offset,
): AbortedTransaction[] {
  const all: AbortedTransaction[] = [];
  for (const segment of segments) {
    if (segment.endOffset <= from) continue;
    const { aborted, isComplete } = segment.aborted.overlapping(from, until);
    all.push(...aborted);
    if (isComplete) break;
  }
  return all;
}
