/**
 * The second half of a load task: turns what lies in the spool into files staged in the warehouse, hour by hour, and
 * checks each one there. A staged file is invisible and unnamed; it counts only once a commit record names it. Uploads run
 * while the next files are written; what was staged is known to be whole when `finish` has returned.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DataFile } from './commit.ts';
import { FileFacts } from './file-facts.ts';
import { type HourIndex, hourName } from './hour.ts';
import type { ParquetTarget, ParquetWriter, RowSource } from './parquet-file.ts';
import { stagedName } from './paths.ts';
import type { Spool } from './spool.ts';
import { RowReader } from './spool-row.ts';
import { type Store, StoreError } from './store/store.ts';
import { UploadQueue } from './upload-queue.ts';

/** A staged file as a task reports it: all of its record entry but the final name, which depends on the whole record. */
export type StagedFile = Omit<DataFile, 'final'>;

export interface StagerOptions extends Omit<ParquetTarget, 'path'> {
  store: Store;
  writer: ParquetWriter;
  topic: string;
  /** Number of this task among the sub-ranges of its record. */
  task: number;
  /** Staging directory of the attempt, relative to the topic. */
  directory: string;
  spoolDirectory: string;
  targetFileBytes: number;
  /** Whether rows of this hour are too late for it and go to `_late/`. */
  isTooLate: (hour: HourIndex) => Promise<boolean>;
  /** Throws when the run is to stop. */
  checkStop: () => void;
}

/** First guess of a row's share of a Parquet file, as a part of its spooled bytes; each file written corrects it. */
const FIRST_SHRINK = 0.25;
const PARQUET_MAGIC = 'PAR1';
/** Smallest Parquet file there can be. */
const MIN_PARQUET_BYTES = 12;
/** Files of one task on their way at once: enough to hide the round trips of small ones, few enough for a DataNode. */
export const UPLOADS_AT_ONCE = 4;
/** What they may take of the local disk together, beside the spool and the file that is being written. */
const UPLOADING_BYTES = 256 * 1024 * 1024;

export class FileStager implements AsyncDisposable {
  readonly #options: StagerOptions;
  readonly #uploads = new UploadQueue({ files: UPLOADS_AT_ONCE, bytes: UPLOADING_BYTES });
  /** In the order in which they were written: their final names are numbered by it. */
  readonly #files: StagedFile[] = [];
  #part = 0;
  #bytesPerRow = Number.NaN;

  constructor(options: StagerOptions) {
    this.#options = options;
  }

