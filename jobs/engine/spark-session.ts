/**
 * One session of Spark as a process: `spark-submit` of the user's Spark, in client mode, with a small driver of ours that
 * is compiled against that Spark's own jars when the session starts. Requests and answers are lines of standard input and
 * output, one at a time. Nothing of them, and no secret, is on a command line: how Spark runs and authenticates is said
 * by its own files (spark-defaults.conf, HADOOP_CONF_DIR) and by the environment.
 */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';

const DRIVER = 'SparkAggregates';
const SOURCE = join(import.meta.dirname, `${DRIVER}.java`);
/** Of what Spark logs, so much is kept for the message when it dies. */
const KEPT_CHARACTERS = 3_000;
/** Session settings under which the queries mean what they mean in DuckDB. */
const SESSION = {
  'spark.sql.session.timeZone': 'UTC',
  'spark.sql.ansi.enabled': 'true',
  'spark.sql.timestampType': 'TIMESTAMP_LTZ',
  'spark.sql.parquet.outputTimestampType': 'TIMESTAMP_MICROS',
  'spark.sql.parser.escapedStringLiterals': 'false',
  'spark.sql.variable.substitute': 'false',
  'spark.sql.caseSensitive': 'true',
} as const;

/** `home`: directory of Spark. `master`: empty, as Spark is set up. `environment`: what its process gets. */
export interface SparkSessionOptions {
  home: string;
  master: string;
  /** An existing local directory; the session works in one of its own below. */
  localDirectory: string;
  environment: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal | undefined;
}

const encode = (text: string) => Buffer.from(text).toString('base64');
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Compiles the driver; the path of its jar. */
async function buildDriver({ home, environment }: SparkSessionOptions, directory: string): Promise<string> {
  const classes = join(directory, 'classes');
  const jar = join(directory, 'driver.jar');
  await mkdir(classes);
  const run = async (tool: string, args: string[]) => {
    const java = environment['JAVA_HOME'];
    await promisify(execFile)(java ? join(java, 'bin', tool) : tool, args, { env: environment }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT')
          throw new Error(
            `--engine spark compiles its driver with ${tool}, which is not there; install a JDK that fits Spark and set JAVA_HOME to it`,
          );
        throw new Error(`--engine spark: ${tool} failed with the jars of ${home}: ${error.message}`);
      },
    );
  };
  await run('javac', ['-proc:none', '-cp', join(home, 'jars', '*'), '-d', classes, SOURCE]);
  await run('jar', ['--create', '--file', jar, '-C', classes, '.']);
  return jar;
}

export class SparkSession implements AsyncDisposable {
  /** Of Spark. */
  readonly version: string;
  readonly #process: SparkProcess;

  private constructor(version: string, process: SparkProcess) {
    this.version = version;
    this.#process = process;
  }

  /** Starts Spark, which takes some ten seconds. Throws if there is none at `home`. */
  static async open(options: SparkSessionOptions): Promise<SparkSession> {
    const { home, localDirectory } = options;
    if (home === '' || !(await isThere(join(home, 'bin', 'spark-submit'))))
      throw new Error(
        home === ''
          ? '--engine spark needs a Spark; set SPARK_HOME, or aggregates.spark.home, to its directory'
          : `there is no bin/spark-submit in ${home}; set SPARK_HOME, or aggregates.spark.home, to the directory of a Spark`,
      );
    const directory = await mkdtemp(join(localDirectory, 'spark-'));
    try {
      const spark = new SparkProcess(options, directory, await buildDriver(options, directory));
      try {
        const session = new SparkSession(await spark.answer(), spark);
        for (const [key, value] of Object.entries(SESSION)) await session.sql(`SET ${key}=${value}`);
        return session;
      } catch (error) {
        await spark[Symbol.asyncDispose]();
        throw error;
      }
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Runs a statement that gives no rows. */
  async sql(statement: string): Promise<void> {
    await this.#process.ask('sql', statement);
  }

  /** Makes a temporary view of exactly these files; the names of its columns. */
  async read(view: string, urls: readonly string[]): Promise<string[]> {
    return (await this.#process.ask('read', view, ...urls)).split('\n');
  }

  /** Columns of a SELECT: Spark's names of their types; those that are made of others are `nested`. */
  async columns(select: string): Promise<{ name: string; type: string }[]> {
    const schema = JSON.parse(await this.#process.ask('schema', select)) as {
      fields: { name: string; type: unknown }[];
    };
    return schema.fields.map(({ name, type }) => ({
      name,
      type: typeof type === 'string' ? type : 'nested',
    }));
  }

  /** Writes the rows of a SELECT as Parquet to a new directory; with `sorted` in one file for each value of the first column. */
  async write(url: string, select: string, sorted: readonly string[] = []): Promise<void> {
    await this.#process.ask('write', url, select, ...sorted);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** The process, its answers and its end. */
class SparkProcess implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #lines: AsyncIterator<string>;
  readonly #signal: AbortSignal | undefined;
  readonly #kill = () => this.#child.kill('SIGKILL');
  #said = '';

  constructor({ home, master, environment, signal }: SparkSessionOptions, directory: string, jar: string) {
    this.#directory = directory;
    this.#signal = signal;
    const args = ['--name', 'millrace aggregate', '--deploy-mode', 'client'];
    if (master !== '') args.push('--master', master);
    // The catalog of tables is not needed, and would make its directory where it stands.
    args.push('--conf', 'spark.sql.catalogImplementation=in-memory');
    args.push('--conf', `spark.sql.warehouse.dir=file:${join(directory, 'tables')}`);
    args.push('--class', DRIVER, jar);
    this.#child = spawn(join(home, 'bin', 'spark-submit'), args, {
      cwd: directory,
      env: { ...environment, SPARK_HOME: home },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-KEPT_CHARACTERS);
    });
    this.#child.stdin.on('error', () => undefined);
    this.#ended = once(this.#child, 'close').then(
      () => undefined,
      (error: Error) => {
        this.#said += error.message;
      },
    );
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    signal?.addEventListener('abort', this.#kill);
  }

  async ask(verb: string, ...args: string[]): Promise<string> {
    this.#child.stdin.write(`${[verb, ...args.map(encode)].join(' ')}\n`);
    return await this.answer();
  }

  async answer(): Promise<string> {
    for (;;) {
      const { value: line = '', done } = await this.#lines.next();
      this.#signal?.throwIfAborted();
      if (done) {
        await this.#ended;
        throw new Error(`Spark ended instead of answering; it said last: ${this.#said.trim() || 'nothing'}`);
      }
      const [, kind, text = ''] = /^millrace (ok|error) ?(.*)$/.exec(line) ?? [];
      const decoded = Buffer.from(text, 'base64').toString();
      if (kind === 'ok') return decoded;
      if (kind === 'error') throw new Error(decoded);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#kill);
    // Nothing is under way that is still wanted: results are files by now.
    this.#child.kill('SIGKILL');
    await this.#ended;
    await rm(this.#directory, { recursive: true, force: true });
  }
}
