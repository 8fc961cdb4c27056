/**
 * A record batch with some of its records taken out, as compaction leaves it: offsets, producer and sequence stay, so
 * that readers and the state of producers see no difference but the gap. A batch may be left without records. The time at
 * which its tombstones, or a marker, may go stands in place of its base timestamp, marked by a bit of the attributes
 * (KIP-534).
 */
import { codecName, compress } from './compression.ts';
import { KafkaError } from './errors.ts';
import {
  AT,
  ATTRIBUTE,
  BATCH_HEADER_BYTES,
  BATCH_OVERHEAD_BYTES,
  type BatchHeader,
  batchCrc,
  eachRecord,
} from './record-batch.ts';
import { VarintReader, varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

/** Bit of the attributes: the base timestamp is the delete horizon. */
const DELETE_HORIZON = 0x40;

/** A record as the choice sees it. Key and tombstone only; values are nobody's business here. */
export interface CompactableRecord {
  offset: number;
  key: Buffer | null;
  isTombstone: boolean;
}

/** What becomes of a batch. */
export interface Compaction {
  /** Whether a record stays. */
  keeps(record: CompactableRecord): boolean;
  /** It is the marker of a transaction of which no batch is left. */
  isSpentMarker: boolean;
  /** Given to such a marker, and to a batch with tombstones, that has none yet: the time from which they may be taken out. */
  horizonMs: number;
  /** Records may not be larger than this when decompressed. */
  maxBytes: number;
}

/** When the tombstones of a batch, or a marker, may be taken out; undefined: not decided yet. */
export function deleteHorizonOf({ attributes, baseTimestamp }: BatchHeader): number | undefined {
  return (attributes & DELETE_HORIZON) === 0 ? undefined : baseTimestamp;
}

/** Visits key and kind of each record. Throws CORRUPT_MESSAGE for what is no records. */
export function eachKey(
  batch: Buffer,
  header: BatchHeader,
  visit: (record: CompactableRecord) => void,
  maxBytes: number,
): void {
  walk(batch, header, (record) => visit(record), maxBytes);
}

function walk(
  batch: Buffer,
  header: BatchHeader,
  visit: (record: CompactableRecord, bytes: Buffer, timestampMs: number) => void,
  maxBytes: number,
): void {
  let start: number | undefined;
  eachRecord(
    batch,
    0,
    header,
    (offset, timestampMs, keyStart, keyEnd, valueStart, _valueEnd, _headersStart, end, _count, payload) => {
      start ??= payload === batch ? BATCH_HEADER_BYTES : 0;
      const key = keyStart < 0 ? null : payload.subarray(keyStart, keyEnd);
      visit({ offset, key, isTombstone: valueStart < 0 }, payload.subarray(start, end), timestampMs);
      start = end;
    },
    maxBytes,
  );
}

/**
 * The batch with the records that stay; the same buffer if nothing changes, a batch of none if none stays. Throws
 * CORRUPT_MESSAGE if its bytes are no records.
 */
export function compactBatch(batch: Buffer, header: BatchHeader, compaction: Compaction): Buffer {
  const kept: Buffer[] = [];
  let maxTimestamp = -1;
  let hasTombstones = false;
  walk(
    batch,
    header,
    (record, bytes, timestampMs) => {
      if (!compaction.keeps(record)) return;
      kept.push(bytes);
      hasTombstones ||= record.isTombstone;
      maxTimestamp = Math.max(maxTimestamp, timestampMs);
    },
    compaction.maxBytes,
  );
  const mayGo = hasTombstones || compaction.isSpentMarker;
  const movesBase = mayGo && deleteHorizonOf(header) === undefined && hasSafeTimes(header);
  if (kept.length === header.recordCount && !movesBase) return batch;
  if (kept.length === 0) return sealed(batch, header, { body: Buffer.alloc(0), count: 0, maxTimestamp: -1 });
  const shift = movesBase ? header.baseTimestamp - compaction.horizonMs : 0;
  const body = Buffer.concat(movesBase ? kept.map((record) => shifted(record, shift)) : kept);
  const sealedBatch = sealed(batch, header, { body, count: kept.length, maxTimestamp });
  return movesBase ? withHorizon(sealedBatch, compaction.horizonMs) : sealedBatch;
}

/** Times that numbers hold exactly; a batch with others keeps its tombstones. */
function hasSafeTimes({ baseTimestamp, maxTimestamp }: BatchHeader): boolean {
  return Math.abs(baseTimestamp) < Number.MAX_SAFE_INTEGER / 4 && maxTimestamp < Number.MAX_SAFE_INTEGER / 4;
}

/** A record whose time is told from another base. */
function shifted(record: Buffer, shift: number): Buffer {
  const reader = new VarintReader(record, 0);
  reader.varint();
  const attributes = record[reader.at] as number;
  reader.at += 1;
  const delta = reader.varlong() + shift;
  if (!Number.isSafeInteger(delta))
    throw new KafkaError('CORRUPT_MESSAGE', `record with time delta ${delta}`);
  const rest = record.subarray(reader.at);
  const length = 1 + varlongBytes(delta) + rest.length;
  const moved = Buffer.allocUnsafe(varintBytes(length) + length);
  let at = writeVarint(moved, 0, length);
  moved[at++] = attributes;
  at = writeVarlong(moved, at, delta);
  moved.set(rest, at);
  return moved;
}

function sealed(
  batch: Buffer,
  header: BatchHeader,
  { body, count, maxTimestamp }: { body: Buffer; count: number; maxTimestamp: number },
): Buffer {
  const codec = codecName(header.codec);
  const packed = codec === 'none' || count === 0 ? body : compress(codec, body);
  const made = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), packed]);
  made.writeInt32BE(made.length - BATCH_OVERHEAD_BYTES, AT.batchLength);
  made.writeInt32BE(count, AT.recordCount);
  if (count === 0) made.writeInt16BE(header.attributes & ~ATTRIBUTE.codecMask, AT.attributes);
  // Under log append time it is every record's time and stays; beyond 2^53 numbers don't hold it.
  const isExact = Number.isSafeInteger(maxTimestamp) && !header.logAppendTime;
  if (isExact) made.writeBigInt64BE(BigInt(maxTimestamp), AT.maxTimestamp);
  made.writeUInt32BE(batchCrc(made, 0, made.length), AT.crc);
  return made;
}

function withHorizon(batch: Buffer, horizonMs: number): Buffer {
  batch.writeInt16BE(batch.readInt16BE(AT.attributes) | DELETE_HORIZON, AT.attributes);
  batch.writeBigInt64BE(BigInt(horizonMs), AT.baseTimestamp);
  batch.writeUInt32BE(batchCrc(batch, 0, batch.length), AT.crc);
  return batch;
}
