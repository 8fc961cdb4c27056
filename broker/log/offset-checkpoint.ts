/**
 * A file of a data directory that holds one offset per partition: how far it is known to be on disk, where its log
 * begins, up to where it was compacted. Partitions are named by topic id, so that a topic made again under an old name
 * inherits nothing.
 */
import path from 'node:path';
import type { Offset } from '../topic-partition.ts';
import { readIfThere, replaceFileAsync } from './durable-file.ts';

const FILE_VERSION = 1;

/** One of the files: its name, the name of the offsets in it, and what becomes of the logs without it. */
export interface CheckpointKind {
  file: string;
  member: string;
  /** Completes "remove it, and …". */
  without: string;
}

export class OffsetCheckpoint {
  readonly #file: string;
  readonly #member: string;
  readonly #offsets: Map<string, Offset>;
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, member: string, offsets: Map<string, Offset>) {
    this.#file = file;
    this.#member = member;
    this.#offsets = offsets;
  }

  /** Reads the file; without one there are no offsets. Throws an Error if it is not whole. */
  static open(dataDir: string, kind: CheckpointKind): OffsetCheckpoint {
    const file = path.join(dataDir, kind.file);
    const text = readIfThere(file);
    const offsets = text === undefined ? new Map() : decode(file, text, kind);
    return new OffsetCheckpoint(file, kind.member, offsets);
  }

  static #key(topicId: string, partition: number): string {
    return `${topicId}-${partition}`;
  }

  get(topicId: string, partition: number): Offset | undefined {
    return this.#offsets.get(OffsetCheckpoint.#key(topicId, partition));
  }

  set(topicId: string, partition: number, offset: Offset): void {
    if (this.get(topicId, partition) === offset) return;
    this.#offsets.set(OffsetCheckpoint.#key(topicId, partition), offset);
    this.#isChanged = true;
  }

  delete(topicId: string, partition: number): void {
    if (this.#offsets.delete(OffsetCheckpoint.#key(topicId, partition))) this.#isChanged = true;
  }

  /** Writes the file if anything changed; calls never overlap. Rejects with the system's error. */
  write(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const body = { version: FILE_VERSION, [this.#member]: Object.fromEntries(this.#offsets) };
    try {
      await replaceFileAsync(this.#file, `${JSON.stringify(body)}\n`);
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }
}

function decode(file: string, text: string, { member, without }: CheckpointKind): Map<string, Offset> {
  try {
    const body = JSON.parse(text) as { version?: unknown } & Record<string, Record<string, Offset>>;
    if (body.version === FILE_VERSION) return new Map(Object.entries(body[member] ?? {}));
  } catch {
    // told below, with the remedy
  }
  throw new Error(`${file} is damaged: remove it, and ${without}`);
}
