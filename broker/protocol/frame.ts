/**
 * Frames: a message is four bytes of length and then header and body. Here chunks of a socket become frames, and headers
 * are put before bodies (request header 1 and 2, response header 0 and 1; KIP-482). No I/O.
 */
import type { AnyApi, Api, ReadOf, Shape, WriteOf } from './schema.ts';
import { Reader, WireError, Writer } from './wire.ts';

const LENGTH_BYTES = 4;
/** A frame gets this much at once; more only as bytes really arrive. */
const FIRST_ALLOCATION_BYTES = 4 * 1024 * 1024;
const API_VERSIONS_KEY = 18;

/**
 * Cuts the chunks of one connection into frames (without their length), each gathered in a buffer got from `allocate`, so
 * that the memory of a chunk is free once it was taken. A length below 0 or above `limitBytes` throws WireError.
 */
export class FrameSplitter {
  readonly #limitBytes: number;
  readonly #allocate: (bytes: number) => Buffer;
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthBytes = 0;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #filled = 0;

  /** `allocate` gives a buffer of at least that many bytes, contents arbitrary; a frame lies at the start of one. */
  constructor(limitBytes: number, allocate: (bytes: number) => Buffer = Buffer.allocUnsafe) {
    this.#limitBytes = limitBytes;
    this.#allocate = allocate;
  }

  /** Takes the next chunk; returns the frames that it completes, in order. */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) at = this.#begin(chunk, at);
      if (this.#frame !== undefined) at = this.#fill(this.#frame, chunk, at, frames);
    }
    return frames;
  }

  /** Takes what is there of a length; once it is whole there is a frame to fill. */
  #begin(chunk: Buffer, at: number): number {
    const wanted = LENGTH_BYTES - this.#lengthBytes;
    const copied = chunk.copy(this.#length, this.#lengthBytes, at, Math.min(at + wanted, chunk.length));
    this.#lengthBytes += copied;
    if (this.#lengthBytes < LENGTH_BYTES) return at + copied;
    const size = this.#length.readInt32BE();
    if (size < 0 || size > this.#limitBytes) {
      throw new WireError(`a frame of ${size} bytes where at most ${this.#limitBytes} are allowed`);
    }
    this.#lengthBytes = 0;
    this.#frame = this.#allocate(Math.min(size, FIRST_ALLOCATION_BYTES));
    this.#frameBytes = size;
    this.#filled = 0;
    return at + copied;
  }

  #fill(frame: Buffer, chunk: Buffer, at: number, frames: Buffer[]): number {
    const end = Math.min(chunk.length, at + this.#frameBytes - this.#filled);
    let target = frame;
    if (this.#filled + end - at > frame.length) {
      const needed = Math.max(2 * frame.length, this.#filled + end - at);
      target = this.#allocate(Math.min(needed, this.#frameBytes));
      frame.copy(target, 0, 0, this.#filled);
      this.#frame = target;
    }
    chunk.copy(target, this.#filled, at, end);
    this.#filled += end - at;
    if (this.#filled === this.#frameBytes) {
      frames.push(target.subarray(0, this.#frameBytes));
      this.#frame = undefined;
    }
    return end;
  }
}

/** What every request begins with, in all header versions. */
export interface RequestHeader {
  apiKey: number;
  apiVersion: number;
  correlationId: number;
  clientId: string | null;
}

/** Reads the part that all request headers have. What follows (tags, body) depends on the API: `readRequest`. */
export function readRequestHeader(reader: Reader): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientIdBytes = reader.int16();
  const clientId = clientIdBytes === -1 ? null : reader.text(clientIdBytes);
  return { apiKey, apiVersion, correlationId, clientId };
}

/** Reads the rest of a request whose header was read and whose version the API has. */
export function readRequest<Req extends Shape, Res extends Shape>(
  api: Api<Req, Res>,
  version: number,
  reader: Reader,
): ReadOf<Req> {
  if (api.isFlexible(version)) reader.skipTags();
  return api.requestCodec(version).read(reader);
}

/** Writes a whole request, length included. */
export function encodeRequest<Req extends Shape, Res extends Shape>(
  api: Api<Req, Res>,
  version: number,
  header: { correlationId: number; clientId: string | null },
  body: WriteOf<Req>,
): Buffer[] {
  const writer = new Writer();
  writer.int32(0);
  writer.int16(api.key);
  writer.int16(version);
  writer.int32(header.correlationId);
  // The client id keeps its two-byte length in header 2: brokers must read it before they know the version.
  writer.text(header.clientId, false);
  if (api.isFlexible(version)) writer.uvarint(0);
  api.requestCodec(version).write(writer, body);
  return finishFrame(writer);
}

/** ApiVersions is answered with header 0 in every version: its reader does not know yet what the broker speaks. */
function hasResponseTags(api: AnyApi, version: number): boolean {
  return api.isFlexible(version) && api.key !== API_VERSIONS_KEY;
}

/** Writes a whole response, length included. Large byte fields are in it by reference. */
export function encodeResponse<Req extends Shape, Res extends Shape>(
  api: Api<Req, Res>,
  version: number,
  correlationId: number,
  body: WriteOf<Res>,
): Buffer[] {
  const writer = new Writer();
  writer.int32(0);
  writer.int32(correlationId);
  if (hasResponseTags(api, version)) writer.uvarint(0);
  api.responseCodec(version).write(writer, body);
  return finishFrame(writer);
}

/** The correlation id of a response frame, which says what request it answers. */
export function correlationIdOf(frame: Buffer): number {
  return new Reader(frame).int32();
}

/** Reads the body of a response frame. */
export function decodeResponse<Req extends Shape, Res extends Shape>(
  api: Api<Req, Res>,
  version: number,
  frame: Buffer,
): ReadOf<Res> {
  const reader = new Reader(frame, LENGTH_BYTES);
  if (hasResponseTags(api, version)) reader.skipTags();
  return api.responseCodec(version).read(reader);
}

function finishFrame(writer: Writer): Buffer[] {
  const size = writer.size - LENGTH_BYTES;
  const chunks = writer.finish();
  chunks[0]?.writeInt32BE(size);
  return chunks;
}
