/**
 * The names and files of a made-up HDFS, with the rules of the real one that clients trip over: a rename of the old kind
 * says `false` for three reasons and moves into an existing directory; one with options throws; ids stay with a file
 * through renames; components hold no colon; a space quota counts whole blocks while a file is written; a directory
 * bears the time when a name last came to it or went.
 */

/** An error as a NameNode tells it. */
export class RemoteError extends Error {
  readonly exception: string;
  readonly status: number;

  constructor(exception: string, message: string, status = 403) {
    super(message);
    this.exception = exception;
    this.status = status;
  }
}

interface Inode {
  id: number;
  /** Undefined: a directory. */
  data: Buffer | undefined;
  modifiedMs: number;
  blockSize: number;
}

const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/';

export class FakeHdfsNamespace {
  readonly #inodes = new Map<string, Inode>();
  #nextId = 16_386;
  /** Bytes left to write, counted in blocks; undefined: as many as one likes. */
  quotaBytes: number | undefined;
  /** Times of directories are told as if this had passed since. */
  directoriesAgeMs = 0;
  /** Paths below which nobody may write. */
  denied: RegExp | undefined;

  constructor() {
    this.#inodes.set('/', this.#inode(undefined));
  }

  #inode(data: Buffer | undefined, blockSize = 0): Inode {
    return { id: this.#nextId++, data, modifiedMs: Date.now(), blockSize };
  }

