/**
 * The signed varints inside record batches (zig-zag, as in Protocol Buffers), for the two hot paths: walking records and
 * making them. Whoever reads checks `at` against the end afterwards; here only endless numbers are refused.
 */
import { KafkaError } from './errors.ts';

const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;

/** Reads varints at a position that the caller may also move. */
export class VarintReader {
  readonly buffer: Buffer;
  at: number;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
  }

  /** A signed 32-bit number. */
  varint(): number {
    const raw = this.#short();
    const bits = raw >= 0 ? raw : this.#long(VARINT_BYTES_MAX) >>> 0;
    return (bits >>> 1) ^ -(bits & 1);
  }

  /** A signed 64-bit number, rounded beyond 2^53. */
  varlong(): number {
    const raw = this.#short();
    if (raw >= 0) return (raw >>> 1) ^ -(raw & 1);
    const long = this.#long(VARLONG_BYTES_MAX);
    return long % 2 === 0 ? long / 2 : -(long + 1) / 2;
  }

  /** One or two bytes, which nearly all varints of a batch have; else -1, and nothing is read. */
  #short(): number {
    const at = this.at;
    const first = this.buffer[at] as number;
    if (first < 0x80) {
      this.at = at + 1;
      return first;
    }
    const second = this.buffer[at + 1] as number;
    if (second < 0x80) {
      this.at = at + 2;
      return (first & 0x7f) | (second << 7);
    }
    return -1;
  }

  #long(bytesMax: number): number {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < bytesMax; index++) {
      const byte = this.buffer[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new KafkaError('CORRUPT_MESSAGE', 'a varint without an end');
  }
}

/** Bytes that `writeVarint` will need for a signed 32-bit number. */
export function varintBytes(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0;
  if (raw < 0x80) return 1;
  if (raw < 0x4000) return 2;
  if (raw < 0x20_0000) return 3;
  return raw < 0x1000_0000 ? 4 : 5;
}

/** Writes a signed 32-bit number at `at`; returns the position after it. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0;
  let next = at;
  while (raw > 0x7f) {
    buffer[next++] = (raw & 0x7f) | 0x80;
    raw >>>= 7;
  }
  buffer[next++] = raw;
  return next;
}

const isInt32 = (value: number) => value === (value | 0);
const zigzag64 = (value: number) => (value < 0 ? BigInt(value) * -2n - 1n : BigInt(value) * 2n);

/** Bytes that `writeVarlong` will need for a safe integer. */
export function varlongBytes(value: number): number {
  if (isInt32(value)) return varintBytes(value);
  let bytes = 1;
  for (let raw = zigzag64(value); raw > 0x7fn; raw >>= 7n) bytes++;
  return bytes;
}

/** Writes a safe integer at `at`; returns the position after it. */
export function writeVarlong(buffer: Buffer, at: number, value: number): number {
  if (isInt32(value)) return writeVarint(buffer, at, value);
  let next = at;
  let raw = zigzag64(value);
  for (; raw > 0x7fn; raw >>= 7n) buffer[next++] = Number(raw & 0x7fn) | 0x80;
  buffer[next++] = Number(raw);
  return next;
}
