/**
 * Frames as a hostile or broken peer might send them, seeded: requests of every API and version that its own table can
 * read, with invented values; the same with bytes changed, cut or added; and plain noise. The values are invented by the
 * reader that a request is decoded with: what it is asked for tells what has to stand there.
 */
import type { Handler } from '../../broker/handlers/handler.ts';
import { readRequest } from '../../broker/protocol/frame.ts';
import { Reader, Writer } from '../../broker/protocol/wire.ts';
import type { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';

/** What invented requests are about. */
export interface Subjects {
  /** Names of topics, groups, members, settings: whatever is text. */
  texts: readonly string[];
  /** Batches of records. */
  batches: readonly Buffer[];
}

const EDGES = [0, 0, 1, 1, -1, 2, 3, 7, 100, 1000, 2 ** 31 - 1, -(2 ** 31)];
const MAX_ELEMENTS = 3;
const MAX_NOISE_BYTES = 80;

/** A reader of nothing: it makes up each value it is asked for, and writes down what a frame with it would hold. */
class Inventor extends Reader {
  readonly #random: SeededRandom;
  readonly #subjects: Subjects;
  readonly #parts: Buffer[] = [];

  constructor(random: SeededRandom, subjects: Subjects) {
    super(Buffer.alloc(0));
    this.#random = random;
    this.#subjects = subjects;
  }

  get written(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #put(write: (writer: Writer) => void): void {
    const writer = new Writer();
    write(writer);
    this.#parts.push(Buffer.concat(writer.finish()));
  }

  #number(bits: number): number {
    const edge = EDGES[this.#random.below(EDGES.length)]!;
    return bits >= 32 ? edge : (edge << (32 - bits)) >> (32 - bits);
  }

  override get remaining(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  override int8(): number {
    const value = this.#number(8);
    this.#put((writer) => writer.int8(value));
    return value;
  }

  override int16(): number {
    const value = this.#number(16);
    this.#put((writer) => writer.int16(value));
    return value;
  }

  override int32(): number {
    const value = this.#number(32);
    this.#put((writer) => writer.int32(value));
    return value;
  }

  override int64(): number {
    const value = this.#number(32);
    this.#put((writer) => writer.int64(value));
    return value;
  }

  override uvarint(): number {
    const value = this.#random.chance(0.4) ? 1 + this.#random.below(4) : 0;
    this.#put((writer) => writer.uvarint(value));
    return value;
  }

  override boolean(): boolean {
    return this.int8() !== 0;
  }

  /** Takes back the length that was invented just before, and writes that of what really comes. */
  #putSized(bytes: Buffer): void {
    const [at, width] = [this.#parts.length - 1, this.#parts.at(-1)?.length];
    const length = new Writer();
    if (width === 2) length.int16(bytes.length);
    else if (width === 4) length.int32(bytes.length);
    else length.uvarint(bytes.length + 1);
    this.#parts[at] = Buffer.concat(length.finish());
    this.#parts.push(bytes);
  }

  override text(_: number): string {
    const text = this.#subjects.texts[this.#random.below(this.#subjects.texts.length)]!;
    this.#putSized(Buffer.from(text));
    return text;
  }

  override bytes(_: number): Buffer {
    const { batches } = this.#subjects;
    const batch = batches[this.#random.below(batches.length)]!;
    const bytes = this.#random.chance(0.3) ? mutated(batch, this.#random) : batch;
    this.#putSized(bytes);
    return bytes;
  }

  override uuid(): string {
    this.#parts.push(Buffer.alloc(16));
    return '';
  }

  override count(flexible: boolean, _: number): number {
    const count = this.#random.below(MAX_ELEMENTS + 1);
    this.#put((writer) => (flexible ? writer.uvarint(count + 1) : writer.int32(count)));
    return count;
  }

  override take(length: number): number {
    this.#parts.push(Buffer.alloc(Math.min(length, MAX_NOISE_BYTES)));
    return 0;
  }
}

function noise(random: SeededRandom): Buffer {
  return Buffer.from(Array.from({ length: random.below(MAX_NOISE_BYTES) }, () => random.below(256)));
}

/** A copy with some bytes changed, cut off or put in. */
function mutated(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length + 1);
  if (random.chance(0.2)) return copy.subarray(0, at);
  if (random.chance(0.2)) return Buffer.concat([copy.subarray(0, at), noise(random), copy.subarray(at)]);
  for (let changes = 1 + random.below(4); changes > 0 && copy.length > 0; changes--)
    copy[random.below(copy.length)] = random.below(256);
  return copy;
}

/** A request of one of the APIs, as well-formed as its table can tell. */
function invented({ api }: Handler, random: SeededRandom, subjects: Subjects): Buffer {
  const [least, most] = api.versions;
  const version = least + random.below(most - least + 1);
  const inventor = new Inventor(random, subjects);
  const header = Buffer.from('00000000000000000000', 'hex');
  header.writeInt16BE(api.key, 0);
  header.writeInt16BE(version, 2);
  header.writeInt32BE(random.uint32() | 0, 4);
  header.writeInt16BE(-1, 8);
  try {
    readRequest(api, version, inventor);
  } catch {
    // A null, or a tag, that the table has no place for: then it is a frame that ends in the middle.
  }
  return Buffer.concat([header, inventor.written]);
}

/** The next frame with its length before it, which is a lie now and then. */
export function nextFrame(handlers: readonly Handler[], random: SeededRandom, subjects: Subjects): Buffer {
  const handler = handlers[random.below(handlers.length)]!;
  const kind = random.fraction();
  let body = kind < 0.1 ? noise(random) : invented(handler, random, subjects);
  if (kind > 0.6) body = mutated(body, random);
  const size = Buffer.alloc(4);
  size.writeInt32BE(random.chance(0.01) ? EDGES[random.below(EDGES.length)]! : body.length);
  return Buffer.concat([size, body]);
}
