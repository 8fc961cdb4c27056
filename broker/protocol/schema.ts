/**
 * The form in which every API is described: one table for all its versions, fields in wire order, with the versions a
 * field belongs to and its default as attributes (the idea of Kafka's message definitions, clients/src/main/resources/
 * common/message). TypeScript types are inferred from the table; per version it is compiled once into closures that
 * hold no further version check. A field absent at a version reads as its default, else as the zero of its type.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { Reader, WireError, Writer } from './wire.ts';

/** Reads and writes one value at one version. `minBytes` bounds what an array of them may claim. */
export interface Codec<R, W> {
  read(reader: Reader): R;
  write(writer: Writer, value: W): void;
  readonly minBytes: number;
  zero(): R;
}

type Compile<R, W> = (version: number, flexible: boolean) => Codec<R, W>;

interface Attributes {
  since: number;
  until: number;
  tag: number;
}

/**
 * A field of a table: `R` is what reading yields, `W` what writing takes, `O` whether it may be left out on write
 * (true once it has a default). Immutable: each attribute returns a new field.
 */
export class Field<R, W, O extends boolean = false> {
  readonly compile: Compile<R, W>;
  readonly attributes: Attributes;
  readonly fallback: R | undefined;
  declare readonly optional: O;

  constructor(compile: Compile<R, W>, attributes: Attributes, fallback?: R) {
    this.compile = compile;
    this.attributes = attributes;
    this.fallback = fallback;
  }

  /** The first version that has the field. */
  since(version: number): Field<R, W, O> {
    return new Field(this.compile, { ...this.attributes, since: version }, this.fallback);
  }

  /** The last version that has the field. */
  until(version: number): Field<R, W, O> {
    return new Field(this.compile, { ...this.attributes, until: version }, this.fallback);
  }

  /** What is written when the field is left out, and read where a version lacks it. */
  default(value: R & W): Field<R, W, true> {
    return new Field<R, W, true>(this.compile, this.attributes, value);
  }

  /** Moves the field to the tagged section, under this number (KIP-482). Needs a default: that is not sent. */
  tagged(tag: number): Field<R, W, O> {
    return new Field(this.compile, { ...this.attributes, tag }, this.fallback);
  }
}

/** The fields of a structure, by name, in wire order. */
export type Shape = { readonly [name: string]: Field<unknown, never, boolean> };
type Flat<T> = { [K in keyof T]: T[K] };
/** What reading a structure yields: every field, absent ones filled in. */
export type ReadOf<S extends Shape> = {
  [K in keyof S]: S[K] extends Field<infer R, never, boolean> ? R : never;
};
type OptionalKeys<S extends Shape> = {
  [K in keyof S]: S[K] extends Field<unknown, never, infer O> ? (O extends true ? K : never) : never;
}[keyof S];
type WriteType<F> = F extends { compile: Compile<infer _R, infer W> } ? W : never;
/** What writing a structure takes: fields with a default may be left out. */
export type WriteOf<S extends Shape> = Flat<
  { [K in Exclude<keyof S, OptionalKeys<S>>]: WriteType<S[K]> } & {
    [K in OptionalKeys<S>]?: WriteType<S[K]> | undefined;
  }
>;

function field<R, W>(compile: Compile<R, W>): Field<R, W> {
  return new Field<R, W>(compile, { since: 0, until: Number.POSITIVE_INFINITY, tag: -1 });
}

function fixed<T>(
  minBytes: number,
  zero: T,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
): Field<T, T> {
  const codec: Codec<T, T> = { minBytes, zero: () => zero, read, write };
  return field(() => codec);
}

const readLength16 = (flexible: boolean) => (reader: Reader) =>
  flexible ? reader.uvarint() - 1 : reader.int16();
const readLength32 = (flexible: boolean) => (reader: Reader) =>
  flexible ? reader.uvarint() - 1 : reader.int32();

export const int8 = fixed(
  1,
  0,
  (r) => r.int8(),
  (w, v: number) => w.int8(v),
);
export const int16 = fixed(
  2,
  0,
  (r) => r.int16(),
  (w, v: number) => w.int16(v),
);
export const int32 = fixed(
  4,
  0,
  (r) => r.int32(),
  (w, v: number) => w.int32(v),
);
/** A number; beyond 2^53 - 1 reading and writing throw. */
export const int64 = fixed(
  8,
  0,
  (r) => r.int64(),
  (w, v: number) => w.int64(v),
);
export const boolean = fixed<boolean>(
  1,
  false,
  (r) => r.boolean(),
  (w, v) => w.boolean(v),
);

/** The uuid that stands for "none": all zero. */
export const ZERO_UUID = '00000000-0000-0000-0000-000000000000';
export const uuid = fixed<string>(
  16,
  ZERO_UUID,
  (r) => r.uuid(),
  (w, v) => w.uuid(v),
);

