/**
 * Refused records as people and tools read them: one JSON line each, whole, with where it came from and why it was
 * refused. Quarantine files are staged and committed like data files, so a refused record is kept exactly once too.
 */
import { isUtf8 } from 'node:buffer';
import type { Reason } from '../schemas/reasons.ts';

export interface RefusedRecord {
  partition: number;
  offset: number;
  /** Undefined if the record has none, or an impossible one. */
  timestampMs: number | undefined;
  key: Buffer | null;
  value: Buffer | null;
  reason: Reason;
  /** The member at fault; null when it is the value as a whole. */
  field: string | null;
}

/** The line of one refused record, with its line feed. A key that isn't UTF-8 stands in `keyBase64` instead of `key`. */
export function quarantineLine({
  partition,
  offset,
  timestampMs,
  key,
  value,
  reason,
  field,
}: RefusedRecord): Buffer {
  const isText = key === null || isUtf8(key);
  const line = {
    partition,
    offset,
    timestamp: timestampMs === undefined ? null : new Date(timestampMs).toISOString(),
    key: isText ? (key?.toString('utf8') ?? null) : null,
    ...(isText ? {} : { keyBase64: key.toString('base64') }),
    reason,
    field,
    valueBase64: value?.toString('base64') ?? null,
  };
  return Buffer.from(`${JSON.stringify(line)}\n`);
}
