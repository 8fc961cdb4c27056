/**
 * The record batch of message format 2 (KIP-98), the unit in which logs are written, stored and sent: here its 61-byte
 * header, its checksum, and the two fields that a broker stamps in place (they lie outside the checksum). What
 * is inside the records is walked by `eachRecord`, without an allocation per record, and made by `encodeBatch`.
 */
import assert from 'node:assert/strict';
import { CODECS, type CodecName, codecName, compress, decompress } from './compression.ts';
import { crc32c } from './crc32c.ts';
import { KafkaError } from './errors.ts';
import { encodeRecords, type RecordHeader, type RecordInput } from './record.ts';
import { VarintReader } from './varint.ts';

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

/**
 * Writes base offset and leader epoch into the batch at `at`, as the leader does; they lie outside the checksum. With
 * `logAppendTimeMs` the broker's time too, of all its records, and the checksum anew.
 */
export function stampBatch(
  buffer: Buffer,
  at: number,
  stamp: { baseOffset: number; leaderEpoch: number; logAppendTimeMs?: number | undefined },
): void {
  const { baseOffset, leaderEpoch, logAppendTimeMs } = stamp;
  assert(Number.isSafeInteger(baseOffset) && baseOffset >= 0, `base offset ${baseOffset}`);
  const high = Math.floor(baseOffset / TWO_32);
  buffer.writeInt32BE(high, at + AT.baseOffset);
  buffer.writeUInt32BE(baseOffset - high * TWO_32, at + AT.baseOffset + 4);
  buffer.writeInt32BE(leaderEpoch, at + AT.leaderEpoch);
  if (logAppendTimeMs === undefined) return;
  buffer.writeInt16BE(buffer.readInt16BE(at + AT.attributes) | ATTRIBUTE.logAppendTime, at + AT.attributes);
  writeInt64(buffer, at + AT.maxTimestamp, logAppendTimeMs);
  buffer.writeUInt32BE(batchCrc(buffer, at, batchSizeAt(buffer, at)), at + AT.crc);
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

/**
 * Called for each record. Positions are in `payload`: the records bytes, decompressed (the fetched buffer itself where
 * there is no codec). Key and value are -1, -1 where null.
 */
export type RecordVisitor = (
  offset: number,
  timestampMs: number,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
  headersStart: number,
  headersEnd: number,
  headerCount: number,
  payload: Buffer,
) => void;

/** Records of one batch may not be larger than this when decompressed. */
export const RECORDS_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Visits the records of the batch at `at` in offset order; the batch must be whole and its checksum right. Whatever does
 * not fit together inside throws CORRUPT_MESSAGE, after the records before it were visited.
 */
export function eachRecord(
  buffer: Buffer,
  at: number,
  header: BatchHeader,
  visit: RecordVisitor,
  maxBytes = RECORDS_BYTES_MAX,
): void {
  const { payload, start, end } = recordsPayload(buffer, at, header, maxBytes);
  const reader = new VarintReader(payload, start);
  const { baseOffset, baseTimestamp, lastOffsetDelta, recordCount, logAppendTime, maxTimestamp } = header;
  let previousDelta = -1;
  for (let index = 0; index < recordCount; index++) {
    const length = reader.varint();
    const recordEnd = reader.at + length;
    if (length < 0 || recordEnd > end) throw corrupt('a torn record, length', length);
    reader.at++;
    const timestampMs = reader.varlong() + baseTimestamp;
    const delta = reader.varint();
    if (delta <= previousDelta || delta > lastOffsetDelta) throw corrupt('offset delta', delta);
    previousDelta = delta;
    const keyLength = reader.varint();
    const keyStart = keyLength < 0 ? -1 : reader.at;
    const keyEnd = keyLength < 0 ? -1 : (reader.at += keyLength);
    const valueLength = reader.varint();
    const valueStart = valueLength < 0 ? -1 : reader.at;
    const valueEnd = valueLength < 0 ? -1 : (reader.at += valueLength);
    const headerCount = reader.varint();
    if (keyLength < -1 || valueLength < -1 || reader.at > recordEnd)
      throw corrupt('a torn record at offset', baseOffset + delta);
    if (headerCount < 0 || headerCount > recordEnd - reader.at) throw corrupt('header count', headerCount);
    const time = logAppendTime ? maxTimestamp : timestampMs;
    visit(
      baseOffset + delta,
      time,
      keyStart,
      keyEnd,
      valueStart,
      valueEnd,
      reader.at,
      recordEnd,
      headerCount,
      payload,
    );
    reader.at = recordEnd;
  }
  if (reader.at !== end) throw corrupt('bytes left after the last record:', end - reader.at);
}

function recordsPayload(buffer: Buffer, at: number, header: BatchHeader, maxBytes: number) {
  const start = at + BATCH_HEADER_BYTES;
  const end = at + header.sizeBytes;
  const codec = codecName(header.codec);
  if (codec === 'none') return { payload: buffer, start, end };
  // A batch that compaction emptied keeps its codec but has no compressed bytes.
  if (start === end) return { payload: buffer, start, end };
  const payload = decompress(codec, buffer.subarray(start, end), maxBytes);
  return { payload, start: 0, end: payload.length };
}

/** The headers that `eachRecord` reported as `count` ones from `start` to `end`. */
export function headersOf(
  payload: Buffer,
  start: number,
  count: number,
  end = payload.length,
): RecordHeader[] {
  const reader = new VarintReader(payload, start);
  const piece = (length: number): Buffer => {
    if (length < 0 || length > end - reader.at) throw corrupt('a torn record header, length', length);
    const from = reader.at;
    reader.at += length;
    return payload.subarray(from, reader.at);
  };
  const headers: RecordHeader[] = [];
  for (let index = 0; index < count; index++) {
    const key = piece(reader.varint()).toString();
    const length = reader.varint();
    headers.push({ key, value: length === -1 ? null : piece(length) });
  }
  return headers;
}

/** A record as plain data; key, value and header values are views into the batch. */
export interface ReadRecord {
  offset: number;
  timestampMs: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: RecordHeader[];
}

/** The records of a batch, for where comfort counts more than speed. */
export function recordsOf(buffer: Buffer, at: number, header: BatchHeader): ReadRecord[] {
  const records: ReadRecord[] = [];
  eachRecord(
    buffer,
    at,
    header,
    (offset, timestampMs, keyStart, keyEnd, valueStart, valueEnd, start, end, count, payload) => {
      records.push({
        offset,
        timestampMs,
        key: keyStart < 0 ? null : payload.subarray(keyStart, keyEnd),
        value: valueStart < 0 ? null : payload.subarray(valueStart, valueEnd),
        headers: headersOf(payload, start, count, end),
      });
    },
  );
  return records;
}

/** What the header of a new batch says. Without a producer id it is not an idempotent producer's. */
export interface BatchOptions {
  codec: CodecName;
  producerId?: number;
  producerEpoch?: number;
  baseSequence?: number;
  isTransactional?: boolean;
  isControl?: boolean;
  /** Stamped by the broker; given here only to make batches as a log holds them. */
  baseOffset?: number;
  leaderEpoch?: number;
}

function writeInt64(target: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  target.writeInt32BE(high, at);
  target.writeUInt32BE(value - high * TWO_32, at + 4);
}

/** Makes one batch of at least one record; offsets follow each other from `baseOffset` (0 unless told). */
export function encodeBatch(records: readonly RecordInput[], options: BatchOptions): Buffer {
  const baseTimestamp = records[0]?.timestampMs;
  assert(baseTimestamp !== undefined, 'a batch has at least one record');
  let maxTimestamp = baseTimestamp;
  for (const { timestampMs } of records) if (timestampMs > maxTimestamp) maxTimestamp = timestampMs;
  let batch = encodeRecords(records, baseTimestamp, BATCH_HEADER_BYTES);
  if (options.codec !== 'none') {
    const compressed = compress(options.codec, batch.subarray(BATCH_HEADER_BYTES));
    batch = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), compressed]);
  }
  const attributes =
    CODECS[options.codec] |
    (options.isTransactional ? ATTRIBUTE.transactional : 0) |
    (options.isControl ? ATTRIBUTE.control : 0);
  batch.writeInt32BE(batch.length - BATCH_OVERHEAD_BYTES, AT.batchLength);
  batch.writeInt8(MAGIC, AT.magic);
  batch.writeInt16BE(attributes, AT.attributes);
  batch.writeInt32BE(records.length - 1, AT.lastOffsetDelta);
  writeInt64(batch, AT.baseTimestamp, baseTimestamp);
  writeInt64(batch, AT.maxTimestamp, maxTimestamp);
  writeInt64(batch, AT.producerId, options.producerId ?? -1);
  batch.writeInt16BE(options.producerEpoch ?? -1, AT.producerEpoch);
  batch.writeInt32BE(options.baseSequence ?? -1, AT.baseSequence);
  batch.writeInt32BE(records.length, AT.recordCount);
  batch.writeUInt32BE(batchCrc(batch, 0, batch.length), AT.crc);
  stampBatch(batch, 0, { baseOffset: options.baseOffset ?? 0, leaderEpoch: options.leaderEpoch ?? -1 });
  return batch;
}