export const string = field<string, string>((_version, flexible) => {
  const length = readLength16(flexible);
  return {
    minBytes: flexible ? 1 : 2,
    zero: () => '',
    read: (reader) => reader.text(length(reader)),
    write: (writer, value) => writer.text(value, flexible),
  };
});

export const nullableString = field<string | null, string | null>((_version, flexible) => {
  const length = readLength16(flexible);
  return {
    minBytes: flexible ? 1 : 2,
    zero: () => null,
    read(reader) {
      const bytes = length(reader);
      return bytes === -1 ? null : reader.text(bytes);
    },
    write: (writer, value) => writer.text(value, flexible),
  };
});

/** Bytes to be written: one piece, or several that make one field. */
export type BytesInput = Uint8Array | readonly Uint8Array[];

/** Opaque bytes or null, read as a view into the frame. Record sets are this. */
export const nullableBytes = field<Buffer | null, BytesInput | null>((_version, flexible) => {
  const length = readLength32(flexible);
  return {
    minBytes: flexible ? 1 : 4,
    zero: () => null,
    read(reader) {
      const size = length(reader);
      return size === -1 ? null : reader.bytes(size);
    },
    write: (writer, value) => writer.bytes(value, flexible),
  };
});

interface PlainField {
  name: string;
  codec: Codec<unknown, unknown>;
  fallback: unknown;
}

interface TaggedField extends PlainField {
  tag: number;
}

type Values = Record<string, unknown>;

function readTagged(reader: Reader, tagged: readonly TaggedField[], into: Values): void {
  const count = reader.uvarint();
  for (let index = 0; index < count; index++) {
    const tag = reader.uvarint();
    const size = reader.uvarint();
    const at = reader.take(size);
    const known = tagged.find((candidate) => candidate.tag === tag);
    if (known) into[known.name] = known.codec.read(new Reader(reader.buffer, at, at + size));
  }
}

function writeTagged(writer: Writer, tagged: readonly TaggedField[], values: Values): void {
  const present = tagged.filter(
    ({ name, fallback }) => values[name] !== undefined && !isDeepStrictEqual(values[name], fallback),
  );
  writer.uvarint(present.length);
  for (const { tag, name, codec } of present) {
    const inner = new Writer(64);
    codec.write(inner, values[name]);
    writer.uvarint(tag);
    writer.uvarint(inner.size);
    for (const chunk of inner.finish()) writer.raw(chunk);
  }
}

function sortFields(shape: Shape, version: number, flexible: boolean) {
  const plain: PlainField[] = [];
  const tagged: TaggedField[] = [];
  const absent: PlainField[] = [];
  for (const [name, { attributes, compile, fallback }] of Object.entries(shape)) {
    const codec = compile(version, flexible) as Codec<unknown, unknown>;
    const entry = { name, codec, fallback };
    if (version < attributes.since || version > attributes.until) absent.push(entry);
    else if (attributes.tag < 0) plain.push(entry);
    else tagged.push({ ...entry, tag: attributes.tag });
  }
  assert(flexible || tagged.length === 0, 'tagged fields need a flexible version');
  for (const entry of tagged)
    assert(entry.fallback !== undefined, `tagged field ${entry.name} needs a default`);
  tagged.sort((a, b) => a.tag - b.tag);
  return { plain, tagged, absent: [...tagged, ...absent] };
}

const startValue = ({ codec, fallback }: PlainField) => (fallback === undefined ? codec.zero() : fallback);

function compileStruct(shape: Shape, version: number, flexible: boolean): Codec<Values, Values> {
  const { plain, tagged, absent } = sortFields(shape, version, flexible);
  return {
    minBytes: plain.reduce((sum, { codec }) => sum + codec.minBytes, flexible ? 1 : 0),
    zero: () => Object.fromEntries([...plain, ...absent].map((entry) => [entry.name, startValue(entry)])),
    read(reader) {
      const values: Values = {};
      for (const { name, codec } of plain) values[name] = codec.read(reader);
      for (const entry of absent) values[entry.name] = startValue(entry);
      if (flexible) readTagged(reader, tagged, values);
      return values;
    },
    write(writer, values) {
      for (const { name, codec, fallback } of plain) {
        const value = values[name];
        codec.write(writer, value === undefined ? fallback : value);
      }
      if (flexible) writeTagged(writer, tagged, values);
    },
  };
}

/** A structure inside another. */
export function struct<S extends Shape>(shape: S): Field<ReadOf<S>, WriteOf<S>> {
  return field(
    (version, flexible) => compileStruct(shape, version, flexible) as Codec<ReadOf<S>, WriteOf<S>>,
  );
}

