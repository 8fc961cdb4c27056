/**
 * Avro's binary form as JSON text, exactly: what guard and judge read must hold the value that the producer wrote, so longs
 * are not made doubles and decimals keep their digits. Compiled from the writer's schema (Avro 1.12, "Schema Declaration",
 * "Binary Encoding"); a reader's schema there is none, the columns are matched by name afterwards.
 *
 * | Avro | JSON |
 * |---|---|
 * | int, long, float, double, boolean, null, string, enum | as themselves; a float that is no number becomes a text |
 * | timestamp-millis, -micros, -nanos | RFC 3339 text in UTC; local-timestamp-… the same without a zone |
 * | date, time-millis, time-micros | `2026-11-22`, `13:00:00.000000` |
 * | decimal | number with all its digits |
 * | uuid (string or fixed) | text |
 * | bytes, fixed | text in base64 |
 * | array, record, map | array, object, object |
 * | union | the value itself |
 */
import { isUtf8 } from 'node:buffer';
import { isObject, type JsonObject } from './column-file.ts';

/** A schema that is none, or has a part that isn't known. */
export class AvroSchemaError extends Error {
  override name = 'AvroSchemaError';
}

/** The JSON text of `bytes[start, end)`; undefined: these bytes are no value of the schema, or something comes after it. */
export type AvroDecoder = (bytes: Buffer, start: number, end: number) => string | undefined;

/** A schema of the registry that others name. */
export interface NamedSchema {
  name: string;
  text: string;
}

/** Values inside values; records may hold themselves. */
const MAX_DEPTH = 64;
/** Elements of all arrays and maps of one value: those of no bytes would have no other limit. */
const MAX_ITEMS = 1_000_000;

class Malformed extends Error {}

/** A position in the bytes of one value. */
class Input {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  depth = 0;
  items = 0;

  take(length: number): number {
    const from = this.at;
    if (length < 0 || length > this.end - from) throw new Malformed();
    this.at += length;
    return from;
  }

  /** A zigzag varint of at most 64 bits. */
  long(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.take(1)]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value >> 64n !== 0n) throw new Malformed();
        return (value >> 1n) ^ -(value & 1n);
      }
    }
    throw new Malformed();
  }

  /** A count or a length. */
  size(): number {
    const value = this.long();
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed();
    return Number(value);
  }

  slice(length: number): Buffer {
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }

  text(): string {
    const slice = this.slice(this.size());
    if (!isUtf8(slice)) throw new Malformed();
    return slice.toString('utf8');
  }
}

type Decode = (input: Input) => string;

/** Compiles a writer's schema; `references`: the schemas it names, each after those that it names itself. */
export function compileAvro(text: string, references: readonly NamedSchema[] = []): AvroDecoder {
  const compiler = new Compiler();
  for (const one of references) compiler.compile(parse(one.text), '');
  const decode = compiler.compile(parse(text), '');
  const input = new Input();
  return (bytes, start, end) => {
    Object.assign(input, { bytes, at: start, end, depth: 0, items: 0 });
    try {
      const json = decode(input);
      return input.at === end ? json : undefined;
    } catch (error) {
      if (error instanceof Malformed) return undefined;
      throw error;
    }
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A type that is only a name may stand without quotes.
    return text.trim();
  }
}

const PRIMITIVES: Record<string, Decode> = {
  null: () => 'null',
  boolean: (input) => {
    const byte = input.bytes[input.take(1)]!;
    if (byte > 1) throw new Malformed();
    return byte === 1 ? 'true' : 'false';
  },
  int: (input) => {
    const value = input.long();
    if (BigInt.asIntN(32, value) !== value) throw new Malformed();
    return String(value);
  },
  long: (input) => String(input.long()),
  float: (input) => numberText(input.bytes.readFloatLE(input.take(4))),
  double: (input) => numberText(input.bytes.readDoubleLE(input.take(8))),
  string: (input) => JSON.stringify(input.text()),
  bytes: (input) => base64(input.slice(input.size())),
};

