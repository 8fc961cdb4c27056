/**
 * Bodies of records kept on the local disk, so that a load of a long chain in HDFS, or one beside a long log of rewrites,
 * reads the newest record and not every one of them, and a load of a partition to which nothing came reads none. A
 * convenience, never a truth: whoever walks reads the base and the last record from the store and links all in between
 * by their SHA-256, so what does not belong there is found out and read from the store. Only where the directory's time
 * of change is the one kept is nothing read; were that time to lie, the chain would seem shorter than it is, and whoever
 * built on it would find the next name taken. Whoever has no cache, or a torn one, reads everything.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BrokenRecord } from './commit.ts';

/** Bodies by the number that names their record: the start offset of a commit, the number of a rewrite; that of the base. */
export type RecordBodies = ReadonlyMap<number, Buffer>;

/** The number under which a base is kept. */
export const BASE_KEY = -1;

/** What is kept of one directory of records. */
export interface Kept {
  bodies: RecordBodies;
  /** Whether nothing has changed in the directory since: these are all it holds. */
  isCurrent: boolean;
}

/** A directory of records, by a name of its own within its topic. */
interface RecordDirectory {
  topic: string;
  name: string;
  /** When something last came to it or went, by the store's clock, listed before it is walked; undefined: not known. */
  modifiedMs?: number;
}

/** Walks records: may take the bodies `kept` for read, and gives the body of every record it passes to `keep`. */
type Walk<T> = (kept: Kept, keep: (key: number, body: Buffer) => void) => Promise<T>;

const NOTHING: Kept = { bodies: new Map(), isCurrent: false };

/**
 * A directory's time says that nothing came since only if it lay back when its records were read: two records may come in
 * the same millisecond, and the clocks of store and loader may differ by minutes.
 */
const SETTLED_MS = 10 * 60_000;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export class RecordCache {
  readonly #directory: string;

  /** `directory`: local, made when it is needed. `warehouse`: the URL whose records these are. */
  constructor(directory: string, warehouse: string) {
    this.#directory = join(directory, 'records', sha256(Buffer.from(warehouse)));
  }

  /**
   * Walks with what is kept of one generation of a topic's chains or log, and keeps what was walked. Where it meets a
   * problem, in a record that does not link or as the result says, it walks again with nothing kept: what was kept may be
   * of another table.
   */
  async walk<T extends { problem?: string }>(of: RecordDirectory, walk: Walk<T>): Promise<T> {
    const walkedMs = Date.now();
    const { kept, settledMs } = await this.#read(of);
    const read = new Map<number, Buffer>();
    const keep = (key: number, body: Buffer) => void read.set(key, body);
    let isTaken = true;
    const anew = async () => {
      isTaken = false;
      read.clear();
      return await walk(NOTHING, keep);
    };
    let found = await walk(kept, keep).catch(async (error: unknown) => {
      if (kept.bodies.size === 0 || !(error instanceof BrokenRecord)) throw error;
      return await anew();
    });
    if (found.problem !== undefined && isTaken && kept.bodies.size > 0) found = await anew();
    const { modifiedMs } = of;
    const settled = modifiedMs !== undefined && modifiedMs + SETTLED_MS < walkedMs ? modifiedMs : undefined;
    const isNew = !isTaken || [...read.keys()].some((key) => !kept.bodies.has(key));
    if (isNew || (settled !== undefined && settled !== settledMs)) await this.#write(of, settled, read);
    return found;
  }

  #path({ topic, name }: RecordDirectory): string {
    return join(this.#directory, topic, `${name}.records`);
  }

  /** What is kept, and the directory's time with it if that had settled; nothing if there is no cache, or it isn't whole. */
  async #read(of: RecordDirectory): Promise<{ kept: Kept; settledMs?: number | undefined }> {
    const all = await readFile(this.#path(of)).catch(() => Buffer.alloc(0));
    const headEnd = all.indexOf('\n');
    const [sum, time] = all.toString('latin1', 0, Math.max(0, headEnd)).split(' ');
    const rest = all.subarray(headEnd + 1);
    if (headEnd < 0 || sum !== sha256(rest)) return { kept: NOTHING };
    const bodies = new Map<number, Buffer>();
    for (let at = 0; at < rest.length; ) {
      const end = rest.indexOf('\n', at);
      const [key, bytes] = rest.toString('latin1', at, end).split(' ').map(Number);
      bodies.set(key!, rest.subarray(end + 1, end + 1 + bytes!));
      at = end + 1 + bytes!;
    }
    const settledMs = time === '-' ? undefined : Number(time);
    return { kept: { bodies, isCurrent: settledMs !== undefined && settledMs === of.modifiedMs }, settledMs };
  }

  /** Puts these bodies in place of those kept before. What can't be kept is read from the store the next time. */
  async #write(of: RecordDirectory, settledMs: number | undefined, bodies: RecordBodies): Promise<void> {
    const path = this.#path(of);
    const own = `${path}-${randomUUID()}`;
    const parts = [...bodies].flatMap(([key, body]) => [Buffer.from(`${key} ${body.length}\n`), body]);
    const rest = Buffer.concat(parts);
    const head = Buffer.from(`${sha256(rest)} ${settledMs ?? '-'}\n`);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(own, Buffer.concat([head, rest]), { mode: 0o600 });
      await rename(own, path);
    } catch {
      await rm(own, { force: true }).catch(() => {}); // a full disk costs calls to the NameNode, not the load
    }
  }
}

/** Walks through a cache where there is one. */
export async function walkThrough<T extends { problem?: string }>(
  cache: RecordCache | undefined,
  of: RecordDirectory,
  walk: Walk<T>,
): Promise<T> {
  return cache === undefined ? await walk(NOTHING, () => {}) : await cache.walk(of, walk);
}