function compileArray<R, W>(element: Codec<R, W>, flexible: boolean): Codec<R[] | null, readonly W[] | null> {
  // An element of no bytes at this version could only be one of an array that the version lacks altogether.
  const minBytes = Math.max(1, element.minBytes);
  return {
    minBytes: flexible ? 1 : 4,
    zero: () => null,
    read(reader) {
      const count = reader.count(flexible, minBytes);
      if (count === -1) return null;
      const elements: R[] = [];
      for (let index = 0; index < count; index++) elements.push(element.read(reader));
      return elements;
    },
    write(writer, elements) {
      writer.count(elements === null ? -1 : elements.length, flexible);
      if (elements !== null) for (const value of elements) element.write(writer, value);
    },
  };
}

type ElementOf<E> = E extends Field<infer R, never, boolean> ? R : E extends Shape ? ReadOf<E> : never;
type ElementInput<E> = E extends Shape ? WriteOf<E> : WriteType<E>;

function elementField(element: Shape | Field<unknown, never, boolean>): Field<unknown, unknown, boolean> {
  const chosen = element instanceof Field ? element : struct(element);
  // A field of anything: the array's type keeps what it is of.
  return chosen as unknown as Field<unknown, unknown, boolean>;
}

/** An array of a field or, given a shape, of structures; null is allowed. */
export function nullableArray<const E extends Shape | Field<unknown, never, boolean>>(
  element: E,
): Field<ElementOf<E>[] | null, readonly ElementInput<E>[] | null> {
  const inner = elementField(element);
  return field((version, flexible) => {
    const codec = inner.compile(version, flexible) as Codec<ElementOf<E>, ElementInput<E>>;
    return compileArray(codec, flexible);
  });
}

/** An array of a field or, given a shape, of structures. Null from outside is refused. */
export function array<const E extends Shape | Field<unknown, never, boolean>>(
  element: E,
): Field<ElementOf<E>[], readonly ElementInput<E>[]> {
  const inner = elementField(element);
  return field((version, flexible) => {
    const codec = inner.compile(version, flexible) as Codec<ElementOf<E>, ElementInput<E>>;
    const nullable = compileArray(codec, flexible);
    return {
      ...nullable,
      zero: () => [],
      read(reader) {
        const elements = nullable.read(reader);
        if (elements === null) throw new WireError('null where an array is required');
        return elements;
      },
    };
  });
}

/** What all APIs have in common, whatever their tables: the type of a list of them. */
export interface AnyApi {
  readonly key: number;
  readonly name: string;
  /** First and last version of the table, both included. */
  readonly versions: readonly [min: number, max: number];
  /** The first version with compact lengths and tagged fields; above the maximum if none has them. */
  readonly flexible: number;
  isFlexible(version: number): boolean;
  requestCodec(version: number): Codec<unknown, never>;
  responseCodec(version: number): Codec<unknown, never>;
}

/** One API of the protocol: its number, the versions spoken here, and the codecs of both directions. */
export interface Api<Req extends Shape, Res extends Shape> extends AnyApi {
  requestCodec(version: number): Codec<ReadOf<Req>, WriteOf<Req>>;
  responseCodec(version: number): Codec<ReadOf<Res>, WriteOf<Res>>;
}

/** What a server reads: every field there. */
export type Request<A> = A extends Api<infer Req, infer _Res> ? ReadOf<Req> : never;
/** What a client passes in: fields with a default may be left out. */
export type RequestInput<A> = A extends Api<infer Req, infer _Res> ? WriteOf<Req> : never;
/** What a client reads: every field there. */
export type Response<A> = A extends Api<infer _Req, infer Res> ? ReadOf<Res> : never;
/** What a handler returns: fields with a default may be left out. */
export type ResponseInput<A> = A extends Api<infer _Req, infer Res> ? WriteOf<Res> : never;

/** Makes an API of its table. Codecs are compiled at first use of a version; asking for one outside `versions` is a bug. */
export function api<Req extends Shape, Res extends Shape>(table: {
  key: number;
  name: string;
  versions: readonly [number, number];
  flexible: number;
  request: Req;
  response: Res;
}): Api<Req, Res> {
  const { key, name, versions, flexible } = table;
  const isFlexible = (version: number) => version >= flexible;
  const perVersion = <S extends Shape>(shape: S) => {
    const codecs = new Map<number, Codec<ReadOf<S>, WriteOf<S>>>();
    return (version: number) => {
      let codec = codecs.get(version);
      if (!codec) {
        assert(version >= versions[0] && version <= versions[1], `${name} has no version ${version} here`);
        codec = struct(shape).compile(version, isFlexible(version));
        codecs.set(version, codec);
      }
      return codec;
    };
  };
  return {
    key,
    name,
    versions,
    flexible,
    isFlexible,
    requestCodec: perVersion(table.request),
    responseCodec: perVersion(table.response),
  };
}
