/**
 * Events from a file or a pipe into a topic: line by line, in order, as fast as the producer takes them. Access-log lines
 * become JSON of the schema `web_request` (access-log.ts); NDJSON lines are sent as they are, because what is wrong with
 * them is for the loader to say, which keeps refused events with offset and reason in the quarantine.
 *
 * Every line is either sent or rejected: `lines = sent + rejected`. Rejected is what can't become a record: an access-log
 * line of no known form, an empty line, a line that no batch can hold.
 *
 * A record's timestamp is the clock's at the time of sending, not the event's: brokers delete by it, and a log of last
 * year would be gone before it is loaded. The event's own time stands in its value.
 */
import type { Readable } from 'node:stream';
import type { EventSchema } from '../../schemas/event-schema.ts';
import { membersOf } from '../../schemas/json-members.ts';
import { ACCESS_LOG_COLUMNS, parseAccessLogLine } from './access-log.ts';
import { buffersOf, gunzipped } from './gunzip.ts';
import { type Line, LineSplitter } from './line-splitter.ts';
import { fitsBatch, type RecordSink, type SinkRecord } from './record-sink.ts';

/** How lines become events. */
export type IngestFormat = 'combined' | 'ndjson';

/** A line that was not sent: its number from 1, why, and itself. `bytes` stands there when the line was longer than kept. */
export interface Reject {
  line: number;
  reason: 'not an access log line' | 'empty line' | 'larger than max.message.bytes';
  valueBase64: string;
  bytes?: number;
}

/** What was done so far. `bytes`: of the unpacked input, line ends included; `keyless`: sent without a key that was asked for. */
export interface IngestCounts {
  lines: number;
  sent: number;
  rejected: number;
  keyless: number;
  bytes: number;
}

