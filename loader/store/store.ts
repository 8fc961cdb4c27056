/**
 * The seam between millrace and the place its table lives in: a local directory or HDFS. Nothing else touches files of
 * a warehouse. Paths are relative to the warehouse root, '/'-separated, without '.', '..' or empty parts.
 * The promises below are what the exactly-once protocol (docs/design.md, "Commit protocol") stands on; one contract
 * suite, `test/support/store-contract.ts`, holds every implementation to them.
 */

/** What a store knows of one entry. Sizes are bytes; times are milliseconds since 1970 by the store's own clock. */
export interface StoreEntry {
  name: string;
  kind: 'file' | 'directory';
  size: number;
  modifiedMs: number;
}

/** How a publishing rename ended. `taken`: another file bears the name; `orphaned`: the parent directory is not there. */
export type PublishOutcome = 'published' | 'taken' | 'orphaned';

export interface Store extends AsyncDisposable {
  /** The URL the store was opened with, without credentials, for messages. */
  readonly url: string;
  /** Makes a directory and its parents, durably. An existing one is no error. */
  makeDirectory(path: string): Promise<void>;
  /** Puts a closed local file at a path that must not exist; returns its size, read back from the store. Durable when it returns. Parents are made. The local file is the caller's to delete, and not to be written again. */
  upload(localPath: string, path: string): Promise<number>;
  /** Writes a small file to a path that must not exist. Durable when it returns. Parents are made. */
  create(path: string, body: Uint8Array | string): Promise<void>;
  /** The body of a file of at most 64 MiB, or undefined if it isn't there. */
  read(path: string): Promise<Buffer | undefined>;
  /** A part of a file; short at its end. For Parquet footers. Throws StoreError if it isn't there. */
  readRange(path: string, start: number, length: number): Promise<Buffer>;
  /** The entry at a path, or undefined. */
  stat(path: string): Promise<StoreEntry | undefined>;
  /** The entries of a directory sorted by name, or an empty list if it isn't there. No snapshot: entries may come and go. */
  list(path: string): Promise<StoreEntry[]>;
  /**
   * Gives the closed file `from` the name `to`, which must not exist, as one atomic act: of any number of callers exactly
   * one is answered `published`. Never makes the parent of `to`. Durable when it returns. `from` may stay behind under its
   * old name (a hard link) and is not to be opened for writing again. A time-out throws: read `to` to learn the outcome.
   */
  publish(from: string, to: string): Promise<PublishOutcome>;
  /** Moves a staged file to its final name; the parent must exist. True: moved; false: `from` was not there. An existing `to` throws. Durable only after `sync`. */
  move(from: string, to: string): Promise<boolean>;
  /** Moves a file over whatever bears the name `to`: one atomic act. Durable. For derived files only. */
  overwrite(from: string, to: string): Promise<void>;
  /** Makes the entries of directories, and their own entries up to the root, durable. A missing directory is no error. */
  sync(paths: readonly string[]): Promise<void>;
  /** Deletes a file or a whole directory; nobody sees a part of a directory, it goes at once. A missing one is no error. */
  remove(path: string): Promise<void>;
  /**
   * A local path that holds the bytes of a file, for DuckDB: the file itself where the warehouse is local, else a copy
   * under a name of its own in `localDirectory`, the caller's to remove. Throws StoreError if it isn't there.
   */
  fetchLocal(path: string, localDirectory: string): Promise<string>;
}

/** A store operation that failed: which, where, whether trying again may help, and what a person can do. */
export class StoreError extends Error {
  override name = 'StoreError';
  readonly op: string;
  readonly path: string;
  readonly retriable: boolean;
  readonly hint: string | undefined;

  constructor(
    op: string,
    path: string,
    message: string,
    options: { retriable?: boolean; hint?: string; cause?: unknown } = {},
  ) {
    super(`${op} ${path}: ${message}${options.hint ? `; ${options.hint}` : ''}`, { cause: options.cause });
    this.op = op;
    this.path = path;
    this.retriable = options.retriable ?? false;
    this.hint = options.hint;
  }
}
