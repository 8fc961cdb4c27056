/**
 * The primitive values of the Kafka protocol, read from one frame and written to a list of chunks. Big-endian integers;
 * lengths as int16/int32 or, in flexible versions (KIP-482), as an unsigned varint of length + 1. Nothing here knows an
 * API. Every length that comes from outside is compared with the bytes left before anything is allocated or returned.
 */

/** Byte fields of at least this size are put into the output by reference, not copied. */
export const REFERENCE_BYTES_MIN = 512;

const TWO_32 = 2 ** 32;

/** What arrived is not what the protocol allows: the connection it came from can no longer be trusted to be in step. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Reads values one after the other from a buffer that it neither owns nor copies: byte fields are views into it. */
export class Reader {
  readonly buffer: Buffer;
  #at: number;
  readonly #end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.#at = at;
    this.#end = end;
  }

  /** Position in `buffer` of the next byte. */
  get at(): number {
    return this.#at;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** Steps over `length` bytes and returns where they begin. */
  take(length: number): number {
    if (length < 0 || length > this.#end - this.#at) {
      throw new WireError(`a field of ${length} bytes where ${this.#end - this.#at} are left`);
    }
    const at = this.#at;
    this.#at = at + length;
    return at;
  }

  int8(): number {
    return this.buffer.readInt8(this.take(1));
  }

  int16(): number {
    return this.buffer.readInt16BE(this.take(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.take(4));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  /** A whole number between -(2^53 - 1) and 2^53 - 1; what lies beyond is refused, not rounded. */
  int64(): number {
    const at = this.take(8);
    const value = this.buffer.readInt32BE(at) * TWO_32 + this.buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new WireError(`an int64 beyond 2^53 - 1: ${value}`);
    return value;
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  /** An unsigned varint of at most 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer[this.take(1)] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value >= TWO_32) break;
        return value;
      }
    }
    throw new WireError('a varint longer than 32 bits');
  }

  /** UTF-8 text of `length` bytes. */
  text(length: number): string {
    const at = this.take(length);
    return this.buffer.toString('utf8', at, at + length);
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Buffer {
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  /** Sixteen bytes as the usual text form, 8-4-4-4-12 hexadecimal digits. */
  uuid(): string {
    const at = this.take(16);
    const hex = this.buffer.toString('hex', at, at + 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** The number of array elements, or -1 for null, refused if they cannot fit at `minBytes` (at least 1) each. */
  count(flexible: boolean, minBytes: number): number {
    const count = flexible ? this.uvarint() - 1 : this.int32();
    if (count < -1 || count * minBytes > this.remaining) {
      throw new WireError(`an array of ${count} elements where ${this.remaining} bytes are left`);
    }
    return count;
  }

  /** Steps over the tagged fields that end a structure of a flexible version. */
  skipTags(): void {
    const count = this.uvarint();
    for (let index = 0; index < count; index++) {
      this.uvarint();
      this.take(this.uvarint());
    }
  }
}

/**
 * Collects values into chunks. Small values go to a growing buffer; large byte fields are kept by reference, so that the
 * records of a fetch answer pass from the log to the socket uncopied. They must not change until the chunks are sent.
 */
export class Writer {
  #buffer: Buffer;
  /** Where the chunk being filled begins in `#buffer`. */
  #start = 0;
  #at = 0;
  readonly #chunks: Buffer[] = [];
  #chunkBytes = 0;

  constructor(initialBytes = 512) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** Bytes written so far, those by reference included. */
  get size(): number {
    return this.#chunkBytes + this.#at - this.#start;
  }

  /** Makes room for `length` bytes and returns where they begin. May replace `#buffer`: call it before touching that. */
  #reserve(length: number): number {
    if (this.#at + length > this.#buffer.length) {
      const used = this.#at - this.#start;
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, used + length, 64));
      this.#buffer.copy(grown, 0, this.#start, this.#at);
      this.#buffer = grown;
      this.#start = 0;
      this.#at = used;
    }
    const at = this.#at;
    this.#at = at + length;
    return at;
  }

  int8(value: number): void {
    const at = this.#reserve(1);
    this.#buffer.writeInt8(value, at);
  }

  int16(value: number): void {
    const at = this.#reserve(2);
    this.#buffer.writeInt16BE(value, at);
  }

  int32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, at);
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new WireError(`not a safe integer: ${value}`);
    const at = this.#reserve(8);
    this.#buffer.writeInt32BE(Math.floor(value / TWO_32), at);
    this.#buffer.writeUInt32BE(value - Math.floor(value / TWO_32) * TWO_32, at + 4);
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  /** An unsigned varint of at most 32 bits. */
  uvarint(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      const at = this.#reserve(1);
      this.#buffer[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    const at = this.#reserve(1);
    this.#buffer[at] = rest;
  }

  /** Text as UTF-8 behind its length, null as length -1 (0 in the compact form). */
  text(value: string | null, flexible: boolean): void {
    const length = value === null ? -1 : Buffer.byteLength(value);
    if (flexible) this.uvarint(length + 1);
    else this.int16(length);
    if (value === null) return;
    const at = this.#reserve(length);
    this.#buffer.write(value, at, length, 'utf8');
  }

  /** Bytes, without a length. Large ones by reference. */
  raw(value: Uint8Array): void {
    if (value.length < REFERENCE_BYTES_MIN) {
      const at = this.#reserve(value.length);
      this.#buffer.set(value, at);
      return;
    }
    this.#closeChunk();
    this.#chunks.push(Buffer.from(value.buffer, value.byteOffset, value.length));
    this.#chunkBytes += value.length;
  }

  /** Bytes behind their length; several pieces count as one field. */
  bytes(value: Uint8Array | readonly Uint8Array[] | null, flexible: boolean): void {
    const pieces =
      value === null ? [] : Array.isArray(value) ? (value as readonly Uint8Array[]) : [value as Uint8Array];
    const length = value === null ? -1 : pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (flexible) this.uvarint(length + 1);
    else this.int32(length);
    for (const piece of pieces) this.raw(piece);
  }

  uuid(value: string): void {
    const hex = value.replaceAll('-', '');
    if (!/^[0-9a-f]{32}$/i.test(hex)) throw new WireError(`not a uuid: ${value}`);
    const at = this.#reserve(16);
    this.#buffer.write(hex, at, 16, 'hex');
  }

  /** The number of array elements, -1 for null. */
  count(value: number, flexible: boolean): void {
    if (flexible) this.uvarint(value + 1);
    else this.int32(value);
  }

  #closeChunk(): void {
    if (this.#at === this.#start) return;
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#at));
    this.#chunkBytes += this.#at - this.#start;
    this.#start = this.#at;
  }

  /** What was written, in order. The writer is not used afterwards. */
  finish(): Buffer[] {
    this.#closeChunk();
    return this.#chunks;
  }
}