  #touch(directory: string): void {
    const found = this.#inodes.get(directory);
    if (found !== undefined) found.modifiedMs = Math.max(found.modifiedMs, Date.now());
  }

  #missing(path: string): RemoteError {
    for (let at = parentOf(path); at !== '/'; at = parentOf(at))
      if (this.#inodes.get(at)?.data !== undefined)
        return new RemoteError('AccessControlException', `${at} (is not a directory)`);
    return new RemoteError('FileNotFoundException', `File does not exist: ${path}`, 404);
  }

  #checkWrite(path: string): void {
    if (/:/.test(path))
      throw new RemoteError('InvalidPathException', `Invalid path name Invalid file name: ${path}`, 400);
    if (this.denied?.test(path))
      throw new RemoteError(
        'AccessControlException',
        `Permission denied: user=loader, access=WRITE, inode="${parentOf(path)}":root:supergroup:drwxr-xr-x\n\tat org.apache.hadoop.X`,
      );
  }

  data(path: string): Buffer | undefined {
    return this.#inodes.get(path)?.data;
  }

  /** Every file below a directory, by its path from there. */
  *filesBelow(directory: string): Generator<[string, Buffer]> {
    for (const [path, { data }] of this.#inodes)
      if (data !== undefined && path.startsWith(`${directory}/`))
        yield [path.slice(directory.length + 1), data];
  }

  status(path: string, withId = true): Record<string, unknown> {
    const found = this.#inodes.get(path);
    if (found === undefined) throw this.#missing(path);
    return this.#statusOf(found, '', withId);
  }

  #statusOf({ id, data, modifiedMs, blockSize }: Inode, pathSuffix: string, withId: boolean) {
    const type = data === undefined ? 'DIRECTORY' : 'FILE';
    const length = data?.length ?? 0;
    return {
      pathSuffix,
      type,
      length,
      blockSize,
      modificationTime: modifiedMs - (data === undefined ? this.directoriesAgeMs : 0),
      ...(withId && { fileId: id }),
    };
  }

  list(path: string, withId = true): Record<string, unknown>[] {
    const found = this.#inodes.get(path);
    if (found === undefined) throw this.#missing(path);
    if (found.data !== undefined) return [this.#statusOf(found, '', withId)];
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.#inodes]
      .filter(([name]) => name !== '/' && name.startsWith(prefix) && !name.slice(prefix.length).includes('/'))
      .map(([name, inode]) => this.#statusOf(inode, name.slice(prefix.length), withId))
      .sort((a, b) => (String(a['pathSuffix']) < String(b['pathSuffix']) ? -1 : 1));
  }

  mkdirs(path: string): boolean {
    this.#checkWrite(path);
    for (let at = path; at !== '/'; at = parentOf(at)) {
      const found = this.#inodes.get(at);
      if (found?.data !== undefined)
        throw new RemoteError(
          at === path ? 'FileAlreadyExistsException' : 'ParentNotDirectoryException',
          `${at} is not a directory`,
        );
      if (found !== undefined) continue;
      this.#inodes.set(at, this.#inode(undefined));
      this.#touch(parentOf(at));
    }
    return true;
  }

  /** A file with its parents, empty; `overwrite` replaces one that is there. */
  create(path: string, { overwrite, blockSize }: { overwrite: boolean; blockSize: number }): void {
    this.#checkWrite(path);
    const found = this.#inodes.get(path);
    if (found !== undefined && (!overwrite || found.data === undefined))
      throw new RemoteError('FileAlreadyExistsException', `${path} for client 127.0.0.1 already exists`);
    if (parentOf(path) !== '/') this.mkdirs(parentOf(path));
    this.#inodes.set(path, this.#inode(Buffer.alloc(0), blockSize));
    this.#touch(parentOf(path));
  }

  /** Closes a file with what arrived; the quota is asked for first, when the file is there already. */
  fill(path: string, data: Buffer): void {
    const inode = this.#inodes.get(path);
    if (inode?.data === undefined)
      throw new RemoteError('FileNotFoundException', `${path} does not have any open files`, 404);
    if (this.quotaBytes !== undefined && inode.blockSize > this.quotaBytes)
      throw new RemoteError(
        'DSQuotaExceededException',
        `The DiskSpace quota of ${parentOf(path)} is exceeded: quota = ${this.quotaBytes} B`,
      );
    inode.data = data;
    inode.modifiedMs = Date.now();
  }

  delete(path: string): boolean {
    this.#checkWrite(path);
    const gone = [...this.#inodes.keys()].filter((name) => name === path || name.startsWith(`${path}/`));
    for (const name of gone) this.#inodes.delete(name);
    if (gone.length > 0) this.#touch(parentOf(path));
    return gone.length > 0;
  }

  #relink(from: string, to: string): void {
    for (const [name, inode] of [...this.#inodes])
      if (name === from || name.startsWith(`${from}/`)) {
        this.#inodes.delete(name);
        this.#inodes.set(`${to}${name.slice(from.length)}`, inode);
      }
    for (const directory of [parentOf(from), parentOf(to)]) this.#touch(directory);
  }

  /** The rename without options: never throws for what a client would like to know. */
  renameOld(from: string, to: string): boolean {
    this.#checkWrite(to);
    const into = this.#inodes.get(to);
    const target =
      into !== undefined && into.data === undefined ? `${to}/${from.slice(from.lastIndexOf('/') + 1)}` : to;
    const parent = this.#inodes.get(parentOf(target));
    const refused =
      !this.#inodes.has(from) ||
      this.#inodes.has(target) ||
      parent === undefined ||
      parent.data !== undefined;
    if (refused) return false;
    this.#relink(from, target);
    return true;
  }

  renameWithOptions(from: string, to: string, overwrite: boolean): void {
    this.#checkWrite(to);
    const source = this.#inodes.get(from);
    if (source === undefined)
      throw new RemoteError('FileNotFoundException', `rename source ${from} is not found.`, 404);
    const target = this.#inodes.get(to);
    if (target !== undefined) {
      if ((target.data === undefined) !== (source.data === undefined))
        throw new RemoteError('IOException', `Source ${from} and destination ${to} must both be directories`);
      if (!overwrite)
        throw new RemoteError('FileAlreadyExistsException', `rename destination ${to} already exists`);
    }
    const parent = this.#inodes.get(parentOf(to));
    if (parent === undefined)
      throw new RemoteError(
        'FileNotFoundException',
        `rename destination parent ${parentOf(to)} not found.`,
        404,
      );
    if (parent.data !== undefined)
      throw new RemoteError(
        'ParentNotDirectoryException',
        `rename destination parent ${parentOf(to)} is a file.`,
      );
    this.#inodes.delete(to);
    this.#relink(from, to);
  }
}
