/**
 * The record batch of message format 2 (KIP-98), the unit in which logs are written, stored and sent: here its 61-byte
 * header, its checksum, and the two fields that a broker stamps in place (they lie outside the checksum). The records
 * inside are opaque to this file; `records.ts` walks them, `batch-encoder.ts` makes them.
 */
import assert from 'node:assert/strict';
import { crc32c } from './crc32c.ts';
import { KafkaError } from './errors.ts';

/** Bytes before the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes before the part that `batchLength` counts: base offset and batch length themselves. */
export const BATCH_OVERHEAD_BYTES = 12;
/** The message format spoken here. */
export const MAGIC = 2;

/** Byte positions of the header's fields. */
export const AT = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Bits of the attributes; the lowest three hold the codec. */
export const ATTRIBUTE = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
} as const;

const TWO_32 = 2 ** 32;

/** The header of a batch as read. Times are ms since 1970 (-1: none); beyond 2^53 they are rounded, offsets never. */
export interface BatchHeader {
  baseOffset: number;
  /** The whole batch, header included. */
  sizeBytes: number;
  leaderEpoch: number;
  magic: number;
  crc: number;
  attributes: number;
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are not defined. */
  codec: number;
  isTransactional: boolean;
  isControl: boolean;
  /** The broker's clock gave the time: every record has `maxTimestamp`. */
  logAppendTime: boolean;
  lastOffsetDelta: number;
  lastOffset: number;
  baseTimestamp: number;
  maxTimestamp: number;
  /** -1: not an idempotent producer's. */
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  recordCount: number;
}

function int64At(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_32 + buffer.readUInt32BE(at + 4);
}

function corrupt(what: string, value: number): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `record batch with ${what} ${value}`);
}

/** The size of the whole batch that begins at `at`; needs 12 bytes there. Throws CORRUPT_MESSAGE if no batch is so small. */
export function batchSizeAt(buffer: Buffer, at: number): number {
  const batchLength = buffer.readInt32BE(at + AT.batchLength);
  if (batchLength < BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES) throw corrupt('length', batchLength);
  return batchLength + BATCH_OVERHEAD_BYTES;
}

/**
 * Reads the header at `at`, which needs 61 bytes there, not the whole batch. Throws CORRUPT_MESSAGE for impossible
 * numbers and UNSUPPORTED_FOR_MESSAGE_FORMAT for the formats before Kafka 0.11; the checksum is `isCrcValid`'s matter.
 */
export function readBatchHeader(buffer: Buffer, at: number): BatchHeader {
  if (buffer.length - at < BATCH_HEADER_BYTES) throw corrupt('a torn header, bytes', buffer.length - at);
  const magic = buffer.readInt8(at + AT.magic);
  if (magic !== MAGIC) {
    throw new KafkaError('UNSUPPORTED_FOR_MESSAGE_FORMAT', `record batch of message format ${magic}, not 2`);
  }
  const attributes = buffer.readInt16BE(at + AT.attributes);
  const baseOffset = int64At(buffer, at + AT.baseOffset);
  const lastOffsetDelta = buffer.readInt32BE(at + AT.lastOffsetDelta);
  const recordCount = buffer.readInt32BE(at + AT.recordCount);
  const producerId = int64At(buffer, at + AT.producerId);
  const lastOffset = baseOffset + lastOffsetDelta;
  if (baseOffset < 0 || !Number.isSafeInteger(lastOffset)) throw corrupt('base offset', baseOffset);
  if (lastOffsetDelta < 0) throw corrupt('last offset delta', lastOffsetDelta);
  // Compaction removes records but keeps the deltas: fewer records than offsets is right, more never.
  if (recordCount < 0 || recordCount > lastOffsetDelta + 1) throw corrupt('record count', recordCount);
  if (producerId < -1 || !Number.isSafeInteger(producerId)) throw corrupt('producer id', producerId);
  return {
    baseOffset,
    sizeBytes: batchSizeAt(buffer, at),
    leaderEpoch: buffer.readInt32BE(at + AT.leaderEpoch),
    magic,
    crc: buffer.readUInt32BE(at + AT.crc),
    attributes,
    codec: attributes & ATTRIBUTE.codecMask,
    isTransactional: (attributes & ATTRIBUTE.transactional) !== 0,
    isControl: (attributes & ATTRIBUTE.control) !== 0,
    logAppendTime: (attributes & ATTRIBUTE.logAppendTime) !== 0,
    lastOffsetDelta,
    lastOffset,
    baseTimestamp: int64At(buffer, at + AT.baseTimestamp),
    maxTimestamp: int64At(buffer, at + AT.maxTimestamp),
    producerId,
    producerEpoch: buffer.readInt16BE(at + AT.producerEpoch),
    baseSequence: buffer.readInt32BE(at + AT.baseSequence),
    recordCount,
  };
}

/** The checksum that the batch at `at` should bear; the whole batch must be in `buffer`. */
export function batchCrc(buffer: Buffer, at: number, sizeBytes: number): number {
  return crc32c(buffer.subarray(at + AT.attributes, at + sizeBytes));
}

/** Whether the batch at `at` is whole in `buffer` and bears the right checksum. */
export function isCrcValid(
  buffer: Buffer,
  at: number,
  header: Pick<BatchHeader, 'sizeBytes' | 'crc'>,
): boolean {
  return at + header.sizeBytes <= buffer.length && batchCrc(buffer, at, header.sizeBytes) === header.crc;
}

/** Writes base offset and leader epoch into the batch at `at`, as the leader does; the checksum stays right. */
export function stampBatch(
  buffer: Buffer,
  at: number,
  stamp: { baseOffset: number; leaderEpoch: number },
): void {
  const { baseOffset, leaderEpoch } = stamp;
  assert(Number.isSafeInteger(baseOffset) && baseOffset >= 0, `base offset ${baseOffset}`);
  const high = Math.floor(baseOffset / TWO_32);
  buffer.writeInt32BE(high, at + AT.baseOffset);
  buffer.writeUInt32BE(baseOffset - high * TWO_32, at + AT.baseOffset + 4);
  buffer.writeInt32BE(leaderEpoch, at + AT.leaderEpoch);
}

/** A whole batch inside a buffer. */
export interface BatchAt {
  at: number;
  header: BatchHeader;
}

/** The whole batches of `buffer` in order. A torn last one, which a byte limit leaves, is passed over in silence. */
export function* batchesOf(buffer: Buffer, from = 0): Generator<BatchAt> {
  let at = from;
  while (buffer.length - at >= BATCH_HEADER_BYTES && at + batchSizeAt(buffer, at) <= buffer.length) {
    const header = readBatchHeader(buffer, at);
    yield { at, header };
    at += header.sizeBytes;
  }
}
