/**
 * Files of the warehouse as local ones, for the engine: each is fetched once in a run, however many portions read it,
 * and removed when no later one does. A local warehouse's files are read where they are.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../loader/store/store.ts';
import { sideBySide } from './side-by-side.ts';

/** Files fetched side by side. */
const AT_ONCE = 8;

export class FetchedFiles implements AsyncDisposable {
  readonly #store: Pick<Store, 'fetchLocal'>;
  readonly #directory: string;
  readonly #local = new Map<string, string>();

  private constructor(store: Pick<Store, 'fetchLocal'>, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  /** Copies go to a directory of their own below an existing local one; disposing removes it. */
  static async open(store: Pick<Store, 'fetchLocal'>, localDirectory: string): Promise<FetchedFiles> {
    return new FetchedFiles(store, await mkdtemp(join(localDirectory, 'fetched-')));
  }

  /** Fetches those that are not here yet. Throws what the store throws for one that is away. */
  async fetch(paths: Iterable<string>, signal?: AbortSignal): Promise<void> {
    const missing = [...new Set(paths)].filter((path) => !this.#local.has(path));
    await sideBySide(missing, AT_ONCE, async (path) => {
      signal?.throwIfAborted();
      this.#local.set(path, await this.#store.fetchLocal(path, this.#directory));
    });
  }

  /** The local path of a fetched file. */
  at(path: string): string {
    const local = this.#local.get(path);
    if (local === undefined) throw new Error(`${path} was not fetched`);
    return local;
  }

  /** Removes the copies of all files but these. */
  async keep(paths: ReadonlySet<string>): Promise<void> {
    for (const [path, local] of this.#local) {
      if (paths.has(path)) continue;
      this.#local.delete(path);
      if (local.startsWith(join(this.#directory, '/'))) await rm(local, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