/** What `ingest` is told. */
export interface IngestOptions {
  topic: string;
  format: IngestFormat;
  /** The topic's schema, from `findSchema`; undefined: raw. */
  schema: EventSchema | undefined;
  /** NDJSON: the member whose value is the key; without it keys are null. Access logs: always the host. */
  key?: string | undefined;
  /** The largest record batch that the topic takes. */
  maxMessageBytes: number;
  /** Wall clock, ms. */
  now: () => number;
  /** Takes each rejected line, in order; a promise is waited for. */
  onReject?: (reject: Reject) => Promise<void> | void;
  /** Called after each chunk of input; the object is the running one. */
  onProgress?: (counts: Readonly<IngestCounts>) => void;
  /** Stops at the next chunk: what was sent is flushed, then the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** What was asked for can't work, whatever the input: the command line's exit status 2. */
export class IngestUsageError extends Error {
  override name = 'IngestUsageError';
}

/** Of a longer line only this much is kept for the rejects. */
const MAX_KEPT_LINE_BYTES = 64 * 1024 * 1024;

/** A line → its record, or why it isn't one. Shared per call, so it may keep what it learns. */
type ToRecord = (text: Buffer, timestampMs: number) => SinkRecord | Reject['reason'];

/** Sends every line of `input` to `sink` and flushes it. Throws IngestUsageError before anything is read. */
export async function ingest(
  input: Readable,
  options: IngestOptions,
  sink: RecordSink,
): Promise<IngestCounts> {
  checkIngest(options);
  const counts: IngestCounts = { lines: 0, sent: 0, rejected: 0, keyless: 0, bytes: 0 };
  const lines = new LineSplitter(MAX_KEPT_LINE_BYTES);
  const take = lineTaker(options, sink, counts);
  for await (const chunk of chunksUntil(options.signal, input)) {
    counts.bytes += chunk.length;
    const timestampMs = options.now();
    for (const line of lines.feed(chunk)) {
      const pause = take(line, timestampMs);
      if (pause !== undefined) await pause;
    }
    options.onProgress?.(counts);
  }
  const last = options.signal?.aborted ? undefined : lines.end();
  if (last !== undefined) await take(last, options.now());
  await sink.flush();
  options.onProgress?.(counts);
  options.signal?.throwIfAborted();
  return counts;
}

/** The unpacked chunks of the input; ends early, and closes it, when the signal says so, even while it waits for more. */
async function* chunksUntil(signal: AbortSignal | undefined, input: Readable): AsyncGenerator<Buffer> {
  const close = () => input.destroy();
  signal?.addEventListener('abort', close, { once: true });
  try {
    for await (const chunk of gunzipped(buffersOf(input))) {
      if (signal?.aborted) return;
      yield chunk;
    }
  } catch (error) {
    // Closing the input makes its reader fail.
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', close);
  }
}

/** Throws IngestUsageError if records of this format can't become rows of the topic's table. */
export function checkIngest({ topic, format, schema, key }: IngestOptions): void {
  if (format === 'ndjson') return;
  if (key !== undefined && key !== 'host') {
    throw new IngestUsageError(`--key ${key}: access-log lines are keyed by host; leave the option out`);
  }
  const remedy = `set topics.${topic}.schema to web_request or to a schema with its columns`;
  if (schema === undefined) {
    throw new IngestUsageError(
      `topic ${topic} has no schema, so access logs would be raw bytes there: ${remedy}`,
    );
  }
  const columns = new Map(schema.columns.map((column) => [column.name, column]));
  const missing = Object.entries(ACCESS_LOG_COLUMNS).filter(
    ([name, type]) => columns.get(name)?.type !== type,
  );
  if (missing.length > 0) {
    const names = missing.map(([name, type]) => `${name} (${type})`).join(', ');
    throw new IngestUsageError(
      `topic ${topic}: its schema ${schema.name} lacks columns of access logs: ${names}; ${remedy}`,
    );
  }
  const required = schema.columns.find((column) => column.required && !(column.name in ACCESS_LOG_COLUMNS));
  if (required !== undefined) {
    throw new IngestUsageError(
      `topic ${topic}: its schema ${schema.name} requires ${required.name}, which access logs don't have; ${remedy}`,
    );
  }
}

/** Makes the function that sends or rejects one line; it answers a promise where the caller has to wait. */
function lineTaker(options: IngestOptions, sink: RecordSink, counts: IngestCounts) {
  const { topic, maxMessageBytes, onReject } = options;
  const toRecord = options.format === 'combined' ? accessLogRecord : ndjsonRecord(options.key, counts);
  return (line: Line, timestampMs: number): Promise<void> | undefined => {
    counts.lines++;
    const record = recordOf(line, timestampMs, toRecord, maxMessageBytes);
    if (typeof record !== 'string') {
      counts.sent++;
      return sink.send(topic, record) ?? undefined;
    }
    counts.rejected++;
    return onReject?.(rejectOf(counts.lines, record, line)) ?? undefined;
  };
}

function recordOf(line: Line, timestampMs: number, toRecord: ToRecord, maxMessageBytes: number) {
  if (line.bytes > line.text.length) return 'larger than max.message.bytes';
  const record = toRecord(line.text, timestampMs);
  if (typeof record === 'string' || fitsBatch(record, maxMessageBytes)) return record;
  return 'larger than max.message.bytes';
}

function rejectOf(line: number, reason: Reject['reason'], { text, bytes }: Line): Reject {
  const reject = { line, reason, valueBase64: text.toString('base64') };
  return bytes > text.length ? { ...reject, bytes } : reject;
}

function accessLogRecord(text: Buffer, timestampMs: number): ReturnType<ToRecord> {
  if (text.length === 0) return 'empty line';
  const event = parseAccessLogLine(text);
  if (event === undefined) return 'not an access log line';
  return { key: Buffer.from(event.host), value: Buffer.from(event.json), timestampMs };
}

const CARRIAGE_RETURN = 0x0d;

function ndjsonRecord(keyMember: string | undefined, counts: IngestCounts): ToRecord {
  return (text, timestampMs) => {
    // A copy: the line shares memory with its chunk, and a batch may keep it for long.
    const value = Buffer.from(text.at(-1) === CARRIAGE_RETURN ? text.subarray(0, -1) : text);
    if (value.length === 0) return 'empty line';
    const key = keyMember === undefined ? null : keyOf(value, keyMember);
    if (key === null && keyMember !== undefined) counts.keyless++;
    return { key, value, timestampMs };
  };
}

/** The text of a string member, or a number or boolean as it is written; null: there is none, or the line isn't JSON. */
function keyOf(value: Buffer, name: string): Buffer | null {
  const text = value.toString('utf8');
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null;
  } catch {
    // Not lost: it is sent without a key, and the loader keeps it in the quarantine with its reason.
    return null;
  }
  const raw = membersOf(text).find((member) => member.name === name)?.raw;
  if (raw === undefined || raw === 'null' || raw[0] === '{' || raw[0] === '[') return null;
  return Buffer.from(raw[0] === '"' ? (JSON.parse(raw) as string) : raw);
}
