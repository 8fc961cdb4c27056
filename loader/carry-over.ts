/**
 * Cuts ranges of offsets out of a file of the table: the rows outside them are carried over into a new staged file that
 * is written as loads write theirs, row for row as it was. A replay must not lose them only because they share a file
 * with rows that are read again. The old file is proven to be the one its record tells of, by rows and digest; so is the
 * new one, read back after it was written. Memory is bounded by DuckDB's limit, or for quarantine files by a line.
 */
import { randomUUID } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Settings } from '../config/settings.ts';
import type { DataFile, FilePart } from './commit.ts';
import type { LiveFile } from './fold.ts';
import { lineOrigin, linesOf } from './refused-lines.ts';
import { RowDigest, sumOfDigests } from './row-digest.ts';
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

/** What rows of one partition on one side of the cuts are. */
interface Group {
  partition: number;
  isInside: boolean;
  rows: number;
  minOffset: number;
  maxOffset: number;
  minTime: number;
  maxTime: number;
  digest: string;
}

const MiB = 1024 * 1024;
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
const name = (value: string) => `"${value.replaceAll('"', '""')}"`;

export class CarryOver implements AsyncDisposable {
  readonly #options: CarryOverOptions;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(options: CarryOverOptions, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#options = options;
    this.#instance = instance;
    this.#connection = connection;
  }

  /** Opens an engine of its own, with one thread: it keeps the order of rows. */
  static async open(options: CarryOverOptions): Promise<CarryOver> {
    const { settings, spoolDirectory } = options;
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: `${Math.floor(settings.loader.duckdbMemoryBytes / MiB)}MiB`,
      temp_directory: spoolDirectory,
      autoload_known_extensions: 'false',
      autoinstall_known_extensions: 'false',
    });
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    return new CarryOver(options, instance, connection);
  }

  /** Cuts ranges out of a file; what is left is staged at `staged`, relative to the topic. Throws if the file is not the one its record tells of. */
  async cut(file: LiveFile, cuts: readonly Cut[], staged: string): Promise<CarriedOver> {
    const { store, topic, spoolDirectory } = this.#options;
    const old = await store.fetchLocal(`${topic}/${file.final}`, spoolDirectory);
    const fresh = join(spoolDirectory, `${randomUUID()}.carried`);
    try {
      const isLines = file.role === 'quarantine';
      const groups = isLines ? await groupLines(old, cuts, fresh) : await this.#group(old, cuts);
      checkSame(`${topic}/${file.final}`, file, groups);
      const outside = groups.filter(({ isInside }) => !isInside);
      const inside = new Map(
        groups.flatMap(({ partition, isInside, rows }) => (isInside ? [[partition, rows] as const] : [])),
      );
      if (outside.length === 0 || inside.size === 0) return { inside, rest: undefined };
      if (!isLines) await this.#copy(old, cuts, fresh, outside);
      const found = isLines ? await groupLines(fresh, cuts) : await this.#group(fresh, cuts);
      const total = totalOf(outside);
      checkSame(fresh, total, found);
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
  async #group(path: string, cuts: readonly Cut[]): Promise<Group[]> {
    const columns = await this.#rows(`DESCRIBE SELECT * FROM ${parquet(path)}`);
    const { eventTime } = this.#options;
    // Of a schema that calls its event time otherwise than the file does, nothing better is known.
    const time = columns.find((column) => column['column_name'] === eventTime) ? eventTime! : '_timestamp';
    // As doubles: offsets and microseconds are exact in them, and big integers would cost ten times as much.
    const result = await this.#connection.stream(
      `SELECT _partition, _offset::DOUBLE, epoch_us(${name(time)})::DOUBLE FROM ${parquet(path)}`,
    );
    const groups = new Groups(cuts);
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      const [partitions, offsets, times] = [0, 1, 2].map((i) => chunk!.getColumnVector(i));
      for (let row = 0; row < chunk.rowCount; row++)
        groups.add(
          partitions!.getItem(row) as number,
          offsets!.getItem(row) as number,
          (times!.getItem(row) as number | null) ?? 0,
        );
    }
    return groups.found();
  }

  /** Copies the rows outside the cuts, in their order, with columns, footer and form as loads write them. */
  async #copy(path: string, cuts: readonly Cut[], fresh: string, outside: readonly Group[]): Promise<void> {
    const { compression, rowGroupRows } = this.#options.settings.loader;
    const pairs = new Map(
      (
        await this.#rows(
          `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${text(path)})`,
        )
      ).map(({ key, value }) => [String(key), String(value)]),
    );
    const { minOffset, maxOffset } = totalOf(outside);
    pairs.set('millrace.minOffset', String(minOffset)).set('millrace.maxOffset', String(maxOffset));
    if (outside.length === 1) pairs.set('millrace.partition', String(outside[0]!.partition));
    const metadata = [...pairs].map(([key, value]) => `${text(key)}: ${text(value)}`);
    await this.#connection.run(`COPY (SELECT * FROM ${parquet(path)} WHERE NOT ${conditionOf(cuts)})
      TO ${text(fresh)} (FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${rowGroupRows}, USE_TMP_FILE false,
        KV_METADATA {${metadata.join(', ')}})`);
  }

  async #rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.#connection.runAndReadAll(sql)).getRowObjects();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

const parquet = (path: string) => `read_parquet(${text(path)}, hive_partitioning = false)`;

const conditionOf = (cuts: readonly Cut[]) =>
  `(${['false', ...cuts.map(({ partition, from, until }) => `(_partition = ${partition} AND _offset >= ${from} AND _offset < ${until})`)].join(' OR ')})`;

/** Gathers what rows are, by partition and side of the cuts. */
class Groups {
  readonly #cuts: readonly Cut[];
  readonly #groups: { group: Group; digest: RowDigest }[] = [];

  constructor(cuts: readonly Cut[]) {
    this.#cuts = cuts;
  }

  /** Takes one row; returns whether it lies inside the cuts. */
  add(partition: number, offset: number, timeUs: number): boolean {
    const isInside = this.#cuts.some(
      (cut) => cut.partition === partition && offset >= cut.from && offset < cut.until,
    );
    let found = this.#groups.find(
      ({ group }) => group.partition === partition && group.isInside === isInside,
    );
    if (found === undefined) {
      const [minOffset, maxOffset, minTime, maxTime] = [offset, offset, timeUs, timeUs];
      const group = { partition, isInside, rows: 0, minOffset, maxOffset, minTime, maxTime, digest: '' };
      this.#groups.push((found = { group, digest: new RowDigest(partition) }));
    }
    found.digest.add(offset);
    const { group } = found;
    group.rows++;
    group.minOffset = Math.min(group.minOffset, offset);
    group.maxOffset = Math.max(group.maxOffset, offset);
    group.minTime = Math.min(group.minTime, timeUs);
    group.maxTime = Math.max(group.maxTime, timeUs);
    return isInside;
  }

  found(): Group[] {
    return this.#groups.map(({ group, digest }) => ({ ...group, digest: digest.toString() }));
  }
}

/** What a quarantine file holds; the lines outside the cuts go to `outside`, if it is given. */
async function groupLines(path: string, cuts: readonly Cut[], outside?: string): Promise<Group[]> {
  const groups = new Groups(cuts);
  await using file = outside === undefined ? undefined : await open(outside, 'wx', 0o600);
  for await (const line of linesOf(path)) {
    const { partition, offset, timeUs } = lineOrigin(line);
    if (!groups.add(partition, offset, timeUs)) await file?.writeFile(line);
  }
  return groups.found();
}

type Total = Pick<DataFile, 'rows' | 'minOffset' | 'maxOffset' | 'minTime' | 'maxTime' | 'digest'>;

function totalOf(groups: readonly Group[]): Total {
  const least = (key: 'minOffset' | 'minTime') => Math.min(...groups.map((group) => group[key]));
  const most = (key: 'maxOffset' | 'maxTime') => Math.max(...groups.map((group) => group[key]));
  return {
    rows: groups.reduce((sum, { rows }) => sum + rows, 0),
    minOffset: least('minOffset'),
    maxOffset: most('maxOffset'),
    minTime: least('minTime'),
    maxTime: most('maxTime'),
    digest: sumOfDigests(groups.map(({ digest }) => digest)),
  };
}

/** Throws unless a file holds the rows it should, by number and digest. */
function checkSame(path: string, wanted: Pick<DataFile, 'rows' | 'digest'>, groups: readonly Group[]): void {
  const { rows, digest } = totalOf(groups);
  if (rows === wanted.rows && digest === wanted.digest) return;
  throw new Error(
    `${path} holds ${rows} rows of digest ${digest}, its record says ${wanted.rows} of ${wanted.digest}: nothing was changed; restore the file from a copy, or replay all of its offsets`,
  );
}

function partsOf({ parts }: LiveFile, outside: readonly Group[]): FilePart[] {
  return outside.map(({ partition, rows, minOffset, maxOffset }) => {
    const { incarnation } = parts.find((part) => part.partition === partition)!;
    return { partition, incarnation, rows, minOffset, maxOffset };
  });
}