/** JSON has no word for what is no number: a text, which no column of numbers takes. */
function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

const base64 = (bytes: Buffer) => `"${bytes.toString('base64')}"`;

class Compiler {
  /** Full name → its decoder, there before its own parts are compiled: records may hold themselves. */
  readonly #named = new Map<string, { decode: Decode }>();

  compile(schema: unknown, namespace: string): Decode {
    if (typeof schema === 'string') return this.#byName(schema, namespace);
    if (Array.isArray(schema)) return this.#union(schema, namespace);
    if (!isObject(schema)) throw new AvroSchemaError(`${JSON.stringify(schema)} is no type`);
    const { type } = schema;
    const logical = logicalType(schema);
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(schema, namespace);
      case 'enum':
        return this.#define(schema, namespace, () => enumType(schema));
      case 'fixed':
        return this.#define(schema, namespace, () => logical ?? fixedType(schema));
      case 'array':
        return arrayType(this.compile(schema['items'], namespace));
      case 'map':
        return mapType(this.compile(schema['values'], namespace));
      default:
        return logical ?? this.compile(type, namespace);
    }
  }

  #byName(name: string, namespace: string): Decode {
    const primitive = PRIMITIVES[name];
    if (primitive !== undefined) return primitive;
    const found =
      this.#named.get(name.includes('.') || namespace === '' ? name : `${namespace}.${name}`) ??
      this.#named.get(name);
    if (found === undefined) throw new AvroSchemaError(`there is no type ${name}`);
    return (input) => found.decode(input);
  }

  #define(schema: JsonObject, namespace: string, make: (inner: string) => Decode): Decode {
    const { name, namespace: own } = schema;
    if (typeof name !== 'string') throw new AvroSchemaError('a named type has no name');
    const space = typeof own === 'string' ? own : namespace;
    const full = name.includes('.') || space === '' ? name : `${space}.${name}`;
    const entry: { decode: Decode } = { decode: () => '' };
    this.#named.set(full, entry);
    entry.decode = make(full.slice(0, Math.max(0, full.lastIndexOf('.'))));
    return entry.decode;
  }

  #record(schema: JsonObject, namespace: string): Decode {
    return this.#define(schema, namespace, (inner) => {
      const { fields } = schema;
      if (!Array.isArray(fields)) throw new AvroSchemaError(`the record ${schema['name']} has no fields`);
      const compiled = fields.map((field: JsonObject) => ({
        name: JSON.stringify(field['name']),
        decode: this.compile(field['type'], inner),
      }));
      return (input) => {
        if (++input.depth > MAX_DEPTH) throw new Malformed();
        const members = compiled.map(({ name, decode }) => `${name}:${decode(input)}`);
        input.depth--;
        return `{${members.join()}}`;
      };
    });
  }

  #union(branches: readonly unknown[], namespace: string): Decode {
    const compiled = branches.map((branch) => this.compile(branch, namespace));
    return (input) => {
      const decode = compiled[input.size()];
      if (decode === undefined) throw new Malformed();
      return decode(input);
    };
  }
}

function enumType({ symbols, name }: JsonObject): Decode {
  if (!Array.isArray(symbols)) throw new AvroSchemaError(`the enum ${name} has no symbols`);
  const texts = symbols.map((symbol) => JSON.stringify(symbol));
  return (input) => {
    const text = texts[input.size()];
    if (text === undefined) throw new Malformed();
    return text;
  };
}

function fixedType({ size, name }: JsonObject): Decode {
  if (!Number.isSafeInteger(size)) throw new AvroSchemaError(`the fixed type ${name} has no size`);
  return (input) => base64(input.slice(size as number));
}

/** Goes over the blocks of an array or a map; a negative count is followed by the block's length in bytes. */
function eachItem(input: Input, take: () => void): void {
  if (++input.depth > MAX_DEPTH) throw new Malformed();
  for (let count = input.long(); count !== 0n; count = input.long()) {
    if (count < 0n) {
      input.size();
      count = -count;
    }
    if (count > BigInt(MAX_ITEMS)) throw new Malformed();
    input.items += Number(count);
    if (input.items > MAX_ITEMS) throw new Malformed();
    for (let i = 0; i < count; i++) take();
  }
  input.depth--;
}

