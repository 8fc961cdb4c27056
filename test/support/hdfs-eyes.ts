/**
 * Looks at a table in HDFS as a stranger does: plain WebHDFS listings and downloads by `fetch`, the visible Parquet files
 * laid into a local directory for DuckDB; none of the loader's own code. Every visible file is fetched at its first sight
 * and looked at for what a Parquet file begins and ends with: one that is half-written at any moment is seen. A file that
 * moved away between listing and fetch is fetched by its id, so that what a look finds is what was listed.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 100;
const ANSWER_MS = 10_000;
/** What `fetch` throws, and what stands for it here, when HDFS does not answer. */
const SILENCE = ['TypeError', 'TimeoutError', 'SyntaxError'];

/** Whether a look failed because HDFS did not answer, and not for what it showed. */
export const isSilence = (error: unknown) => SILENCE.includes((error as Error).name);
const USER = 'user.name=reader';

interface Entry {
  pathSuffix: string;
  type: string;
  length: number;
  fileId: number;
}

/** Judges what a look found: the copies are the table as it was listed, `marked` the hours that bore a mark in it. */
export type Judge = (marked: readonly string[]) => Promise<void>;

const markedOf = (visible: Iterable<string>) =>
  [...visible].filter((path) => path.endsWith('/_SUCCESS')).map((path) => dirname(path).slice(1));

export class HdfsEyes implements AsyncDisposable {
  /** Local directory of the copies; the warehouse for those who look with DuckDB. */
  readonly copies: string;
  /** How often the whole table was looked at. */
  looks = 0;
  readonly #httpPort: () => number;
  readonly #topic: string;
  readonly #judge: Judge;
  readonly #known = new Map<string, number>();
  readonly #held = new Set<string>();
  #listed = '';
  #turn: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #alarm: unknown;

  constructor(httpPort: () => number, topic: string, copies: string, judge: Judge = async () => {}) {
    this.#httpPort = httpPort;
    this.#topic = topic;
    this.copies = copies;
    this.#judge = judge;
  }

  async #ask(path: string, op: string): Promise<Response> {
    const url = `http://127.0.0.1:${this.#httpPort()}/webhdfs/v1${path}?op=${op}&${USER}`;
    return await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
  }

  async #list(path: string): Promise<Entry[]> {
    const answer = await this.#ask(`/warehouse/${this.#topic}${path}`, 'LISTSTATUS');
    if (answer.status === 404) return [];
    if (!answer.ok) throw new TypeError(`listing ${path}: HTTP ${answer.status}`);
    return ((await answer.json()) as { FileStatuses: { FileStatus: Entry[] } }).FileStatuses.FileStatus;
  }

  async #entriesBelow(path: string): Promise<Map<string, Entry>> {
    const files = new Map<string, Entry>();
    for (const entry of await this.#list(path)) {
      const below = `${path}/${entry.pathSuffix}`;
      if (entry.type === 'FILE') files.set(below, entry);
      else for (const found of await this.#entriesBelow(below)) files.set(...found);
    }
    return files;
  }

  /** The files below a directory of the topic, with their sizes. */
  async filesBelow(path: string): Promise<Map<string, number>> {
    return new Map([...(await this.#entriesBelow(path))].map(([file, { length }]) => [file, length]));
  }

  /** What a reader finds: files of the directories that no leading character hides, and the marks of complete hours. */
  async #visible(): Promise<Map<string, Entry>> {
    const visible = new Map<string, Entry>();
    for (const { pathSuffix } of await this.#list(''))
      if (!/^[_.]/.test(pathSuffix))
        for (const found of await this.#entriesBelow(`/${pathSuffix}`)) visible.set(...found);
    return visible;
  }

  /** Makes the copies what the table is now, and has it judged. Throws too if a file is not whole, or is not what it was. */
  async look(): Promise<void> {
    const look = this.#turn.then(() => this.#look());
    this.#turn = look.catch(() => {}); // whoever asked for it is told
    await look;
  }

  async #look(): Promise<void> {
    const visible = await this.#visible();
    for (const [path, entry] of visible) {
      if (path.endsWith('/_SUCCESS')) continue;
      const before = this.#known.get(path);
      if (before !== undefined && before !== entry.length)
        throw new Error(`${path} had ${before} bytes, now it has ${entry.length}`);
      if (!this.#held.has(path)) await this.#fetch(path, entry);
      this.#known.set(path, entry.length);
      this.#held.add(path);
    }
    for (const path of this.#held)
      if (!visible.has(path)) {
        this.#held.delete(path);
        await rm(join(this.copies, this.#topic, path));
      }
    const listed = [...visible.keys()].sort().join('\n');
    if (listed !== this.#listed) await this.#judge(markedOf(visible.keys()));
    this.#listed = listed;
    this.looks++;
  }

  async #fetch(path: string, { length: size, fileId }: Entry): Promise<void> {
    let answer = await this.#ask(`/warehouse/${this.#topic}${path}`, 'OPEN');
    if (answer.status === 404) answer = await this.#ask(`/.reserved/.inodes/${fileId}`, 'OPEN');
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
    return markedOf((await this.#visible()).keys());
  }

  /** A look whose alarm comes out of `rest`. An HDFS that does not answer shows nothing. */
  readonly glance = async (): Promise<void> => {
    await this.look().catch((error: Error) => {
      if (!isSilence(error)) this.#alarm ??= error;
    });
  };

  /** Looks over and over until `rest`. */
  watch(): void {
    const watch = async () => {
      while (!this.#stop.signal.aborted && this.#alarm === undefined) {
        await this.glance();
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
