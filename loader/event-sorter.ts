/**
 * The first half of a load task: takes record batches as they come from the broker, proves each event against the schema
 * and sorts the accepted ones by hour into the spool, the refused ones into the quarantine. Nothing is dropped: every
 * record read is accepted, refused or (a tombstone where told, a row of an expired hour) filtered, and counted as exactly one of them.
 */
import { KafkaError } from '../broker/protocol/errors.ts';
import { type BatchHeader, batchesOf, eachRecord, headersOf } from '../broker/protocol/record-batch.ts';
import type { OffsetRange } from '../broker/topic-partition.ts';
import type { EventSchema } from '../schemas/event-schema.ts';
import { compileGuard, type EventBounds, type Guard } from '../schemas/guard.ts';
import { compileJudge, type Judge, type Verdict } from '../schemas/judge.ts';
import type { Reason } from '../schemas/reasons.ts';
import { RowSlots } from '../schemas/row-slots.ts';
import { FileFacts } from './file-facts.ts';
import { type HourIndex, hourOfUs } from './hour.ts';
import { quarantineLine, type RefusedRecord } from './quarantine.ts';
import type { Spool } from './spool.ts';
import { type RowMeta, type Slice, writeRow } from './spool-row.ts';
import { isFramed, type ValueDecoders } from './value-decoders.ts';

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
  /** Rows of hours before this one are passed over: they were deleted by retention. */
  expiredBefore?: HourIndex | undefined;
  /** Reads values that bear the number of a schema in a registry; the batches must be prepared. Undefined: there is no registry. */
  decoders?: ValueDecoders | undefined;
}

const NO_TIMESTAMP = -1;
/** In microseconds the next year is beyond the integers that a number holds exactly, and a commit record takes no others. */
const MAX_TIMESTAMP_MS = Date.UTC(2_255, 0) - 1;
const US_PER_MS = 1_000;

const isTimestamp = (ms: number) => ms >= 0 && ms <= MAX_TIMESTAMP_MS;

const EMPTY: Slice = { buffer: Buffer.alloc(0), start: 0, end: 0 };

/** The only column of a raw table: the message as it came. */
export const RAW_COLUMNS = [{ name: '_value', type: 'string', required: true }] as const;

