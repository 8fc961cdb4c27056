/**
 * The checkpoint file of a data directory: up to which offset each partition is known to be on disk. Partitions are
 * named by topic id, so that a topic made again under an old name never inherits a point.
 */
import path from 'node:path';
import type { Offset } from '../topic-partition.ts';
import { readIfThere, replaceFileAsync } from './durable-file.ts';
import { CHECKPOINT_FILE } from './file-names.ts';

const FILE_VERSION = 1;

export class RecoveryPoints {
  readonly #file: string;
  readonly #points: Map<string, Offset>;
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, points: Map<string, Offset>) {
    this.#file = file;
    this.#points = points;
  }

  /** Reads the file; without one every point is 0. Throws an Error if it is not whole. */
  static open(dataDir: string): RecoveryPoints {
    const file = path.join(dataDir, CHECKPOINT_FILE);
    const text = readIfThere(file);
    return new RecoveryPoints(file, text === undefined ? new Map() : decode(file, text));
  }

  static #key(topicId: string, partition: number): string {
    return `${topicId}-${partition}`;
  }

  get(topicId: string, partition: number): Offset {
    return this.#points.get(RecoveryPoints.#key(topicId, partition)) ?? 0;
  }

  set(topicId: string, partition: number, offset: Offset): void {
    if (this.get(topicId, partition) === offset) return;
    this.#points.set(RecoveryPoints.#key(topicId, partition), offset);
    this.#isChanged = true;
  }

  delete(topicId: string, partition: number): void {
    if (this.#points.delete(RecoveryPoints.#key(topicId, partition))) this.#isChanged = true;
  }

  /** Writes the file if anything changed; calls never overlap. Rejects with the system's error. */
  write(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const body = { version: FILE_VERSION, recoveryPoints: Object.fromEntries(this.#points) };
    try {
      await replaceFileAsync(this.#file, `${JSON.stringify(body)}\n`);
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }
}

function decode(file: string, text: string): Map<string, Offset> {
  try {
    const body = JSON.parse(text) as { version?: unknown; recoveryPoints?: Record<string, Offset> };
    if (body.version === FILE_VERSION) return new Map(Object.entries(body.recoveryPoints ?? {}));
  } catch {
    // told below, with the remedy
  }
  throw new Error(
    `${file} is damaged: remove it, and every log will be verified as a whole at the next start`,
  );
}