  /** Stages all rows of the spool, cut into files near the target size. */
  async stageRows(spool: Spool): Promise<void> {
    const hours = spool.hours();
    if (Number.isNaN(this.#bytesPerRow)) this.#bytesPerRow = firstGuess(spool, hours);
    for (const hour of hours) {
      const role = (await this.#options.isTooLate(hour)) ? 'late' : 'data';
      const rows = rowsOf(spool, hour);
      const preview = rowsOf(spool, hour);
      for (let left = spool.rows(hour); left > 0; ) {
        const share = shareOf(left, this.#options.targetFileBytes / this.#bytesPerRow);
        await this.#stageParquet(role, hour, rows, this.#factsOf(preview, share));
        left -= share;
      }
    }
  }

  /** What the next `count` rows are: the footer says it, and is given to DuckDB before the rows. */
  #factsOf(rows: RowSource, count: number): FileFacts {
    const facts = new FileFacts(this.#options.partition);
    for (let row: ReturnType<RowSource>; facts.rows < count && (row = rows()) !== undefined; )
      facts.add(row.offset, row.timeUs);
    return facts;
  }

  async #stageParquet(
    role: 'data' | 'late',
    hour: HourIndex,
    rows: RowSource,
    facts: FileFacts,
  ): Promise<void> {
    const { writer, columns, isBinary, compression, rowGroupRows, partition, checkStop } = this.#options;
    const name = stagedName(this.#options.task, this.#part++);
    const path = this.#localPath();
    let left = facts.rows;
    const source: RowSource = () => {
      checkStop();
      this.check();
      return left-- > 0 ? rows() : undefined;
    };
    const metadata = {
      ...this.#options.metadata,
      'millrace.hour': hourName(hour),
      'millrace.minOffset': String(facts.minOffset),
      'millrace.maxOffset': String(facts.maxOffset),
    };
    await this.#stage(role, hour, path, name, facts, async () => {
      const { bytes } = await writer.write(source, {
        path,
        partition,
        columns,
        isBinary,
        compression,
        rowGroupRows,
        metadata,
      });
      this.#bytesPerRow = bytes / facts.rows;
      checkParquet(path, bytes);
      return bytes;
    });
  }

  /** A local file of its own: the staged name is unique within its record only, and all tasks share the directory. */
  #localPath(): string {
    return join(this.#options.spoolDirectory, `${randomUUID()}.staged`);
  }

  /** Stages the quarantine's lines, one file per hour. */
  async stageRefused(spool: Spool, facts: ReadonlyMap<HourIndex, FileFacts>): Promise<void> {
    for (const hour of spool.hours()) {
      this.#options.checkStop();
      const of = facts.get(hour)!;
      const name = stagedName(this.#options.task, this.#part++);
      const local = this.#localPath();
      await this.#stage('quarantine', hour, local, name, of, async () =>
        writeBlocks(local, spool.blocks(hour)),
      );
    }
  }

  /** Throws if an upload has failed. */
  check(): void {
    this.#uploads.check();
  }

  /** Waits for the uploads under way; the files are staged and proven then. Throws the first failure. */
  async finish(): Promise<readonly StagedFile[]> {
    await this.#uploads.drain();
    this.#options.checkStop();
    return this.#files;
  }

  /** Waits until no upload runs, whatever became of them: nothing may write to staging that is about to be removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#uploads[Symbol.asyncDispose]();
  }

  /** Writes a local file, hands it to the uploads, and has it removed when it is there, or when that failed. */
  async #stage(
    role: DataFile['role'],
    hour: HourIndex,
    local: string,
    name: string,
    { rows, minOffset, maxOffset, minTime, maxTime, digest }: FileFacts,
    write: () => Promise<number>,
  ): Promise<void> {
    const staged = `${this.#options.directory}/${name}`;
    const remove = () => rmSync(local, { force: true });
    try {
      const bytes = await write();
      await this.#uploads.add(bytes, () => this.#upload(local, staged, bytes).finally(remove));
      const offsets = { minOffset, maxOffset };
      const times = { minTime, maxTime };
      this.#files.push({ role, staged, hour: hourName(hour), rows, bytes, ...offsets, ...times, digest });
    } catch (error) {
      remove();
      throw error;
    }
  }

  async #upload(local: string, staged: string, bytes: number): Promise<void> {
    const { store, topic } = this.#options;
    await uploadWhole(store, local, `${topic}/${staged}`, bytes);
  }
}

/** Uploads a finished file; throws unless the store tells the length that it has. */
export async function uploadWhole(store: Store, local: string, path: string, bytes: number): Promise<void> {
  const arrived = await store.upload(local, path);
  if (arrived !== bytes)
    throw new StoreError('upload', path, `${arrived} bytes arrived of ${bytes}`, {
      retriable: true,
      hint: 'run it again',
    });
}

/** Proves that the local file is whole before it is sent; of the sent one the store proves the length. */
export function checkParquet(path: string, bytes: number): void {
  const tail = Buffer.alloc(PARQUET_MAGIC.length);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, tail, 0, tail.length, Math.max(0, bytes - tail.length));
  } finally {
    closeSync(fd);
  }
  if (bytes < MIN_PARQUET_BYTES || tail.toString('latin1') !== PARQUET_MAGIC)
    throw new Error(`${path} does not end as a Parquet file does: nothing was committed; run the load again`);
}

/** The rows of an hour one after the other, across its blocks. */
function rowsOf(spool: Spool, hour: HourIndex): RowSource {
  const reader = new RowReader(spool.blocks(hour));
  return () => (reader.next() ? reader : undefined);
}

/** Rows of the next file: all that are left if they nearly fit, else as many as the target holds, in files of even size. */
function shareOf(left: number, target: number): number {
  const files = Math.max(1, Math.round(left / Math.max(1, target)));
  return Math.ceil(left / files);
}

function firstGuess(spool: Spool, hours: readonly HourIndex[]): number {
  const rows = hours.reduce((sum, hour) => sum + spool.rows(hour), 0);
  return rows === 0 ? Number.NaN : Math.max(1, (FIRST_SHRINK * spool.bytes) / rows);
}

function writeBlocks(path: string, blocks: Iterable<Buffer>): number {
  const fd = openSync(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for (const block of blocks)
      for (let done = 0; done < block.length; ) {
        const wrote = writeSync(fd, block, done, block.length - done);
        done += wrote;
        bytes += wrote;
      }
    return bytes;
  } finally {
    closeSync(fd);
  }
}
