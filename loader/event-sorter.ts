/**
 * The first half of a load task: takes record batches as they come from the broker, proves each event against the schema
 * and sorts the accepted ones by hour into the spool, the refused ones into the quarantine. Nothing is dropped: every
 * record read is accepted, refused or (a tombstone, where told) filtered, and counted as exactly one of them.
 */
import { batchesOf, eachRecord } from '../broker/protocol/record-batch.ts';
import type { OffsetRange } from '../broker/topic-partition.ts';
import type { EventSchema } from '../schemas/event-schema.ts';
import { compileGuard, type EventBounds, type Guard } from '../schemas/guard.ts';
import { compileJudge, type Judge, type Verdict } from '../schemas/judge.ts';
import type { Reason } from '../schemas/reasons.ts';
import { FileFacts } from './file-facts.ts';
import { type HourIndex, hourOfUs } from './hour.ts';
import { quarantineLine, type RefusedRecord } from './quarantine.ts';
import type { Spool } from './spool.ts';
import { type Slice, writeRow } from './spool-row.ts';

/** The last batch that was read, as the chain remembers it. */
export interface LastBatch {
  baseOffset: number;
  crc: number;
}

export interface SorterOptions {
  partition: number;
  /** Records outside it are passed over: the first and the last batch may overlap it. */
  range: OffsetRange;
  /** Undefined: a raw table, whose hours come from the records' timestamps. */
  schema: EventSchema | undefined;
  bounds: EventBounds;
  tombstones: 'quarantine' | 'skip';
  /** Hour of quarantined records that have no usable timestamp. */
  fallbackHour: HourIndex;
}

const NO_TIMESTAMP = -1;
const MAX_TIMESTAMP_MS = Date.UTC(10_000, 0) - 1;
const US_PER_MS = 1_000;

const isTimestamp = (ms: number) => ms >= 0 && ms <= MAX_TIMESTAMP_MS;

export class EventSorter {
  readonly #options: SorterOptions;
  readonly #guard: Guard | undefined;
  readonly #judge: Judge | undefined;
  readonly #rows: Spool;
  readonly #refused: Spool;
  readonly #key: Slice = { buffer: Buffer.alloc(0), start: 0, end: 0 };
  readonly #value: Slice = { buffer: Buffer.alloc(0), start: 0, end: 0 };
  readonly #headers: Slice = { buffer: Buffer.alloc(0), start: 0, end: 0 };
  /** Facts of the refused records by hour, since the last `clear`. */
  readonly refused = new Map<HourIndex, FileFacts>();
  /** Over the whole task. */
  read = 0;
  filtered = 0;
  last: LastBatch | null = null;
  leaderEpoch = -1;

  constructor(options: SorterOptions, rows: Spool, refused: Spool) {
    this.#options = options;
    this.#rows = rows;
    this.#refused = refused;
    if (options.schema !== undefined) {
      this.#guard = compileGuard(options.schema, options.bounds);
      this.#judge = compileJudge(options.schema, options.bounds);
    }
  }

  /** Sorts whole record batches; control and aborted batches must have been taken out. */
  add(batches: Buffer): void {
    for (const { at, header } of batchesOf(batches)) {
      const { from, until } = this.#options.range;
      if (header.lastOffset < from || header.baseOffset >= until) continue;
      eachRecord(batches, at, header, this.#take);
      this.last = { baseOffset: header.baseOffset, crc: header.crc };
      this.leaderEpoch = header.leaderEpoch;
    }
  }

  readonly #take = (
    offset: number,
    timestampMs: number,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    headersStart: number,
    headersEnd: number,
    headerCount: number,
    payload: Buffer,
  ): void => {
    const { from, until } = this.#options.range;
    if (offset < from || offset >= until) return;
    this.read++;
    point(this.#key, payload, keyStart, keyEnd);
    point(this.#value, payload, valueStart, valueEnd);
    point(this.#headers, payload, headersStart, headersEnd);
    const timeUs =
      valueStart >= 0 &&
      this.#guard !== undefined &&
      (timestampMs === NO_TIMESTAMP || isTimestamp(timestampMs))
        ? this.#guard(payload, valueStart, valueEnd)
        : Number.NaN;
    if (Number.isNaN(timeUs)) this.#decide(offset, timestampMs, headerCount);
    else this.#accept(offset, timestampMs, timeUs, this.#value, null, headerCount);
  };

  /** The slow lane: whatever the guard did not prove. */
  #decide(offset: number, timestampMs: number, headerCount: number): void {
    const verdict = this.#verdict(timestampMs);
    if (verdict === 'filtered') {
      this.filtered++;
    } else if (verdict.ok) {
      const { json, extra, timeUs } = verdict;
      const value = json === undefined ? this.#value : { buffer: json, start: 0, end: json.length };
      this.#accept(
        offset,
        timestampMs,
        timeUs,
        value,
        extra === null ? null : Buffer.from(extra),
        headerCount,
      );
    } else {
      this.#refuse(offset, timestampMs, verdict.reason, verdict.field);
    }
  }

  #verdict(timestampMs: number): Verdict | 'filtered' {
    if (this.#value.start < 0)
      return this.#options.tombstones === 'skip'
        ? 'filtered'
        : { ok: false, reason: 'tombstone', field: null };
    if (timestampMs !== NO_TIMESTAMP && !isTimestamp(timestampMs))
      return { ok: false, reason: 'timestamp', field: null };
    if (this.#judge !== undefined)
      return this.#judge(this.#value.buffer.subarray(this.#value.start, this.#value.end));
    if (timestampMs === NO_TIMESTAMP) return { ok: false, reason: 'no time', field: null };
    return { ok: true, timeUs: timestampMs * US_PER_MS, json: undefined, extra: null };
  }

  #accept(
    offset: number,
    timestampMs: number,
    timeUs: number,
    value: Slice,
    extra: Buffer | null,
    headerCount: number,
  ): void {
    writeRow(
      this.#rows,
      hourOfUs(timeUs),
      offset,
      timestampMs,
      timeUs,
      this.#key,
      value,
      extra,
      this.#headers,
      headerCount,
    );
  }

  #refuse(offset: number, timestampMs: number, reason: Reason, field: string | null): void {
    const record: RefusedRecord = {
      partition: this.#options.partition,
      offset,
      timestampMs: isTimestamp(timestampMs) ? timestampMs : undefined,
      key: view(this.#key),
      value: view(this.#value),
      reason,
      field,
    };
    const line = quarantineLine(record);
    const timeUs = record.timestampMs === undefined ? undefined : record.timestampMs * US_PER_MS;
    const hour = timeUs === undefined ? this.#options.fallbackHour : hourOfUs(timeUs);
    const at = this.#refused.reserve(hour, line.length);
    line.copy(this.#refused.buffer, at);
    let facts = this.refused.get(hour);
    if (facts === undefined) this.refused.set(hour, (facts = new FileFacts(this.#options.partition)));
    facts.add(offset, timeUs ?? 0);
  }
}

function point(slice: Slice, buffer: Buffer, start: number, end: number): void {
  slice.buffer = buffer;
  slice.start = start;
  slice.end = end;
}

function view({ buffer, start, end }: Slice): Buffer | null {
  return start < 0 ? null : buffer.subarray(start, end);
}
