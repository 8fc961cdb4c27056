/**
 * The second half of a load task: turns what lies in the spool into files staged in the warehouse, hour by hour, and
 * checks each one there. A staged file is invisible and unnamed; it counts only once a commit record names it.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DataFile } from './commit.ts';
import { FileFacts } from './file-facts.ts';
import { type HourIndex, hourName } from './hour.ts';
import type { ParquetTarget, ParquetWriter, RowSource } from './parquet-file.ts';
import { stagedName } from './paths.ts';
import type { Spool } from './spool.ts';
import { RowReader } from './spool-row.ts';
import { type Store, StoreError } from './store/store.ts';

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

export class FileStager {
  readonly #options: StagerOptions;
  readonly files: StagedFile[] = [];
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
      return left-- > 0 ? rows() : undefined;
    };
    const metadata = {
      ...this.#options.metadata,
      'millrace.hour': hourName(hour),
      'millrace.minOffset': String(facts.minOffset),
      'millrace.maxOffset': String(facts.maxOffset),
    };
    try {
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
      await this.#upload(role, hour, path, name, bytes, facts);
    } finally {
      rmSync(path, { force: true });
    }
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
      try {
        const bytes = writeBlocks(local, spool.blocks(hour));
        await this.#upload('quarantine', hour, local, name, bytes, of);
      } finally {
        rmSync(local, { force: true });
      }
    }
  }

  async #upload(
    role: DataFile['role'],
    hour: HourIndex,
    local: string,
    name: string,
    bytes: number,
    facts: FileFacts,
  ): Promise<void> {
    const { store, topic, directory } = this.#options;
    const staged = `${directory}/${name}`;
    await stageFile(store, local, `${topic}/${staged}`, { bytes, role });
    const { rows, minOffset, maxOffset, minTime, maxTime, digest } = facts;
    this.files.push({
      role,
      staged,
      hour: hourName(hour),
      rows,
      bytes,
      minOffset,
      maxOffset,
      minTime,
      maxTime,
      digest,
    });
  }
}

/** Uploads a finished file to its place in staging and reads back what the store holds: its length and, for Parquet, its closing magic. */
export async function stageFile(
  store: Store,
  local: string,
  path: string,
  { bytes, role }: Pick<DataFile, 'bytes' | 'role'>,
): Promise<void> {
  const arrived = await store.upload(local, path);
  const fail = (what: string) =>
    new StoreError('upload', path, what, { retriable: true, hint: 'run it again' });
  if (arrived !== bytes) throw fail(`${arrived} bytes arrived of ${bytes}`);
  if (role === 'quarantine') return;
  const tail = await store.readRange(path, bytes - PARQUET_MAGIC.length, PARQUET_MAGIC.length);
  if (bytes < MIN_PARQUET_BYTES || tail.toString('latin1') !== PARQUET_MAGIC)
    throw fail('the file does not end as a Parquet file does');
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
