/**
 * Values in Confluent's wire form: a zero byte, the number of a schema (4 bytes, big-endian), then Avro, or JSON as it is.
 * No JSON begins with a zero byte, so such values may stand among plain ones. The numbers of some batches are resolved
 * before the batches are sorted, because sorting waits for nothing.
 */
import { KafkaError } from '../broker/protocol/errors.ts';
import { batchesOf, eachRecord } from '../broker/protocol/record-batch.ts';
import type { OffsetRange } from '../broker/topic-partition.ts';
import { type AvroDecoder, AvroSchemaError, compileAvro } from '../schemas/avro.ts';
import { RegistryError, type RegistrySettings, SchemaRegistry } from './schema-registry.ts';

/** Bytes before the value itself. */
const HEADER_BYTES = 5;

/** A stretch of bytes; `buffer` may be another one than the value's. */
interface Stretch {
  buffer: Buffer;
  start: number;
  end: number;
}

/** Whether a value has the wire form. */
export function isFramed(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= HEADER_BYTES && bytes[start] === 0;
}

/** What reads such values, if there is a registry. */
export function decodersOf(settings: RegistrySettings): ValueDecoders | undefined {
  return settings.registryUrl === '' ? undefined : new ValueDecoders(settings);
}

export class ValueDecoders {
  readonly #registry: SchemaRegistry;
  /** Number → what reads its values; `json`: they are JSON as they are. */
  readonly #decoders = new Map<number, AvroDecoder | 'json'>();

  constructor(settings: RegistrySettings) {
    this.#registry = new SchemaRegistry(settings);
  }

  /** Resolves the numbers of all values of a range in some batches. Throws RegistryError with the offset of the first it can't. */
  async prepare(batches: Buffer, { from, until }: OffsetRange): Promise<void> {
    const wanted = new Map<number, number>();
    for (const { at, header } of batchesOf(batches)) {
      if (header.lastOffset < from || header.baseOffset >= until) continue;
      try {
        eachRecord(
          batches,
          at,
          header,
          (offset, _time, _key, _keyEnd, start, end, _h, _hEnd, _count, payload) => {
            if (offset < from || offset >= until || start < 0 || !isFramed(payload, start, end)) return;
            const id = payload.readInt32BE(start + 1);
            if (!wanted.has(id) && !this.#decoders.has(id)) wanted.set(id, offset);
          },
        );
      } catch (error) {
        // What can't be read is refused when it is sorted.
        if (!(error instanceof KafkaError)) throw error;
      }
    }
    for (const [id, offset] of wanted) this.#decoders.set(id, await this.#decoder(id, offset));
  }

  async #decoder(id: number, offset: number): Promise<AvroDecoder | 'json'> {
    try {
      const { type, text, references } = await this.#registry.schema(id);
      if (type === 'JSON') return 'json';
      if (type === 'AVRO') return compileAvro(text, references);
      throw new RegistryError(
        `schema id ${id} is of the type ${type}, which is not read; load the topic without a schema, or have it produced as Avro or JSON`,
      );
    } catch (error) {
      if (error instanceof RegistryError) throw new RegistryError(`offset ${offset}: ${error.message}`);
      if (!(error instanceof AvroSchemaError)) throw error;
      throw new RegistryError(
        `offset ${offset}: schema id ${id} is no Avro schema (${error.message}); correct it in the registry`,
      );
    }
  }

  /** The JSON of a framed value, whose number must have been prepared; undefined: its bytes are not what its schema says. */
  jsonOf({ buffer, start, end }: Stretch): Stretch | undefined {
    const id = buffer.readInt32BE(start + 1);
    const decoder = this.#decoders.get(id);
    if (decoder === undefined) throw new Error(`schema id ${id} was not prepared: a bug`);
    if (decoder === 'json') return { buffer, start: start + HEADER_BYTES, end };
    const text = decoder(buffer, start + HEADER_BYTES, end);
    if (text === undefined) return undefined;
    const json = Buffer.from(text);
    return { buffer: json, start: 0, end: json.length };
  }
}
