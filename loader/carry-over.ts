/**
 * Cuts ranges of offsets out of a file of the table: the rows outside them are carried over into a new staged file that
 * is written as loads write theirs, row for row as it was. A replay must not lose them only because they share a file
 * with rows that are read again. The old file is proven to be the one its record tells of, by rows and digest; so is the
 * new one, read back after it was written. Memory is bounded by DuckDB's limit, or for quarantine files by a line.
 */
import { randomUUID } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { DataFile, FilePart } from './commit.ts';
import type { LiveFile } from './fold.ts';
import { ParquetEngine, parquetFiles, sqlString } from './parquet-engine.ts';
import { lineOrigin, linesOf } from './refused-lines.ts';
import { timeColumnOf } from './row-copier.ts';
import { type PartitionTally, RowTally, totalOf, visitRows } from './row-tally.ts';
import { checkParquet, uploadWhole } from './stage-files.ts';
import type { Store } from './store/store.ts';

/** Offsets of one partition that are taken out of a file. */
export interface Cut {
  partition: number;
  from: number;
  until: number;
}

/** What became of a file: how many of its rows lie inside the cuts, by partition, and the staged file of all others, if there are any on both sides. */
export interface CarriedOver {
  inside: ReadonlyMap<number, number>;
  rest: (Omit<DataFile, 'final' | 'parts'> & { parts: FilePart[] }) | undefined;
}

export interface CarryOverOptions {
  store: Store;
  topic: string;
  settings: Pick<Settings, 'loader'>;
  /** Local directory for copies of remote files and for new files on their way. */
  spoolDirectory: string;
  /** Column of the event time; undefined: a raw table's rows have the time of their record. */
  eventTime: string | undefined;
}

/** The rows of a file on both sides of the cuts, by partition. */
interface Sides {
  inside: PartitionTally[];
  outside: PartitionTally[];
}

export class CarryOver implements AsyncDisposable {
  readonly #options: CarryOverOptions;
  readonly #engine: ParquetEngine;

  private constructor(options: CarryOverOptions, engine: ParquetEngine) {
    this.#options = options;
    this.#engine = engine;
  }

  static async open(options: CarryOverOptions): Promise<CarryOver> {
    const { settings, spoolDirectory } = options;
    const memoryLimitBytes = settings.loader.duckdbMemoryBytes;
    return new CarryOver(
      options,
      await ParquetEngine.open({ memoryLimitBytes, tempDirectory: spoolDirectory }),
    );
  }

