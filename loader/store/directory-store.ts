/**
 * A warehouse in a local directory. Durability is by the book: a file's data is fsynced before anything names it, a
 * name counts only after its directory was fsynced, and new parents are fsynced up to the root. Publishing is
 * `link(2)`, because POSIX rename overwrites and Node has no rename that does not; a file system without hard links,
 * or one whose `link` replaces an existing name, is refused when the store is opened.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type PublishOutcome, type Store, type StoreEntry, StoreError } from './store.ts';

/** Larger bodies are Parquet files, which have `upload` and `readRange`. */
const READ_LIMIT_BYTES = 64 * 1024 * 1024;

/** How often a directory that fills again is cleared: another process may be writing below it. */
const REMOVE_RETRIES = 5;
/** Name, in the root, of a directory that is being deleted. One that a crash left is deleted by the next who opens the store. */
const REMOVED_PREFIX = '.millrace-removed-';

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code;
const isMissing = (error: unknown) => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

const HINTS: Record<string, string> = {
  EACCES: 'give this user the right to write there',
  EPERM: 'give this user the right to write there',
  EROFS: 'the file system is mounted read-only; choose another with --warehouse',
  ENOSPC: 'the disk is full; free space and run again, nothing is lost',
  EDQUOT: 'the quota is used up; raise it and run again, nothing is lost',
  ENOTDIR: 'a part of the path is a file; choose another with --warehouse',
  EMFILE: 'too many open files; raise ulimit -n',
};

/** For `then`: whether what a call was about was there. */
const isThere = [
  () => true,
  (error: unknown) => {
    if (isMissing(error)) return false;
    throw error;
  },
] as const;

const clear = (path: string) =>
  rm(path, { recursive: true, force: true, maxRetries: REMOVE_RETRIES, retryDelay: 20 });

async function fsync(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY);
  await handle.sync();
}

