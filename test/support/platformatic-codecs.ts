/**
 * The hand-written codecs of @platformatic/kafka, found by our names, as witnesses of our tables.
 */
import * as platformatic from '@platformatic/kafka';
import type { AnyApi, Codec } from '../../broker/protocol/schema.ts';
import { Writer } from '../../broker/protocol/wire.ts';

interface ForeignApi {
  createRequest(...values: unknown[]): { buffer: Buffer };
  parseResponse(correlationId: number, key: number, version: number, reader: platformatic.Reader): unknown;
}

/** Their codec of a version. */
export function foreign(api: AnyApi, version: number): ForeignApi {
  const name = `${api.name[0]?.toLowerCase()}${api.name.slice(1)}V${version}`;
  // By a name that is put together, which no type of the module has.
  return (platformatic as unknown as Record<string, ForeignApi>)[name] as ForeignApi;
}

/** The bytes of a value as our codec writes it. */
export function written(codec: Codec<unknown, never>, value: unknown): Buffer {
  const writer = new Writer();
  (codec as Codec<unknown, unknown>).write(writer, value);
  return Buffer.concat(writer.finish());
}

/** The versions of an API here, from a first one on. */
export function versionsOf({ versions: [min, max] }: AnyApi, from = min): number[] {
  return Array.from({ length: max - from + 1 }, (_, index) => from + index);
}

/** The members that both objects have, theirs with numbers for their bigints. */
export function common(ours: unknown, theirs: unknown): unknown {
  if (typeof theirs === 'bigint') return Number(theirs);
  if (Array.isArray(theirs) && Array.isArray(ours))
    return theirs.map((one, index) => common(ours[index], one));
  if (theirs === null || typeof theirs !== 'object' || ours === null || typeof ours !== 'object')
    return theirs;
  const known = Object.entries(theirs).filter(([name]) => name in ours);
  // `in` was asked above for each name.
  return Object.fromEntries(known.map(([name, value]) => [name, common((ours as never)[name], value)]));
}
