/**
 * One record of message format 2 as plain data, and its bytes: length, attributes, time and offset relative to the
 * batch, key, value, headers, all lengths as signed varints (KIP-98).
 */
import assert from 'node:assert/strict';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

/** A record header: a name, and bytes or null. Names may repeat. */
export interface RecordHeader {
  key: string;
  value: Buffer | null;
}

/** A record to be put into a batch. Times are ms since 1970, safe integers. */
export interface RecordInput {
  timestampMs: number;
  key: Buffer | null;
  value: Buffer | null;
  headers?: readonly RecordHeader[] | undefined;
}

const pieceBytes = (piece: Buffer | null) => (piece === null ? 1 : varintBytes(piece.length) + piece.length);

/** Bytes of one record behind its length. */
function recordBodyBytes(record: RecordInput, timestampDelta: number, offsetDelta: number): number {
  const { key, value, headers } = record;
  let size =
    1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta) + pieceBytes(key) + pieceBytes(value);
  if (!headers) return size + 1;
  size += varintBytes(headers.length);
  for (const { key: name, value: content } of headers) {
    const nameBytes = Buffer.byteLength(name);
    size += varintBytes(nameBytes) + nameBytes + pieceBytes(content);
  }
  return size;
}

function writePiece(target: Buffer, at: number, piece: Buffer | null): number {
  if (piece === null) return writeVarint(target, at, -1);
  const next = writeVarint(target, at, piece.length);
  target.set(piece, next);
  return next + piece.length;
}

function writeHeaders(target: Buffer, at: number, headers: readonly RecordHeader[]): number {
  let next = writeVarint(target, at, headers.length);
  for (const { key, value } of headers) {
    const nameBytes = Buffer.byteLength(key);
    next = writeVarint(target, next, nameBytes);
    next += target.write(key, next, nameBytes, 'utf8');
    next = writePiece(target, next, value);
  }
  return next;
}

/**
 * The bytes of records with offsets 0, 1, 2 … and times relative to `baseTimestamp`, with `roomBytes` left free before
 * them for the header of their batch.
 */
export function encodeRecords(
  records: readonly RecordInput[],
  baseTimestamp: number,
  roomBytes: number,
): Buffer {
  const sizes: number[] = [];
  let total = roomBytes;
  for (let index = 0; index < records.length; index++) {
    const record = records[index] as RecordInput;
    const size = recordBodyBytes(record, record.timestampMs - baseTimestamp, index);
    sizes.push(size);
    total += varintBytes(size) + size;
  }
  const target = Buffer.allocUnsafe(total);
  let at = roomBytes;
  for (let index = 0; index < records.length; index++) {
    const record = records[index] as RecordInput;
    at = writeVarint(target, at, sizes[index] as number);
    target[at++] = 0;
    at = writeVarlong(target, at, record.timestampMs - baseTimestamp);
    at = writeVarint(target, at, index);
    at = writePiece(target, at, record.key);
    at = writePiece(target, at, record.value);
    at = record.headers ? writeHeaders(target, at, record.headers) : writeVarint(target, at, 0);
  }
  assert(at === total, 'records take the bytes computed for them');
  return target;
}
