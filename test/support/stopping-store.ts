/**
 * A store that goes wrong at a chosen moment: the process dies there, or one answer gets lost, or one call is refused. It
 * counts the operations that change something; what only looks never makes a difference to a crash.
 */
import type { PublishOutcome, Store, StoreEntry } from '../../loader/store/store.ts';

/**
 * `dies after`: the operation is done, nobody hears of it, and no later one is done. `loses the answer of`: it is done, the
 * caller is told of a time-out, later ones work. `is refused`: it isn't done, later ones work.
 */
export type Trouble = 'dies after' | 'loses the answer of' | 'is refused';
/** Or no trouble: something else happens first, and the operation is done then. */
export type Meanwhile = () => Promise<void>;

/** Which operation meets the trouble, by its name and its number; asked until one does. */
export type Moment = (name: string, index: number) => boolean;

export class StoppingStore implements Store {
  readonly url: string;
  readonly #store: Store;
  readonly #isMoment: Moment;
  readonly #trouble: Trouble | Meanwhile;
  #isDead = false;
  readonly #underWay = new Set<Promise<unknown>>();
  /** The operations that change something, so far: `publish topic/_loader/…`. */
  readonly done: string[] = [];
  /** The operation that met the trouble, or undefined if none did. */
  met: string | undefined;

  constructor(store: Store, isMoment: Moment, trouble: Trouble | Meanwhile) {
    this.#store = store;
    this.url = store.url;
    this.#isMoment = isMoment;
    this.#trouble = trouble;
  }

  /** Operations that were under way beside the last one of a process have landed or failed when this returns. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #change<T>(name: string, act: () => Promise<T>): Promise<T> {
    const operation = async () => {
      const doing = act();
      this.#underWay.add(doing);
      return await doing.finally(() => this.#underWay.delete(doing));
    };
    if (this.#isDead) throw new Error('the process is dead');
    const index = this.done.push(name) - 1;
    if (this.met !== undefined || !this.#isMoment(name, index)) return await operation();
    this.met = name;
    if (typeof this.#trouble === 'function') {
      await this.#trouble();
      return await operation();
    }
    this.#isDead = this.#trouble === 'dies after';
    if (this.#trouble === 'is refused') throw new Error(`${name} was refused by the test`);
    await operation();
    throw new Error(`${name} was answered by a time-out`);
  }

  async #look<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#isDead) throw new Error('the process is dead');
    return await operation();
  }

  makeDirectory(path: string): Promise<void> {
    return this.#change(`makeDirectory ${path}`, () => this.#store.makeDirectory(path));
  }
  upload(localPath: string, path: string): Promise<number> {
    return this.#change(`upload ${path}`, () => this.#store.upload(localPath, path));
  }
  create(path: string, body: Uint8Array | string): Promise<void> {
    return this.#change(`create ${path}`, () => this.#store.create(path, body));
  }
  publish(from: string, to: string): Promise<PublishOutcome> {
    return this.#change(`publish ${to}`, () => this.#store.publish(from, to));
  }
  move(from: string, to: string): Promise<boolean> {
    return this.#change(`move ${to}`, () => this.#store.move(from, to));
  }
  overwrite(from: string, to: string): Promise<void> {
    return this.#change(`overwrite ${to}`, () => this.#store.overwrite(from, to));
  }
  sync(paths: readonly string[]): Promise<void> {
    return this.#change(`sync ${paths[0]}`, () => this.#store.sync(paths));
  }
  remove(path: string): Promise<void> {
    return this.#change(`remove ${path}`, () => this.#store.remove(path));
  }
  read(path: string): Promise<Buffer | undefined> {
    return this.#look(() => this.#store.read(path));
  }
  readRange(path: string, start: number, length: number): Promise<Buffer> {
    return this.#look(() => this.#store.readRange(path, start, length));
  }
  stat(path: string): Promise<StoreEntry | undefined> {
    return this.#look(() => this.#store.stat(path));
  }
  list(path: string): Promise<StoreEntry[]> {
    return this.#look(() => this.#store.list(path));
  }
  fetchLocal(path: string, localDirectory: string): Promise<string> {
    return this.#look(() => this.#store.fetchLocal(path, localDirectory));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}
