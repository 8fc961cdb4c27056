/**
 * A warehouse in HDFS, by WebHDFS: straight to NameNodes and DataNodes, or through HttpFS or Knox. What makes the commit
 * protocol hold is one call: RENAME with `renameoptions=NONE`, one transaction of the namespace that refuses a name that
 * exists. Its outcome is read back, by the file's id where the server tells it.
 *
 * HttpFS does not know `renameoptions` and answers as the old rename does: `false` with HTTP 200 for a missing source, an
 * existing destination and a missing parent alike, `true` for a move **into** an existing directory. Such an answer, a
 * JSON boolean, is never taken for the outcome; the destination is.
 *
 * Nothing is fsynced: the NameNode has its edit log on disk before it answers, and a closed file is held by every
 * DataNode of its pipeline. Whether those write through to the disk is their setting `dfs.datanode.synconclose`.
 */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dirname as parentOf } from 'node:path/posix';
import type { Settings } from '../../config/settings.ts';
import { type PublishOutcome, type Store, type StoreEntry, StoreError } from './store.ts';
import { hdfsPath, type WebHdfsAddress } from './webhdfs-address.ts';
import type { RequestBody } from './webhdfs-client.ts';
import { HttpFailure } from './webhdfs-failure.ts';
import {
  type NameNodeCall,
  type NameNodeOptions,
  type NameNodeParts,
  NameNodes,
} from './webhdfs-name-nodes.ts';
import { openParts, storeErrorOf } from './webhdfs-parts.ts';
import { type FileStatus, Transfers } from './webhdfs-transfer.ts';

/** Larger bodies are Parquet files, which have `upload`, `readRange` and `fetchLocal`. */
const READ_LIMIT_BYTES = 64 * 1024 * 1024;
/** Rounds of rename and read-back where others keep changing the names under our hands. */
const MAX_ROUNDS = 4;

/** How a rename ended, as far as its answer tells: HttpFS's boolean has to be looked into. */
type RenameAnswer = 'done' | { boolean: boolean };

export class WebHdfsStore implements Store {
  readonly url: string;
  readonly #address: WebHdfsAddress;
  readonly #parts: NameNodeParts;
  readonly #nameNodes: NameNodes;
  readonly #transfers: Transfers;
  /** Servers before 3.0 list without pages only. */
  #hasBatches = true;

  private constructor(parts: NameNodeParts, options: NameNodeOptions) {
    this.#address = parts.address;
    this.url = parts.address.shown;
    this.#parts = parts;
    this.#nameNodes = new NameNodes(parts, options);
    this.#transfers = new Transfers(parts, this.#nameNodes);
  }

  /** Opens, and makes if need be, the warehouse at a `webhdfs:` or `swebhdfs:` URL. */
  static async open(
    url: string,
    settings: Settings['webhdfs'],
    options: NameNodeOptions = {},
  ): Promise<WebHdfsStore> {
    const parts = await openParts(url, settings);
    const store = new WebHdfsStore(parts, options);
    try {
      if ((await store.stat('')) === undefined) await store.makeDirectory('');
      return store;
    } catch (error) {
      parts.client[Symbol.dispose]();
      throw error;
    }
  }

  async #try<T>(op: string, path: string, body: (absolute: string) => Promise<T>): Promise<T> {
    const absolute = hdfsPath(this.#address, path);
    try {
      return await body(absolute);
    } catch (error) {
      throw error instanceof HttpFailure ? storeErrorOf(op, absolute, error, this.#parts) : error;
    }
  }

  async #json(call: NameNodeCall, isRepeatable = true): Promise<unknown> {
    return await this.#nameNodes.call(call, isRepeatable);
  }

