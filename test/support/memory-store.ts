/**
 * A warehouse in memory that keeps the promises of `Store` as HDFS does: every operation is one atomic act, a rename moves
 * its source, a removal takes a directory at once. The files themselves are a value that can be copied, compared by a key
 * and acted on synchronously, which is what the models of `test/models` need; `MemoryStore` is the asynchronous face.
 * Faults turn one promise off each: they are what the mutants of the models run on.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path/posix';
import { type PublishOutcome, type Store, type StoreEntry, StoreError } from '../../loader/store/store.ts';

/** Promises that are not kept. */
export interface StoreFaults {
  /** A publish replaces what bears the name. */
  publishOverwrites?: boolean;
  /** A move leaves the file under its old name too. */
  moveLinks?: boolean;
}

interface MemoryFile {
  body: Buffer;
  modifiedMs: number;
  /** First 64 bits of SHA-256 over path, body and time, as two words. */
  hash: readonly [number, number];
}

const hashOf = (path: string, body: Uint8Array | string, modifiedMs: number): MemoryFile['hash'] => {
  const digest = createHash('sha256').update(`${path}\n${modifiedMs}\n`).update(body).digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4)];
};

const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** The files and directories of a warehouse, as a value. Each method is one atomic act; `now` is the store's clock. */
export class MemoryFiles {
  readonly faults: StoreFaults;
  now: () => number;
  #files = new Map<string, MemoryFile>();
  #directories = new Map<string, MemoryFile['hash']>();
  #key: [number, number] = [0, 0];
  /** The paths of the entries of each directory; made when it is first asked for, and no part of the value. */
  #children: Map<string, Set<string>> | undefined;

  constructor(faults: StoreFaults = {}, now: () => number = () => 0) {
    this.faults = faults;
    this.now = now;
  }

  clone(faults: StoreFaults = this.faults, now: () => number = this.now): MemoryFiles {
    const copy = new MemoryFiles(faults, now);
    copy.#files = new Map(this.#files);
    copy.#directories = new Map(this.#directories);
    copy.#key = [...this.#key];
    return copy;
  }

  /** Equal for equal contents. */
  get key(): string {
    return `${this.#key[0]}.${this.#key[1]}`;
  }

  /** Every file's path. */
  paths(): Iterable<string> {
    return this.#files.keys();
  }

