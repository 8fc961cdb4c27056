/**
 * Spark in a process of its own, driven by SQL: a reader of tables that is not ours, with Hive's metastore (Derby) and
 * Hive's Parquet SerDe inside. Rows come back as the JSON that Spark makes of them, nulls included; that shows
 * timestamps to the millisecond, so ask for `CAST(… AS STRING)` or `unix_micros(…)` where microseconds matter.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Bed, type BedOptions } from './bed.ts';
import { fetchJars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';

const SOURCE = join(import.meta.dirname, 'SparkStatements.java');
const SHOWN_CHARACTERS = 3000;

export interface SparkOptions extends BedOptions {
  /** `hdfs://HOST:PORT`, Spark's file system for paths without a scheme. */
  hdfsUrl?: string;
  /** Spark settings over the bed's own. */
  settings?: Record<string, string>;
  heapMb?: number;
}

export type SparkRow = Record<string, unknown>;

class Spark implements AsyncDisposable {
  readonly bed: Bed;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #log: string;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(bed: Bed, child: ChildProcess, log: string) {
    this.bed = bed;
    this.#child = child;
    this.#log = log;
    this.#answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts Spark; the first answer comes after some ten seconds. */
  static async start(options: SparkOptions = {}): Promise<Spark> {
    const bed = await Bed.open('spark', options);
    try {
      const lib = join(await fetchJars('spark'), 'lib', '*');
      const log = bed.join('logs', 'spark.log');
      const file = await open(log, 'a');
      const child = spawn(javaCommand(), sparkArguments(bed, lib, options), {
        cwd: bed.join('tmp'),
        env: { ...process.env, HADOOP_USER_NAME: 'hdfs', SPARK_LOCAL_IP: '127.0.0.1' },
        stdio: ['pipe', 'pipe', file.fd],
      });
      await once(child, 'spawn');
      await file.close();
      const spark = new Spark(bed, child, log);
      child.stdin!.on('error', () => undefined);
      await bed.remember('spark', child.pid!);
      await spark.#answer();
      return spark;
    } catch (error) {
      await bed[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The rows of one statement. Statements run one after the other. */
  sql(statement: string): Promise<SparkRow[]> {
    const run = this.#last.then(() => {
      this.#child.stdin!.write(`${Buffer.from(statement).toString('base64')}\n`);
      return this.#answer();
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #answer(): Promise<SparkRow[]> {
    const rows: SparkRow[] = [];
    for (;;) {
      const { value: line, done } = await this.#answers.next();
      if (done) {
        const said = (await readFile(this.#log, 'utf8')).slice(-SHOWN_CHARACTERS);
        throw new Error(`Spark ended instead of answering; its log ends with\n${said}`);
      }
      if (line.startsWith('row ')) rows.push(JSON.parse(line.slice(4)) as SparkRow);
      else if (line.startsWith('error ')) throw new Error(Buffer.from(line.slice(6), 'base64').toString());
      else if (line === 'end') return rows;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await gone;
    }
    await this.bed[Symbol.asyncDispose]();
  }
}

function sparkArguments(
  bed: Bed,
  lib: string,
  { hdfsUrl, settings = {}, heapMb = 1024 }: SparkOptions,
): string[] {
  const configured: Record<string, string> = {
    'spark.master': 'local[2]',
    'spark.ui.enabled': 'false',
    'spark.driver.host': '127.0.0.1',
    'spark.driver.bindAddress': '127.0.0.1',
    'spark.local.dir': bed.join('tmp'),
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.shuffle.partitions': '4',
    'spark.sql.jsonGenerator.ignoreNullFields': 'false',
    // Hours are names of directories, as 07, not numbers.
    'spark.sql.sources.partitionColumnTypeInference.enabled': 'false',
    'spark.sql.warehouse.dir': `file://${bed.join('data', 'spark-warehouse')}`,
    'spark.hadoop.javax.jdo.option.ConnectionURL': `jdbc:derby:;databaseName=${bed.join('data', 'metastore')};create=true`,
    'spark.hadoop.dfs.client.use.datanode.hostname': 'true',
    ...(hdfsUrl === undefined ? {} : { 'spark.hadoop.fs.defaultFS': hdfsUrl }),
    ...settings,
  };
  return javaArguments({
    classPath: [lib],
    main: SOURCE,
    args: Object.entries(configured).map(([key, value]) => `${key}=${value}`),
    heapMb,
    jvm: bed.jvm,
    properties: {
      'millrace.bed': `${bed.path}/`,
      'derby.system.home': bed.join('tmp'),
      'user.timezone': 'UTC',
    },
  });
}

/** Starts Spark and waits until it takes statements; end it with `await using`. */
export function startSpark(options: SparkOptions = {}): Promise<Spark> {
  return Spark.start(options);
}

/** Runs statements in a Spark of their own and returns the rows of the last one. */
export async function sparkSql(
  statements: readonly string[],
  options: SparkOptions = {},
): Promise<SparkRow[]> {
  await using spark = await startSpark(options);
  let rows: SparkRow[] = [];
  for (const statement of statements) rows = await spark.sql(statement);
  return rows;
}