  #status(absolute: string): Promise<FileStatus | undefined> {
    return this.#nameNodes.withOne((origin) => this.#transfers.status(origin, absolute), true);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#try('makeDirectory', path, async (absolute) => {
      const answer = await this.#json({ op: 'MKDIRS', method: 'PUT', path: absolute });
      if (!isTrue(answer)) throw this.#odd('makeDirectory', absolute, 'MKDIRS was answered by false');
    });
  }

  #odd(op: string, absolute: string, text: string, hint = 'see the NameNode log'): StoreError {
    return new StoreError(op, `${this.url.replace(/^(\w+:\/\/[^/]*).*$/, '$1')}${absolute}`, text, { hint });
  }

  upload(localPath: string, path: string): Promise<number> {
    return this.#try('upload', path, async (absolute) => {
      const { size } = await stat(localPath);
      return (await this.#transfers.put(absolute, { file: localPath, bytes: size })).length;
    });
  }

  create(path: string, body: Uint8Array | string): Promise<void> {
    return this.#try('create', path, async (absolute) => {
      const bytes: RequestBody = typeof body === 'string' ? Buffer.from(body) : body;
      await this.#transfers.put(absolute, bytes);
    });
  }

  read(path: string): Promise<Buffer | undefined> {
    return this.#try('read', path, async (absolute) => {
      const length = READ_LIMIT_BYTES + 1;
      const body = await this.#transfers
        .get(absolute, { offset: 0, length, limitBytes: length })
        .catch((error: unknown) => {
          if (isMissing(error)) return undefined;
          throw error;
        });
      if (body !== undefined && body.length > READ_LIMIT_BYTES)
        throw this.#odd(
          'read',
          absolute,
          `more than ${READ_LIMIT_BYTES} bytes`,
          'it is not a file of the loader',
        );
      return body;
    });
  }

  readRange(path: string, start: number, length: number): Promise<Buffer> {
    return this.#try('readRange', path, async (absolute) => {
      if (length === 0) return Buffer.alloc(0);
      return await this.#transfers
        .get(absolute, { offset: start, length, limitBytes: length })
        .catch(async (error: unknown) => {
          const found = error instanceof HttpFailure && /out of (the )?range/i.test(error.message);
          if (found && ((await this.#status(absolute))?.length ?? Infinity) <= start) return Buffer.alloc(0);
          throw error;
        });
    });
  }

  stat(path: string): Promise<StoreEntry | undefined> {
    return this.#try('stat', path, async (absolute) => {
      const found = await this.#status(absolute);
      return found && entryOf(path.slice(path.lastIndexOf('/') + 1), found);
    });
  }

  list(path: string): Promise<StoreEntry[]> {
    return this.#try('list', path, async (absolute) => {
      const found = await this.#listAll(absolute).catch((error: unknown) => {
        if (isMissing(error)) return [];
        throw error;
      });
      // A file is listed as itself, without a name.
      const entries = found.filter((each) => each.pathSuffix !== '');
      return entries.map((each) => entryOf(each.pathSuffix, each)).sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  async #listAll(path: string): Promise<FileStatus[]> {
    const entries: FileStatus[] = [];
    while (this.#hasBatches) {
      const startAfter = entries.at(-1)?.pathSuffix;
      const call = { op: 'LISTSTATUS_BATCH', method: 'GET', path, query: { startAfter } } as const;
      const page = await this.#json(call).catch((error: unknown) => {
        if (!(error instanceof HttpFailure) || error.kind !== 'unsupported') throw error;
        this.#hasBatches = false;
      });
      if (page === undefined) break;
      const { DirectoryListing: listing } = page as { DirectoryListing?: Listing };
      const found = listing?.partialListing?.FileStatuses?.FileStatus;
      if (!Array.isArray(found))
        throw this.#odd('list', path, 'LISTSTATUS_BATCH was answered without a listing');
      // HttpFS begins anew with every page (seen in 3.4.2).
      if (startAfter !== undefined && found.some(({ pathSuffix }) => pathSuffix <= startAfter)) {
        this.#hasBatches = false;
        break;
      }
      entries.push(...found);
      if (!listing!.remainingEntries || found.length === 0) return entries;
    }
    const whole = (await this.#json({ op: 'LISTSTATUS', method: 'GET', path })) as Listing['partialListing'];
    const found = whole?.FileStatuses?.FileStatus;
    if (!Array.isArray(found)) throw this.#odd('list', path, 'LISTSTATUS was answered without a listing');
    return found;
  }

  /** One rename, made once: an answer that was lost is the caller's to look into. */
  async #rename(from: string, to: string, renameoptions: 'NONE' | 'OVERWRITE'): Promise<RenameAnswer> {
    const query = { destination: to, renameoptions };
    const answer = await this.#json({ op: 'RENAME', method: 'PUT', path: from, query }, false);
    return answer === undefined ? 'done' : { boolean: isTrue(answer) };
  }

  /** HttpFS moved the file into a directory that bears the name: puts it back. */
  async #putBack(from: string, directory: string): Promise<void> {
    await this.#rename(`${directory}/${from.slice(from.lastIndexOf('/') + 1)}`, from, 'NONE');
  }

  publish(from: string, to: string): Promise<PublishOutcome> {
    return this.#try('publish', to, async (target) => {
      const source = hdfsPath(this.#address, from);
      const own = this.#transfers.finished(source) ?? (await this.#status(source));
      let lost: HttpFailure | undefined;
      for (let round = 1; ; round++) {
        let failure: HttpFailure | undefined;
        const answer = await this.#rename(source, target, 'NONE').catch((error: unknown) => {
          failure = settled(error);
        });
        if (answer === 'done') return 'published'; // one transaction of the namespace, which refuses a name that exists
        if (isLost(failure)) lost = failure;
        const found = await this.#status(target).catch((error: unknown) => {
          throw lost ?? failure ?? error;
        });
        if (found !== undefined) {
          if (found.type === 'DIRECTORY' && isTrue(answer)) await this.#putBack(source, target);
          // Without ids nobody can tell whose file it is when an answer was lost: who knows the contents has to look.
          if (lost && !isTrue(answer) && (found.fileId ?? own?.fileId) === undefined) throw lost;
          return isPublished(found, own, answer) ? 'published' : 'taken';
        }
        const isDefinite = lost === undefined && (failure === undefined || isMissing(failure));
        if (isDefinite && (await this.#status(parentOf(target))) === undefined) return 'orphaned';
        // Safe to be made again: of two calls only the first to land finds its source.
        const mayRepeat = isLost(failure) && round < MAX_ROUNDS && (await this.#status(source)) !== undefined;
        if (!mayRepeat)
          throw lost ?? failure ?? this.#odd('publish', target, 'the staged file is gone', 'run it again');
      }
    });
  }

  move(from: string, to: string): Promise<boolean> {
    return this.#try('move', to, async (target) => {
      const source = hdfsPath(this.#address, from);
      for (let round = 1, wasLost = false; ; round++) {
        let failure: unknown;
        const answer = await this.#rename(source, target, 'NONE').catch((error: unknown) => {
          failure = settled(error);
        });
        wasLost ||= isLost(failure);
        if (answer === 'done') return true;
        const there = await this.#status(target);
        if (there?.type === 'FILE' && isTrue(answer)) return true;
        if (there?.type === 'DIRECTORY' && isTrue(answer)) await this.#putBack(source, target);
        const staged = await this.#status(source);
        // Gone: an earlier call moved it, whose answer was lost, or another process did.
        if (staged === undefined) return there?.type === 'FILE' && wasLost;
        if (there !== undefined) throw this.#odd('move', target, 'the name is taken', 'run doctor');
        if (!isLost(failure) || round === MAX_ROUNDS)
          throw (
            failure ?? this.#odd('move', target, 'RENAME was answered by false: its directory is not there')
          );
      }
    });
  }

  overwrite(from: string, to: string): Promise<void> {
    return this.#try('overwrite', to, async (target) => {
      const source = hdfsPath(this.#address, from);
      for (let round = 1; ; round++) {
        let failure: unknown;
        const answer = await this.#rename(source, target, 'OVERWRITE').catch((error: unknown) => {
          failure = settled(error);
        });
        if (answer === 'done') return;
        const there = await this.#status(target);
        if (there?.type === 'FILE' && isTrue(answer)) return;
        if (there?.type === 'DIRECTORY') {
          if (isTrue(answer)) await this.#putBack(source, target);
          throw this.#odd('overwrite', target, 'a directory has the name');
        }
        if (isLost(failure) && (await this.#status(source)) === undefined) return;
        if ((failure !== undefined && !isLost(failure)) || round === MAX_ROUNDS)
          throw failure ?? this.#odd('overwrite', target, 'RENAME was answered by false');
        // HttpFS has no overwriting rename: for a moment there is no file. Derived files only, and made again if need be.
        if (failure === undefined && there !== undefined) await this.#delete(target);
      }
    });
  }

  /** The NameNode's edit log is on disk before it answers: every name is durable already. */
  async sync(): Promise<void> {}

  remove(path: string): Promise<void> {
    return this.#try('remove', path, (absolute) => this.#delete(absolute));
  }

  async #delete(absolute: string): Promise<void> {
    await this.#json({ op: 'DELETE', method: 'DELETE', path: absolute, query: { recursive: true } }).catch(
      (error: unknown) => {
        if (!isMissing(error)) throw error;
      },
    );
  }

  fetchLocal(path: string, localDirectory: string): Promise<string> {
    return this.#try('fetchLocal', path, async (absolute) => {
      const local = join(localDirectory, `${randomUUID()}-${path.slice(path.lastIndexOf('/') + 1)}`);
      try {
        await this.#transfers.get(absolute, {
          offset: 0,
          limitBytes: 0,
          into: () => createWriteStream(local),
        });
        return local;
      } catch (error) {
        await rm(local, { force: true });
        const hint = 'run it again; if it stays away, run doctor';
        throw isMissing(error) ? this.#odd('fetchLocal', absolute, 'there is no such file', hint) : error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.client[Symbol.dispose]();
  }
}