export class EventSorter {
  readonly #options: SorterOptions;
  readonly #slots: RowSlots;
  readonly #expiredBefore: HourIndex;
  readonly #guard: Guard | undefined;
  readonly #judge: Judge | undefined;
  readonly #rows: Spool;
  readonly #refused: Spool;
  readonly #value: Slice = { ...EMPTY };
  readonly #decoders: ValueDecoders | undefined;
  /** The JSON that guard and judge read: the value itself, or what was decoded from it. */
  #json: Slice = this.#value;
  readonly #row: RowMeta = {
    offset: 0,
    timestampMs: 0,
    timeUs: 0,
    key: { ...EMPTY },
    value: EMPTY,
    extra: null,
    headers: { ...EMPTY },
    headerCount: 0,
  };
  /** Facts of the refused records by hour, since the last `clear`. */
  readonly refused = new Map<HourIndex, FileFacts>();
  /** Over the whole task. */
  read = 0;
  filtered = 0;
  /** Those of them that are rows of expired hours. */
  expired = 0;
  last: LastBatch | null = null;
  leaderEpoch = -1;

  constructor(options: SorterOptions, rows: Spool, refused: Spool) {
    this.#options = options;
    this.#expiredBefore = options.expiredBefore ?? Number.NEGATIVE_INFINITY;
    this.#rows = rows;
    this.#refused = refused;
    this.#slots = new RowSlots({ columns: options.schema?.columns ?? RAW_COLUMNS });
    if (options.schema === undefined) return;
    this.#decoders = options.decoders;
    this.#guard = compileGuard(options.schema, options.bounds, this.#slots);
    this.#judge = compileJudge(options.schema, options.bounds);
  }

  /** Sorts whole record batches; control and aborted batches must have been taken out. */
  add(batches: Buffer): void {
    const { from, until } = this.#options.range;
    for (const { at, header } of batchesOf(batches)) {
      if (header.lastOffset < from || header.baseOffset >= until) continue;
      this.#row.offset = header.baseOffset - 1;
      try {
        eachRecord(batches, at, header, this.#take);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        this.#refuseRest(batches.subarray(at, at + header.sizeBytes), header);
      }
      this.last = { baseOffset: header.baseOffset, crc: header.crc };
      this.leaderEpoch = header.leaderEpoch;
    }
  }

  /** A batch whose checksum is right but whose inside is not: its producer made it so. What can't be read is kept as one refused record, the whole batch as its value. */
  #refuseRest(batch: Buffer, { baseOffset, maxTimestamp }: BatchHeader): void {
    const offset = Math.max(this.#row.offset + 1, baseOffset, this.#options.range.from);
    if (offset >= this.#options.range.until) return;
    this.read++;
    this.#row.offset = offset;
    this.#row.timestampMs = maxTimestamp;
    point(this.#row.key, batch, -1, -1);
    point(this.#value, batch, 0, batch.length);
    this.#refuse('corrupt batch', null);
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
    const row = this.#row;
    row.offset = offset;
    if (offset < from || offset >= until) return;
    this.read++;
    row.timestampMs = timestampMs;
    row.headerCount = headerCount;
    point(row.key, payload, keyStart, keyEnd);
    point(row.headers, payload, headersStart, headersEnd);
    point(this.#value, payload, valueStart, valueEnd);
    if (this.#decoders !== undefined && !this.#decode(this.#decoders)) return;
    const { buffer, start, end } = this.#json;
    const isAskable = valueStart >= 0 && (timestampMs === NO_TIMESTAMP || isTimestamp(timestampMs));
    const timeUs = isAskable && this.#guard !== undefined ? this.#guard(buffer, start, end) : Number.NaN;
    if (headerCount > 0 && !areReadable(row.headers, headerCount)) this.#refuse('headers', null);
    else if (Number.isNaN(timeUs)) this.#decide(isAskable);
    else this.#accept(timeUs, this.#json, null);
  };

  /** Points `#json` at the JSON of the value; false: its bytes are not what its schema says, and it was refused. */
  #decode(decoders: ValueDecoders): boolean {
    const { buffer, start, end } = this.#value;
    this.#json = this.#value;
    if (start < 0 || !isFramed(buffer, start, end)) return true;
    const json = decoders.jsonOf(this.#value);
    if (json === undefined) this.#refuse('avro', null);
    else this.#json = json;
    return json !== undefined;
  }

  /** The slow lane: whatever the guard did not prove. */
  #decide(isAskable: boolean): void {
    const { start, end, buffer } = this.#json;
    if (start < 0) {
      if (this.#options.tombstones === 'skip') this.filtered++;
      else this.#refuse('tombstone', null);
    } else if (!isAskable) {
      this.#refuse('timestamp', null);
    } else if (this.#judge !== undefined) {
      this.#settle(this.#judge(buffer.subarray(start, end)));
    } else if (this.#row.timestampMs === NO_TIMESTAMP) {
      this.#refuse('no time', null);
    } else {
      this.#slots.setWhole(end - start);
      this.#accept(this.#row.timestampMs * US_PER_MS, this.#value, null);
    }
  }

  #settle(verdict: Verdict): void {
    if (!verdict.ok) {
      this.#refuse(verdict.reason, verdict.field);
      return;
    }
    const { start, end, buffer } = this.#json;
    const { json, extra, timeUs } = verdict;
    this.#slots.fillFromJson((json ?? buffer.subarray(start, end)).toString('utf8'));
    this.#accept(timeUs, EMPTY, extra === null ? null : Buffer.from(extra));
  }

  /** Spools the row whose columns lie in the slots; `heap` is what their ranges point into. */
  #accept(timeUs: number, heap: Slice, extra: Buffer | null): void {
    const hour = hourOfUs(timeUs);
    if (this.#passesOver(hour)) return;
    this.#row.timeUs = timeUs;
    this.#row.value = heap;
    this.#row.extra = extra;
    writeRow(this.#rows, hour, this.#row, this.#slots);
  }

  /** What lies in an hour that was expired does not come back, whatever it is. */
  #passesOver(hour: HourIndex): boolean {
    if (hour >= this.#expiredBefore) return false;
    this.filtered++;
    this.expired++;
    return true;
  }

  #refuse(reason: Reason, field: string | null): void {
    const { offset, timestampMs, key } = this.#row;
    const timeUs = isTimestamp(timestampMs) ? timestampMs * US_PER_MS : undefined;
    const hour = timeUs === undefined ? this.#options.fallbackHour : hourOfUs(timeUs);
    if (this.#passesOver(hour)) return;
    const record: RefusedRecord = {
      partition: this.#options.partition,
      offset,
      timestampMs: isTimestamp(timestampMs) ? timestampMs : undefined,
      key: view(key),
      value: view(this.#value),
      reason,
      field,
    };
    const line = quarantineLine(record);
    const at = this.#refused.reserve(hour, line.length);
    line.copy(this.#refused.buffer, at);
    let facts = this.refused.get(hour);
    if (facts === undefined) this.refused.set(hour, (facts = new FileFacts(this.#options.partition)));
    facts.add(offset, timeUs ?? 0);
  }
}

function areReadable({ buffer, start, end }: Slice, count: number): boolean {
  try {
    headersOf(buffer, start, count, end);
    return true;
  } catch (error) {
    if (error instanceof KafkaError) return false;
    throw error;
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
