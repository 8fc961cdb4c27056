/**
 * Bodies of commit records kept on the local disk, so that a load of a long chain in HDFS reads the newest record and not
 * every one of them. A convenience, never a truth: `readChain` reads the base and the last record from the store and
 * links all in between by their SHA-256, so what does not belong to the chain is found out and read from the store.
 * Whoever has no cache, or a torn one, reads everything.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Bodies by the start offset of their record. */
export type RecordBodies = ReadonlyMap<number, Buffer>;

export class RecordCache {
  readonly #directory: string;

  /** `directory`: local, made when it is needed. `warehouse`: the URL whose records these are. */
  constructor(directory: string, warehouse: string) {
    const name = createHash('sha256').update(warehouse).digest('hex');
    this.#directory = join(directory, 'records', name);
  }

  #path(topic: string, partition: number, generation: number): string {
    return join(this.#directory, topic, `${partition}-${generation}.records`);
  }

  /** The bodies kept of a chain; none if there is no cache, as far as it can be read. */
  async read(topic: string, partition: number, generation: number): Promise<RecordBodies> {
    const bodies = new Map<number, Buffer>();
    const all = await readFile(this.#path(topic, partition, generation)).catch(() => Buffer.alloc(0));
    for (let at = 0; at < all.length; ) {
      const end = all.indexOf('\n', at);
      const [start, bytes] = all.toString('latin1', at, Math.max(at, end)).split(' ').map(Number);
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(bytes)) break;
      bodies.set(start!, all.subarray(end + 1, end + 1 + bytes!));
      at = end + 1 + bytes!;
    }
    return bodies;
  }

  /** Puts these bodies in place of those kept before. What can't be kept is read from the store the next time. */
  async write(topic: string, partition: number, generation: number, bodies: RecordBodies): Promise<void> {
    const path = this.#path(topic, partition, generation);
    const own = `${path}-${randomUUID()}`;
    const parts = [...bodies].flatMap(([start, body]) => [Buffer.from(`${start} ${body.length}\n`), body]);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(own, Buffer.concat(parts), { mode: 0o600 });
      await rename(own, path);
    } catch {
      await rm(own, { force: true }).catch(() => {}); // a full disk costs calls to the NameNode, not the load
    }
  }
}