interface Listing {
  partialListing?: { FileStatuses?: { FileStatus?: FileStatus[] } };
  remainingEntries?: number;
}

const isTrue = (answer: unknown) => (answer as { boolean?: unknown } | undefined)?.boolean === true;
const isMissing = (error: unknown) =>
  error instanceof HttpFailure && (error.kind === 'missing' || error.kind === 'notDirectory');
/** A failed rename whose outcome can be looked up; any other is thrown on. */
function settled(error: unknown): HttpFailure {
  if (error instanceof HttpFailure && (error.kind === 'exists' || isMissing(error) || isLost(error)))
    return error;
  throw error;
}

const isLost = (error: unknown) => error instanceof HttpFailure && error.kind === 'lost';

/** Whether the file at the destination is the staged one: by its id, which a rename keeps, else by what was answered. */
function isPublished(found: FileStatus, own: FileStatus | undefined, answer: unknown): boolean {
  if (found.type !== 'FILE') return false;
  if (found.fileId !== undefined && own?.fileId !== undefined) return found.fileId === own.fileId;
  return answer === 'done' || isTrue(answer);
}

function entryOf(name: string, { type, length, modificationTime }: FileStatus): StoreEntry {
  return {
    name,
    kind: type === 'DIRECTORY' ? 'directory' : 'file',
    size: length,
    modifiedMs: modificationTime,
  };
}