export class DirectoryStore implements Store {
  readonly url: string;
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
    this.url = `file:${root}`;
  }

  /**
   * Opens, and makes if need be, the warehouse at an absolute path; proves that `link` refuses an existing name there. Who
   * only reads makes and proves nothing: a wrong path stays as it was, and a right to write is not needed.
   */
  static async open(root: string, { onlyReads = false } = {}): Promise<DirectoryStore> {
    const store = new DirectoryStore(root);
    if (onlyReads) return store;
    await store.#try('open', '', async () => {
      await mkdir(root, { recursive: true }).catch((error: unknown) => {
        const hint = HINTS['ENOTDIR']!;
        throw codeOf(error) === 'EEXIST' ? new StoreError('open', root, 'it is a file', { hint }) : error;
      });
      await store.#proveLink();
      for (const name of await readdir(root))
        if (name.startsWith(REMOVED_PREFIX)) await clear(join(root, name));
    });
    return store;
  }

  async #proveLink(): Promise<void> {
    const [from, to] = [0, 1].map((i) => join(this.#root, `.millrace-probe-${randomUUID()}-${i}`)) as [
      string,
      string,
    ];
    try {
      for (const path of [from, to]) await (await open(path, 'wx')).close();
      const refused = await link(from, to).then(
        () => false,
        (error: unknown) => {
          if (codeOf(error) === 'EEXIST') return true;
          throw error;
        },
      );
      if (!refused || (await unlink(to).then(() => link(from, to))))
        throw new Error('link(2) replaces an existing name');
    } catch (cause) {
      if (codeOf(cause) && HINTS[codeOf(cause) as string]) throw cause;
      throw new StoreError(
        'open',
        this.#root,
        `the file system does not publish names safely: ${String(cause)}`,
        {
          hint: 'a warehouse needs hard links that refuse an existing name; use a local POSIX file system',
          cause,
        },
      );
    } finally {
      for (const path of [from, to]) await rm(path, { force: true }).catch(() => {});
    }
  }

  #path(path: string): string {
    if (
      path.split('/').some((part) => part === '.' || part === '..' || (part === '' && path !== '')) ||
      path.includes('\0')
    )
      throw new StoreError('open', path, 'a path inside a warehouse has no empty, "." or ".." part');
    return join(this.#root, path);
  }

  async #try<T>(op: string, path: string, body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      const code = codeOf(cause) ?? '';
      const hint = HINTS[code];
      throw new StoreError(op, join(this.#root, path), code || String(cause), {
        ...(hint ? { hint } : {}),
        cause,
      });
    }
  }

  /** Makes a directory with its parents and fsyncs every entry it made. */
  async #makeDurably(absolute: string): Promise<void> {
    const first = await mkdir(absolute, { recursive: true });
    if (first === undefined) return;
    for (let at = absolute; at.length >= first.length; at = dirname(at)) await fsync(dirname(at));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#try('makeDirectory', path, () => this.#makeDurably(this.#path(path)));
  }

  upload(localPath: string, path: string): Promise<number> {
    return this.#try('upload', path, async () => {
      const to = this.#path(path);
      await this.#makeDurably(dirname(to));
      await link(localPath, to).catch((error: unknown) => {
        if (codeOf(error) === 'EEXIST') throw error;
        return copyFile(localPath, to, constants.COPYFILE_EXCL); // another file system
      });
      await fsync(to);
      await fsync(dirname(to));
      return (await stat(to)).size;
    });
  }

  create(path: string, body: Uint8Array | string): Promise<void> {
    return this.#try('create', path, async () => {
      const to = this.#path(path);
      await this.#makeDurably(dirname(to));
      {
        await using handle = await open(to, 'wx');
        await handle.writeFile(body);
        await handle.sync();
      }
      await fsync(dirname(to));
    });
  }

  read(path: string): Promise<Buffer | undefined> {
    return this.#try('read', path, async () => {
      const entry = await this.stat(path);
      if (entry === undefined || entry.kind !== 'file') return undefined;
      if (entry.size > READ_LIMIT_BYTES)
        throw new StoreError('read', path, `${entry.size} bytes are more than ${READ_LIMIT_BYTES}`);
      return await readFile(this.#path(path)).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
    });
  }

  readRange(path: string, start: number, length: number): Promise<Buffer> {
    return this.#try('readRange', path, async () => {
      await using handle = await open(this.#path(path), 'r');
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
      return buffer.subarray(0, bytesRead);
    });
  }

  stat(path: string): Promise<StoreEntry | undefined> {
    return this.#try('stat', path, async () => {
      const found = await stat(this.#path(path)).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      return found && entryOf(path.slice(path.lastIndexOf('/') + 1), found);
    });
  }

  list(path: string): Promise<StoreEntry[]> {
    return this.#try('list', path, async () => {
      const names = await readdir(this.#path(path)).catch((error: unknown) => {
        if (isMissing(error)) return [];
        throw error;
      });
      const entries = await Promise.all(
        names.sort().map((name) => this.stat(path === '' ? name : `${path}/${name}`)),
      );
      return entries.filter((entry) => entry !== undefined);
    });
  }

  publish(from: string, to: string): Promise<PublishOutcome> {
    return this.#try('publish', to, async () => {
      const target = this.#path(to);
      try {
        await link(this.#path(from), target);
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return 'taken';
        if (!isMissing(error)) throw error;
        if ((await this.stat(dirname(to))) === undefined) return 'orphaned';
        if ((await this.stat(to)) !== undefined) return 'taken'; // swept after it was outbid
        throw error;
      }
      await fsync(dirname(target));
      return 'published';
    });
  }

  move(from: string, to: string): Promise<boolean> {
    return this.#try('move', to, async () => {
      if ((await this.stat(from)) === undefined) return false;
      if ((await this.stat(to)) !== undefined)
        throw new StoreError('move', to, 'the name is taken', { hint: 'run doctor' });
      return await rename(this.#path(from), this.#path(to)).then(
        () => true,
        async (error: unknown) => {
          if (isMissing(error) && (await this.stat(from)) === undefined) return false; // another process moved it
          throw error;
        },
      );
    });
  }

  overwrite(from: string, to: string): Promise<void> {
    return this.#try('overwrite', to, async () => {
      const target = this.#path(to);
      await rename(this.#path(from), target);
      await fsync(dirname(target));
    });
  }

  sync(paths: readonly string[]): Promise<void> {
    return this.#try('sync', paths[0] ?? '', async () => {
      const directories = new Set<string>(['']);
      for (const path of paths) {
        this.#path(path);
        for (let at = path; at !== '' && at !== '.'; at = dirname(at)) directories.add(at);
      }
      for (const directory of directories)
        await fsync(join(this.#root, directory)).catch((error: unknown) => {
          if (!isMissing(error)) throw error;
        });
    });
  }

  remove(path: string): Promise<void> {
    return this.#try('remove', path, async () => {
      const from = this.#path(path);
      const away = join(this.#root, `${REMOVED_PREFIX}${randomUUID()}`);
      const isDirectory = (await this.stat(path))?.kind === 'directory';
      // A directory goes at once: whoever reads a generation while it is removed must not find a part of it.
      if (!isDirectory) await rm(from, { force: true });
      else if (await rename(from, away).then(...isThere)) await clear(away);
    });
  }

  /** Where a path of the warehouse is on this machine. */
  readablePath(path: string): string {
    return this.#path(path);
  }

  async fetchLocal(path: string): Promise<string> {
    return this.#path(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function entryOf(name: string, found: { isDirectory(): boolean; size: number; mtimeMs: number }): StoreEntry {
  return {
    name,
    kind: found.isDirectory() ? 'directory' : 'file',
    size: found.size,
    modifiedMs: found.mtimeMs,
  };
}
