/** The directories that one run has made, so that it asks for each of them once, whichever partitions share it. */
import type { Store } from './store/store.ts';

export class MadeDirectories {
  readonly #store: Pick<Store, 'makeDirectory'>;
  readonly #made = new Map<string, Promise<void>>();

  constructor(store: Pick<Store, 'makeDirectory'>) {
    this.#store = store;
  }

  /** Makes the directory unless this run has. One that could not be made is tried again when it is asked for again. */
  async make(path: string): Promise<void> {
    let made = this.#made.get(path);
    if (made === undefined) {
      made = this.#store.makeDirectory(path);
      this.#made.set(path, made);
      made.catch(() => this.#made.delete(path));
    }
    await made;
  }
}
