/**
 * What a data directory knows of its broker for good: cluster id, node id, and the next block of producer ids, which are
 * never given out twice.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { readIfThere, replaceFile } from './durable-file.ts';
import { META_FILE, PRODUCER_IDS_FILE } from './file-names.ts';

const FILE_VERSION = 1;
/** Producer ids written off at once, so that not every producer costs an fsync. */
const PRODUCER_ID_BLOCK = 1000;

/** Reads the cluster id of a data directory, or gives it one. Throws an Error if it belongs to another node id. */
export function openIdentity(dataDir: string, nodeId: number): { clusterId: string } {
  const file = path.join(dataDir, META_FILE);
  const text = readIfThere(file);
  if (text !== undefined) {
    const meta = parse(file, text) as { version?: unknown; clusterId?: unknown; nodeId?: unknown };
    if (meta.version !== FILE_VERSION || typeof meta.clusterId !== 'string') throw damaged(file);
    if (meta.nodeId !== nodeId) {
      throw new Error(
        `data directory ${dataDir} belongs to node ${meta.nodeId}, this broker is node ${nodeId}: set broker.nodeId or choose another data directory`,
      );
    }
    return { clusterId: meta.clusterId };
  }
  const clusterId = randomBytes(16).toString('base64url');
  replaceFile(file, `${JSON.stringify({ version: FILE_VERSION, clusterId, nodeId })}\n`);
  return { clusterId };
}

/** Gives out producer ids in blocks that were written off first. */
export class ProducerIds {
  readonly #file: string;
  #next: number;
  #blockEnd: number;

  private constructor(file: string, next: number) {
    this.#file = file;
    this.#next = next;
    this.#blockEnd = next;
  }

  static open(dataDir: string): ProducerIds {
    const file = path.join(dataDir, PRODUCER_IDS_FILE);
    const text = readIfThere(file);
    const { next } = text === undefined ? { next: 0 } : (parse(file, text) as { next?: unknown });
    if (typeof next !== 'number' || !Number.isSafeInteger(next)) throw damaged(file);
    return new ProducerIds(file, next);
  }

  /** An id never given out before. */
  next(): number {
    if (this.#next === this.#blockEnd) {
      const blockEnd = this.#blockEnd + PRODUCER_ID_BLOCK;
      replaceFile(this.#file, `${JSON.stringify({ version: FILE_VERSION, next: blockEnd })}\n`);
      this.#blockEnd = blockEnd;
    }
    this.#next += 1;
    return this.#next - 1;
  }
}

function damaged(file: string): Error {
  return new Error(`${file} is damaged: restore it from a copy`);
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(file);
  }
}
