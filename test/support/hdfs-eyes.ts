/**
 * Looks at a table in HDFS as a stranger does: plain WebHDFS listings and downloads by `fetch`, the visible Parquet files
 * laid into a local directory for DuckDB; none of the loader's own code. Every visible file is fetched at its first sight
 * and looked at for what a Parquet file begins and ends with: one that is half-written at any moment is seen.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 100;
const ANSWER_MS = 10_000;
const USER = 'user.name=reader';

interface Entry {
  pathSuffix: string;
  type: string;
  length: number;
}

export class HdfsEyes implements AsyncDisposable {
  /** Local directory of the copies; the warehouse for those who look with DuckDB. */
  readonly copies: string;
  /** How often the whole table was looked at. */
  looks = 0;
  readonly #httpPort: () => number;
  readonly #topic: string;
  readonly #known = new Map<string, number>();
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #alarm: unknown;

  constructor(httpPort: () => number, topic: string, copies: string) {
    this.#httpPort = httpPort;
    this.#topic = topic;
    this.copies = copies;
  }

  #url(path: string, op: string): string {
    return `http://127.0.0.1:${this.#httpPort()}/webhdfs/v1/warehouse/${this.#topic}${path}?op=${op}&${USER}`;
  }

  async #list(path: string): Promise<Entry[]> {
    const answer = await fetch(this.#url(path, 'LISTSTATUS'), { signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 404) return [];
    if (!answer.ok) throw new TypeError(`listing ${path}: HTTP ${answer.status}`);
    return ((await answer.json()) as { FileStatuses: { FileStatus: Entry[] } }).FileStatuses.FileStatus;
  }

  /** The files below a directory of the topic, with their sizes. */
  async filesBelow(path: string): Promise<Map<string, number>> {
    const files = new Map<string, number>();
    for (const { pathSuffix, type, length } of await this.#list(path)) {
      const below = `${path}/${pathSuffix}`;
      if (type === 'FILE') files.set(below, length);
      else for (const found of await this.filesBelow(below)) files.set(...found);
    }
    return files;
  }

  /** What a reader finds: files of the directories that no leading character hides, and the marks of complete hours. */
  async #visible(): Promise<Map<string, number>> {
    const visible = new Map<string, number>();
    for (const { pathSuffix } of await this.#list(''))
      if (!/^[_.]/.test(pathSuffix))
        for (const found of await this.filesBelow(`/${pathSuffix}`)) visible.set(...found);
    return visible;
  }

  /** Fetches what is new in the table; throws if a file is not whole, or is not what it was. */
  async look(): Promise<void> {
    for (const [path, size] of await this.#visible()) {
      const before = this.#known.get(path);
      if (path.endsWith('/_SUCCESS')) continue;
      if (before !== undefined && before !== size)
        throw new Error(`${path} had ${before} bytes, now it has ${size}`);
      if (before === undefined) await this.#fetch(path, size);
      this.#known.set(path, size);
    }
    this.looks++;
  }

  async #fetch(path: string, size: number): Promise<void> {
    const answer = await fetch(this.#url(path, 'OPEN'), { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!answer.ok) throw new TypeError(`opening ${path}: HTTP ${answer.status}`);
    const body = Buffer.from(await answer.arrayBuffer());
    const ends = [body.subarray(0, 4), body.subarray(-4)].map((bytes) => bytes.toString('latin1'));
    if (!path.endsWith('.parquet') || body.length !== size || ends.join() !== 'PAR1,PAR1')
      throw new Error(
        `${path} is visible with ${body.length} of ${size} bytes, from ${ends[0]} to ${ends[1]}`,
      );
    const local = join(this.copies, this.#topic, path);
    await mkdir(dirname(local), { recursive: true });
    await writeFile(local, body);
  }

  /** Hours whose directory has a `_SUCCESS`, as their paths below the topic. */
  async marked(): Promise<string[]> {
    const files = [...(await this.#visible()).keys()];
    return files.filter((path) => path.endsWith('/_SUCCESS')).map((path) => dirname(path).slice(1));
  }

  /** Looks over and over until `rest`. An HDFS that does not answer, as `fetch` tells it by a TypeError, shows nothing. */
  watch(): void {
    const watch = async () => {
      while (!this.#stop.signal.aborted && this.#alarm === undefined) {
        await this.look().catch((error: Error) => {
          if (!['TypeError', 'TimeoutError', 'SyntaxError'].includes(error.name)) this.#alarm = error;
        });
        await sleep(LOOK_MS);
      }
    };
    this.#watching = watch();
  }

  /** Ends the watching; throws what it saw that nobody may see. */
  async rest(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    if (this.#alarm !== undefined) throw this.#alarm;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}