  #mix([a, b]: MemoryFile['hash']): void {
    this.#key = [this.#key[0] ^ a, this.#key[1] ^ b];
  }

  #put(path: string, body: Buffer): void {
    const modifiedMs = this.now();
    const hash = hashOf(path, body, modifiedMs);
    this.#drop(path);
    this.#files.set(path, { body, modifiedMs, hash });
    this.#enter(path);
    this.#mix(hash);
  }

  /** Notes an entry in its directory, which may be made only after it. */
  #enter(path: string): void {
    const parent = parentOf(path);
    if (this.#children?.get(parent)?.add(path) === undefined) this.#children?.set(parent, new Set([path]));
  }

  #drop(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    this.#children?.get(parentOf(path))?.delete(path);
    this.#mix(file.hash);
  }

  /** The paths of a directory's entries. */
  #entriesOf(path: string): ReadonlySet<string> {
    if (this.#children === undefined) {
      this.#children = new Map();
      for (const entries of [this.#files.keys(), this.#directories.keys()])
        for (const entry of entries) this.#enter(entry);
    }
    return this.#children.get(path) ?? new Set();
  }

  #check(op: string, path: string): void {
    const isOutside = path
      .split('/')
      .some((part) => part === '.' || part === '..' || (part === '' && path !== ''));
    if (isOutside) throw new StoreError(op, path, 'a path inside a warehouse has no empty, "." or ".." part');
  }

  makeDirectory(path: string): void {
    this.#check('makeDirectory', path);
    for (let at = path; at !== '' && at !== '.'; at = dirname(at)) {
      if (this.#files.has(at)) throw new StoreError('makeDirectory', path, `${at} is a file`);
      if (this.#directories.has(at)) continue;
      const hash = hashOf(at, 'directory', 0);
      this.#directories.set(at, hash);
      this.#enter(at);
      this.#mix(hash);
    }
  }

  create(path: string, body: Uint8Array | string): void {
    this.#check('create', path);
    if (this.has(path)) throw new StoreError('create', path, 'the name is taken');
    this.makeDirectory(dirname(path));
    this.#put(path, Buffer.from(body as Uint8Array));
  }

  has(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path);
  }

  read(path: string): Buffer | undefined {
    this.#check('read', path);
    return this.#files.get(path)?.body;
  }

  stat(path: string): StoreEntry | undefined {
    this.#check('stat', path);
    const file = this.#files.get(path);
    if (file)
      return { name: nameOf(path), kind: 'file', size: file.body.length, modifiedMs: file.modifiedMs };
    if (path !== '' && !this.#directories.has(path)) return undefined;
    return { name: nameOf(path), kind: 'directory', size: 0, modifiedMs: 0 };
  }

  list(path: string): StoreEntry[] {
    this.#check('list', path);
    return [...this.#entriesOf(path)].sort().map((entry) => this.stat(entry)!);
  }

  publish(from: string, to: string): PublishOutcome {
    this.#check('publish', to);
    if (this.has(to) && !(this.faults.publishOverwrites && this.#files.has(from))) return 'taken';
    if (!this.#directories.has(dirname(to))) return 'orphaned';
    this.#rename('publish', from, to);
    return 'published';
  }

  move(from: string, to: string): boolean {
    this.#check('move', to);
    if (!this.#files.has(from)) return false;
    if (this.has(to)) throw new StoreError('move', to, 'the name is taken');
    if (!this.#directories.has(dirname(to))) throw new StoreError('move', to, 'its directory is not there');
    const { body } = this.#files.get(from)!;
    this.#rename('move', from, to);
    if (this.faults.moveLinks) this.#put(from, body);
    return true;
  }

  overwrite(from: string, to: string): void {
    this.#check('overwrite', to);
    this.#rename('overwrite', from, to);
  }

  #rename(op: string, from: string, to: string): void {
    const file = this.#files.get(from);
    if (file === undefined) throw new StoreError(op, from, 'it is not there');
    this.#drop(from);
    this.#put(to, file.body);
  }

  remove(path: string): void {
    this.#check('remove', path);
    this.#drop(path);
    const hash = this.#directories.get(path);
    if (hash === undefined) return;
    for (const entry of [...this.#entriesOf(path)]) this.remove(entry);
    this.#directories.delete(path);
    this.#children?.delete(path);
    this.#children?.get(parentOf(path))?.delete(path);
    this.#mix(hash);
  }
}

/** One operation as data: what it is called in a trace, whether it changes anything, and the act itself. */
export interface StoreOperation {
  verb: string;
  path: string;
  /** Of a rename: where from. */
  from?: string;
  isChange: boolean;
  act: (files: MemoryFiles) => unknown;
}

/** A store whose operations are handed to somebody who performs them: at once, or when their turn comes. */
export class MemoryStore implements Store {
  readonly url = 'memory:';
  readonly #perform: (operation: StoreOperation) => Promise<unknown>;

  constructor(files: MemoryFiles | ((operation: StoreOperation) => Promise<unknown>)) {
    this.#perform = typeof files === 'function' ? files : async ({ act }) => act(files);
  }

  #change<T>(verb: string, path: string, act: (files: MemoryFiles) => T, from?: string): Promise<T> {
    const operation = { verb, path, isChange: true, act };
    return this.#perform(from === undefined ? operation : { ...operation, from }) as Promise<T>;
  }

  #look<T>(verb: string, path: string, act: (files: MemoryFiles) => T): Promise<T> {
    return this.#perform({ verb, path, isChange: false, act }) as Promise<T>;
  }

  makeDirectory(path: string): Promise<void> {
    return this.#change('makeDirectory', path, (files) => files.makeDirectory(path));
  }
  async upload(localPath: string, path: string): Promise<number> {
    const body = await readFile(localPath);
    await this.create(path, body);
    return body.length;
  }
  create(path: string, body: Uint8Array | string): Promise<void> {
    return this.#change('create', path, (files) => files.create(path, body));
  }
  read(path: string): Promise<Buffer | undefined> {
    return this.#look('read', path, (files) => files.read(path));
  }
  async readRange(path: string, start: number, length: number): Promise<Buffer> {
    const body = await this.read(path);
    if (body === undefined) throw new StoreError('readRange', path, 'it is not there');
    return body.subarray(start, start + length);
  }
  stat(path: string): Promise<StoreEntry | undefined> {
    return this.#look('stat', path, (files) => files.stat(path));
  }
  list(path: string): Promise<StoreEntry[]> {
    return this.#look('list', path, (files) => files.list(path));
  }
  publish(from: string, to: string): Promise<PublishOutcome> {
    return this.#change('publish', to, (files) => files.publish(from, to), from);
  }
  move(from: string, to: string): Promise<boolean> {
    return this.#change('move', to, (files) => files.move(from, to), from);
  }
  overwrite(from: string, to: string): Promise<void> {
    return this.#change('overwrite', to, (files) => files.overwrite(from, to), from);
  }
  sync(paths: readonly string[]): Promise<void> {
    return this.#look('sync', paths[0] ?? '', () => undefined);
  }
  remove(path: string): Promise<void> {
    return this.#change('remove', path, (files) => files.remove(path));
  }
  fetchLocal(path: string): Promise<string> {
    return Promise.reject(new StoreError('fetchLocal', path, 'a warehouse in memory has no local files'));
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A store that does some operations otherwise. */
export function withOverrides<T extends object>(store: T, overrides: Partial<T>): T {
  return new Proxy(store, {
    get(target, name) {
      const own = overrides[name as keyof T];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
