/**
 * Bodies of records kept on the local disk, so that a load of a long chain in HDFS, or one beside a long log of rewrites,
 * reads the newest record and not every one of them. A convenience, never a truth: whoever walks reads the base and the
 * last record from the store and links all in between by their SHA-256, so what does not belong there is found out and
 * read from the store. Whoever has no cache, or a torn one, reads everything.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BrokenRecord } from './commit.ts';

/** Bodies by the number that names their record: the start offset of a commit, the number of a rewrite. */
export type RecordBodies = ReadonlyMap<number, Buffer>;

/** Walks records: may take the bodies `kept` for read, and gives the body of every record it passes to `keep`. */
type Walk<T> = (kept: RecordBodies, keep: (key: number, body: Buffer) => void) => Promise<T>;

const NONE: RecordBodies = new Map();

export class RecordCache {
  readonly #directory: string;

  /** `directory`: local, made when it is needed. `warehouse`: the URL whose records these are. */
  constructor(directory: string, warehouse: string) {
    const name = createHash('sha256').update(warehouse).digest('hex');
    this.#directory = join(directory, 'records', name);
  }

  /**
   * Walks with what is kept of one generation of a topic's chains or log (`name`: which), and keeps what was walked. Where
   * it meets a problem, in a record that does not link or as the result says, it walks again with nothing kept: what was
   * kept may be of another table.
   */
  async walk<T extends { problem?: string }>(topic: string, name: string, walk: Walk<T>): Promise<T> {
    let kept = await this.#read(topic, name);
    const read = new Map<number, Buffer>();
    const keep = (key: number, body: Buffer) => void read.set(key, body);
    const anew = async () => {
      kept = NONE;
      read.clear();
      return await walk(kept, keep);
    };
    let found = await walk(kept, keep).catch(async (error: unknown) => {
      if (kept.size === 0 || !(error instanceof BrokenRecord)) throw error;
      return await anew();
    });
    if (found.problem !== undefined && kept.size > 0) found = await anew();
    if ([...read.keys()].some((key) => !kept.has(key))) await this.#write(topic, name, read);
    return found;
  }

  #path(topic: string, name: string): string {
    return join(this.#directory, topic, `${name}.records`);
  }

  /** The bodies kept; none if there is no cache, as far as it can be read. */
  async #read(topic: string, name: string): Promise<RecordBodies> {
    const bodies = new Map<number, Buffer>();
    const all = await readFile(this.#path(topic, name)).catch(() => Buffer.alloc(0));
    for (let at = 0; at < all.length; ) {
      const end = all.indexOf('\n', at);
      const [key, bytes] = all.toString('latin1', at, Math.max(at, end)).split(' ').map(Number);
      if (!Number.isSafeInteger(key) || !Number.isSafeInteger(bytes)) break;
      bodies.set(key!, all.subarray(end + 1, end + 1 + bytes!));
      at = end + 1 + bytes!;
    }
    return bodies;
  }

  /** Puts these bodies in place of those kept before. What can't be kept is read from the store the next time. */
  async #write(topic: string, name: string, bodies: RecordBodies): Promise<void> {
    const path = this.#path(topic, name);
    const own = `${path}-${randomUUID()}`;
    const parts = [...bodies].flatMap(([key, body]) => [Buffer.from(`${key} ${body.length}\n`), body]);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(own, Buffer.concat(parts), { mode: 0o600 });
      await rename(own, path);
    } catch {
      await rm(own, { force: true }).catch(() => {}); // a full disk costs calls to the NameNode, not the load
    }
  }
}

/** Walks through a cache where there is one. */
export async function walkThrough<T extends { problem?: string }>(
  cache: RecordCache | undefined,
  { topic, name }: { topic: string; name: string },
  walk: Walk<T>,
): Promise<T> {
  return cache === undefined ? await walk(NONE, () => {}) : await cache.walk(topic, name, walk);
}
