/**
 * What a model knows besides the store: the log that is loaded, the clock, and what a witness has noted of the records
 * that were ever published, so that the invariants do not rest on the code they judge.
 */
import { basename, dirname } from 'node:path/posix';
import { HOUR_MS, type Hour, hourName } from '../../loader/hour.ts';
import { parseGenerationName } from '../../loader/paths.ts';
import type { MemoryFiles } from '../support/memory-store.ts';

export const TOPIC = 't';
/** When a model's clock starts: the beginning of an hour. */
export const START_MS = Date.parse('2026-03-01T00:00:00Z');

/** A row: partition and offset. */
export type Row = readonly [partition: number, offset: number];

/** The rows that a file's body lists. */
export const rowsOf = (body: Buffer): Row[] =>
  body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':').map(Number) as unknown as Row); // as many numbers as were written

export interface WorldOptions {
  /** Events in the log when the run begins, by partition. */
  events?: readonly number[];
  /** The hour of an event; default: two hours by turns. */
  hourOf?: (row: Row) => Hour;
}

interface PublishedRecord {
  kind?: string;
  head?: number;
  partition?: number;
  seq?: number;
  files?: { final: string }[];
  adds?: { final: string; hour: Hour }[];
  removes?: { final: string; hour: Hour }[];
  expiredBefore?: Hour;
}

export class World {
  clockMs = START_MS;
  /** When each event was accepted; the index is its offset. */
  readonly arrivals: number[][];
  readonly hourOf: (row: Row) => Hour;
  /** Final names in any record ever published. */
  readonly named = new Set<string>();
  /** Where each chain begins. */
  readonly starts = new Map<number, number>();
  /** Hour → the last rewrite that touched it. */
  readonly touched = new Map<Hour, number>();
  /** Rows that expiries have deleted, by name. */
  readonly expired = new Set<string>();
  /** Hours that lost files to an expiry. */
  readonly expiredHours = new Set<Hour>();
  /** Hours before this one may go. */
  expiredBefore: Hour = '';
  /** What an expiry took that it had no right to. */
  broken: string | undefined;
  /** Ranges that a loader was told are loaded by it. */
  readonly won: { partition: number; start: number; next: number; by: string }[] = [];

  constructor({
    events = [],
    hourOf = ([, offset]) => hourName(START_MS / HOUR_MS + (offset % 2)),
  }: WorldOptions) {
    this.arrivals = events.map((count) => Array.from({ length: count }, () => START_MS));
    this.hourOf = hourOf;
  }

  clone(): World {
    const copy = new World({ hourOf: this.hourOf });
    copy.clockMs = this.clockMs;
    copy.arrivals.push(...this.arrivals.map((times) => [...times]));
    for (const final of this.named) copy.named.add(final);
    for (const [partition, start] of this.starts) copy.starts.set(partition, start);
    for (const [hour, seq] of this.touched) copy.touched.set(hour, seq);
    copy.won.push(...this.won);
    for (const row of this.expired) copy.expired.add(row);
    for (const hour of this.expiredHours) copy.expiredHours.add(hour);
    copy.expiredBefore = this.expiredBefore;
    copy.broken = this.broken;
    return copy;
  }

  get key(): string {
    return `${this.clockMs} ${this.arrivals.map((times) => times.join()).join(';')}`;
  }

  /** The high watermark. */
  endOf(partition: number): number {
    return this.arrivals[partition]?.length ?? 0;
  }

  accept(partition: number): void {
    (this.arrivals[partition] ??= []).push(this.clockMs);
  }

  /** Notes what a record says at the moment it gets its name. */
  notePublished(path: string, files: MemoryFiles): void {
    const body = files.read(path);
    if (body === undefined || !/\/_loader\/(commits|rewrites)\//.test(path)) return;
    const record = JSON.parse(body.toString()) as PublishedRecord;
    for (const { final } of [...(record.files ?? []), ...(record.adds ?? [])]) this.named.add(final);
    for (const { hour } of [...(record.adds ?? []), ...(record.removes ?? [])])
      this.touched.set(hour, record.seq!);
    if (record.expiredBefore !== undefined) this.#noteExpiry(record, files);
    const isRoot = basename(path) === 'base.json' && parseGenerationName(basename(dirname(path))) === 0;
    if (isRoot && record.partition !== undefined && !this.starts.has(record.partition))
      this.starts.set(record.partition, record.head!);
  }

  /** Its files are still in place: whoever published it has recovered the table before, and nobody rewrote it since. */
  #noteExpiry({ expiredBefore = '', removes = [] }: PublishedRecord, files: MemoryFiles): void {
    if (expiredBefore > this.expiredBefore) this.expiredBefore = expiredBefore;
    for (const { final, hour } of removes) {
      this.expiredHours.add(hour);
      for (const row of rowsOf(files.read(`${TOPIC}/${final}`) ?? Buffer.of())) {
        this.expired.add(String(row));
        if (this.hourOf(row) >= expiredBefore || this.hourOf(row) >= hourName(this.clockMs / HOUR_MS))
          this.broken = `row ${row} of the hour ${this.hourOf(row)} was expired as older than ${expiredBefore}`;
      }
    }
  }
}
