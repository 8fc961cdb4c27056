/**
 * The bodies of a directory of records, asked for one by one in the order of their names, with some reads under way ahead.
 * What a cache has kept need not be read; but the last record listed always comes from the store, because by its
 * `prevSha256` it proves those before it, wherever their bytes came from.
 */
import type { RecordBodies } from './record-cache.ts';
import type { Store } from './store/store.ts';

/** Records read side by side while a chain or a log is walked. */
const READS_AT_ONCE = 16;

export class ReadAhead {
  readonly #store: Pick<Store, 'read'>;
  readonly #pathOf: (key: number) => string;
  readonly #listed: readonly number[];
  readonly #kept: RecordBodies;
  readonly #ahead = new Map<number, Promise<Buffer | undefined>>();
  #next = 0;

  /** `listed`: the numbers that name the records, ascending; `kept`: bodies that need not be read again. */
  constructor(
    store: Pick<Store, 'read'>,
    pathOf: (key: number) => string,
    listed: readonly number[],
    kept: RecordBodies,
  ) {
    this.#store = store;
    this.#pathOf = pathOf;
    this.#listed = listed;
    this.#kept = kept;
  }

  /** The body of a record, listed or not; undefined if it isn't there. To be asked in ascending order. */
  async at(key: number): Promise<Buffer | undefined> {
    while (this.#next < this.#listed.length && this.#ahead.size < READS_AT_ONCE) {
      const listed = this.#listed[this.#next++]!;
      if (listed < key) continue;
      const kept = listed === this.#listed.at(-1) ? undefined : this.#kept.get(listed);
      const body = kept === undefined ? this.#store.read(this.#pathOf(listed)) : Promise.resolve(kept);
      body.catch(() => {}); // told to whoever asks for it
      this.#ahead.set(listed, body);
    }
    const body = this.#ahead.get(key);
    this.#ahead.delete(key);
    return await (body ?? this.#store.read(this.#pathOf(key)));
  }
}