function arrayType(decode: Decode): Decode {
  return (input) => {
    const items: string[] = [];
    eachItem(input, () => void items.push(decode(input)));
    return `[${items.join()}]`;
  };
}

function mapType(decode: Decode): Decode {
  return (input) => {
    const members: string[] = [];
    eachItem(input, () => void members.push(`${JSON.stringify(input.text())}:${decode(input)}`));
    return `{${members.join()}}`;
  };
}

const UNITS = { millis: 1_000_000n, micros: 1_000n, nanos: 1n } as const;
const [NS_PER_SECOND, NS_PER_MS, DAY_MS] = [1_000_000_000n, 1_000_000n, 86_400_000];
/** What a JavaScript date holds. */
const MAX_DATE_MS = 8_640_000_000_000_000n;

/** The decoder of a logical type that is known and stands on the right type; else it is as if it were not there. */
function logicalType(schema: JsonObject): Decode | undefined {
  const { type, logicalType: logical, size } = schema;
  const [, local, unit] = /^(local-)?timestamp-(millis|micros|nanos)$/.exec(String(logical)) ?? [];
  if (type === 'long' && unit !== undefined) {
    const factor = UNITS[unit as keyof typeof UNITS];
    return (input) => `"${timeText(input.long() * factor)}${local === undefined ? 'Z' : ''}"`;
  }
  if (type === 'int' && logical === 'date')
    return (input) => `"${dateOf(Number(input.long()) * DAY_MS).slice(0, -14)}"`;
  if (type === 'int' && logical === 'time-millis')
    return (input) => `"${timeText(input.long() * UNITS.millis).slice(-15)}"`;
  if (type === 'long' && logical === 'time-micros')
    return (input) => `"${timeText(input.long() * UNITS.micros).slice(-15)}"`;
  if (logical === 'decimal' && (type === 'bytes' || type === 'fixed')) return decimalType(schema);
  if (logical === 'uuid' && type === 'fixed' && size === 16) return (input) => uuidText(input.slice(16));
  return undefined;
}

/** ISO 8601 of milliseconds since 1970, `2026-11-22T13:00:00.000Z`. */
function dateOf(ms: number): string {
  if (!(Math.abs(ms) <= Number(MAX_DATE_MS))) throw new Malformed();
  return new Date(ms).toISOString();
}

/** Without a zone, with 6 digits of a second, or 9 where it takes them. */
function timeText(ns: bigint): string {
  const ofSecond = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const ms = (ns - ofSecond) / NS_PER_MS;
  if (ms > MAX_DATE_MS || ms < -MAX_DATE_MS) throw new Malformed();
  const digits = String(ofSecond).padStart(9, '0');
  return `${dateOf(Number(ms)).slice(0, -5)}.${digits.endsWith('000') ? digits.slice(0, 6) : digits}`;
}

function decimalType({ type, size, scale = 0, precision }: JsonObject): Decode | undefined {
  const isKnown = Number.isSafeInteger(scale) && (scale as number) >= 0 && Number.isSafeInteger(precision);
  if (!isKnown || (type === 'fixed' && !Number.isSafeInteger(size))) return undefined;
  return (input) => {
    const bytes = input.slice(type === 'fixed' ? (size as number) : input.size());
    const bits = bytes.length * 8;
    const units = bits === 0 ? 0n : BigInt.asIntN(bits, BigInt(`0x${bytes.toString('hex')}`));
    const digits = String(units < 0n ? -units : units).padStart((scale as number) + 1, '0');
    const whole = digits.slice(0, digits.length - (scale as number));
    const sign = units < 0n ? '-' : '';
    return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-(scale as number))}`;
  };
}

function uuidText(bytes: Buffer): string {
  return `"${bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}"`;
}
