/**
 * The segments of one log in order of their offsets, and what of them is not on disk yet. The last is the active one, the
 * only one that grows. What goes wrong is thrown: what it means is the log's to decide.
 */
import assert from 'node:assert/strict';
import { fdatasync as fdatasyncCallback } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Offset } from '../topic-partition.ts';
import { Segment } from './segment.ts';

const fdatasync = promisify(fdatasyncCallback);

export class SegmentList {
  readonly #directory: string;
  readonly #segments: Segment[];
  #firstUnsynced: Segment | undefined;
  #directoryUnsynced = false;

  constructor(directory: string, segments: readonly Segment[]) {
    this.#directory = directory;
    this.#segments = [...segments];
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get active(): Segment {
    const active = this.#segments.at(-1);
    assert(active, `${this.#directory} has no segment`);
    return active;
  }

  /** First offset of the first segment. */
  get baseOffset(): Offset {
    return this.#segments[0]?.baseOffset ?? 0;
  }

  /** The segment in whose range an offset lies. */
  holding(offset: Offset): Segment {
    const segment = this.#segments.findLast(({ baseOffset }) => baseOffset <= offset);
    assert(segment, `${this.#directory} has no segment for offset ${offset}`);
    return segment;
  }

  /** Closes the active segment and begins the next at `baseOffset`. */
  roll(baseOffset: Offset, indexIntervalBytes: number, nowMs: number): void {
    this.active.saveIndexes();
    const segment = new Segment(this.#directory, baseOffset, indexIntervalBytes, nowMs);
    segment.create();
    this.#segments.push(segment);
    this.#firstUnsynced ??= segment;
    this.#directoryUnsynced = true;
  }

  /** Told of each write to the active segment. */
  written(): void {
    this.#firstUnsynced ??= this.active;
  }

  /** Makes what was written before the call durable. Calls must not overlap. */
  async sync(): Promise<void> {
    const first = this.#firstUnsynced ?? this.active;
    this.#firstUnsynced = undefined;
    for (const segment of this.#segments.slice(this.#segments.indexOf(first))) {
      await fdatasync(segment.descriptor());
    }
    if (!this.#directoryUnsynced) return;
    this.#directoryUnsynced = false;
    await this.#syncDirectory();
  }

  async #syncDirectory(): Promise<void> {
    await using directory = await open(this.#directory, 'r');
    await directory.sync();
  }

  /** Deletes the oldest segment, durably; there must be another one, and no sync may be under way. */
  async deleteOldest(): Promise<void> {
    assert(this.#segments.length > 1, `${this.#directory}: the active segment stays`);
    const [oldest] = this.#segments.splice(0, 1);
    assert(oldest);
    if (this.#firstUnsynced === oldest) this.#firstUnsynced = this.#segments[0];
    oldest.delete();
    await this.#syncDirectory();
  }

  /**
   * Puts one segment, which `install` brings into place, where some were that end in one: false, and nothing is done, if
   * they are not all there any more. None may be the active one.
   */
  replace(sources: readonly Segment[], install: () => Segment): boolean {
    const at = this.#segments.indexOf(sources[0] as Segment);
    const isThere = at >= 0 && sources.every((source, i) => this.#segments[at + i] === source);
    if (!isThere || at + sources.length >= this.#segments.length) return false;
    for (const source of sources) source.close();
    this.#segments.splice(at, sources.length, install());
    return true;
  }

  /** Writes all indexes and lets go of the files. */
  close(): void {
    for (const segment of this.#segments) {
      segment.saveIndexes();
      segment.close();
    }
  }
}