  /** Cuts ranges out of a file; what is left is staged at `staged`, relative to the topic. Throws if the file is not the one its record tells of. */
  async cut(file: LiveFile, cuts: readonly Cut[], staged: string): Promise<CarriedOver> {
    const { store, topic, spoolDirectory } = this.#options;
    const old = await store.fetchLocal(`${topic}/${file.final}`, spoolDirectory);
    const fresh = join(spoolDirectory, `${randomUUID()}.carried`);
    try {
      const isLines = file.role === 'quarantine';
      const sides = isLines ? await sortLines(old, cuts, fresh) : await this.#sort(old, cuts);
      checkSame(`${topic}/${file.final}`, file, sides);
      const { outside } = sides;
      const inside = new Map(sides.inside.map(({ partition, rows }) => [partition, rows]));
      if (outside.length === 0 || inside.size === 0) return { inside, rest: undefined };
      if (!isLines) await this.#copy(old, cuts, fresh, outside);
      const total = totalOf(outside);
      checkSame(fresh, total, isLines ? await sortLines(fresh, cuts) : await this.#sort(fresh, cuts));
      const { size: bytes } = await stat(fresh);
      if (!isLines) checkParquet(fresh, bytes);
      await uploadWhole(store, fresh, `${topic}/${staged}`, bytes);
      const { role, hour } = file;
      return { inside, rest: { role, staged, hour, bytes, ...total, parts: partsOf(file, outside) } };
    } finally {
      if (dirname(old) === spoolDirectory) await rm(old, { force: true });
      await rm(fresh, { force: true });
    }
  }

  /** What a Parquet file holds, in one pass over three of its columns. */
  async #sort(path: string, cuts: readonly Cut[]): Promise<Sides> {
    const columns = (await this.#rows(`DESCRIBE SELECT * FROM ${parquetFiles([path])}`)).map((column) =>
      String(column['column_name']),
    );
    const sorter = new Sorter(cuts);
    await visitRows(
      this.#engine.connection,
      parquetFiles([path]),
      timeColumnOf(columns, this.#options.eventTime),
      (partition, offset, timeUs) => sorter.add(partition, offset, timeUs),
    );
    return sorter.sides();
  }

  /** Copies the rows outside the cuts, in their order, with columns, footer and form as loads write them. */
  async #copy(
    path: string,
    cuts: readonly Cut[],
    fresh: string,
    outside: readonly PartitionTally[],
  ): Promise<void> {
    const { compression, rowGroupRows } = this.#options.settings.loader;
    const pairs = new Map(
      (
        await this.#rows(
          `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${sqlString(path)})`,
        )
      ).map(({ key, value }) => [String(key), String(value)]),
    );
    const { minOffset, maxOffset } = totalOf(outside);
    // Of a file merged from several partitions the footer doesn't tell offsets.
    if (pairs.has('millrace.minOffset'))
      pairs.set('millrace.minOffset', String(minOffset)).set('millrace.maxOffset', String(maxOffset));
    const partitions = outside.map(({ partition }) => partition).sort((a, b) => a - b);
    pairs.set('millrace.partition', partitions.join(','));
    const form = { path: fresh, compression, rowGroupRows, metadata: Object.fromEntries(pairs) };
    const rest = `SELECT * FROM ${parquetFiles([path])} WHERE NOT ${conditionOf(cuts)}`;
    await this.#engine.copy(rest, form);
  }

  async #rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.#engine.connection.runAndReadAll(sql)).getRowObjects();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine[Symbol.dispose]();
  }
}

const conditionOf = (cuts: readonly Cut[]) =>
  `(${['false', ...cuts.map(({ partition, from, until }) => `(_partition = ${partition} AND _offset >= ${from} AND _offset < ${until})`)].join(' OR ')})`;

/** Sorts rows to the two sides of the cuts. */
class Sorter {
  readonly #cuts: readonly Cut[];
  readonly #inside = new RowTally();
  readonly #outside = new RowTally();

  constructor(cuts: readonly Cut[]) {
    this.#cuts = cuts;
  }

  /** Takes one row; returns whether it lies inside. */
  add(partition: number, offset: number, timeUs: number): boolean {
    const isInside = this.#cuts.some(
      (cut) => cut.partition === partition && offset >= cut.from && offset < cut.until,
    );
    (isInside ? this.#inside : this.#outside).add(partition, offset, timeUs);
    return isInside;
  }

  sides(): Sides {
    return { inside: this.#inside.partitions(), outside: this.#outside.partitions() };
  }
}

/** What a quarantine file holds; the lines outside the cuts go to `outside`, if it is given. */
async function sortLines(path: string, cuts: readonly Cut[], outside?: string): Promise<Sides> {
  const sorter = new Sorter(cuts);
  await using file = outside === undefined ? undefined : await open(outside, 'wx', 0o600);
  for await (const line of linesOf(path)) {
    const { partition, offset, timeUs } = lineOrigin(line);
    if (!sorter.add(partition, offset, timeUs)) await file?.writeFile(line);
  }
  return sorter.sides();
}

/** Throws unless a file holds the rows it should, by number and digest. */
function checkSame(
  path: string,
  wanted: Pick<DataFile, 'rows' | 'digest'>,
  { inside, outside }: Sides,
): void {
  const { rows, digest } = totalOf([...inside, ...outside]);
  if (rows === wanted.rows && digest === wanted.digest) return;
  throw new Error(
    `${path} holds ${rows} rows of digest ${digest}, its record says ${wanted.rows} of ${wanted.digest}: nothing was changed; restore the file from a copy, or replay all of its offsets`,
  );
}

function partsOf({ parts }: LiveFile, outside: readonly PartitionTally[]): FilePart[] {
  return outside.map(({ partition, rows, minOffset, maxOffset }) => {
    const { incarnation } = parts.find((part) => part.partition === partition)!;
    return { partition, incarnation, rows, minOffset, maxOffset };
  });
}
