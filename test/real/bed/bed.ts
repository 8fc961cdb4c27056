/**
 * A bed: a directory under the cache with the configuration, data, logs and process ids of daemons that belong together.
 * The directory is the whole memory: `status` reads it, `down` ends what it names and removes it. A test's bed bears the
 * number of the test's process; when that process is gone without having cleaned up, the next bed does it.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RUN_DIRECTORY } from './cache.ts';
import type { Daemon, DaemonPlace } from './daemon.ts';
import { endOurs, isOurs } from './process-id.ts';

export interface BedOptions {
  /** Stays up when this process ends, until `down`. There is one such bed of a kind. */
  outlives?: boolean;
  /** JVM options of its processes in place of those that start soon and then run slowly; for what is measured. */
  jvm?: readonly string[];
}

/** A bed as another process sees it. */
export interface SeenBed {
  path: string;
  kind: string;
  /** The process that will remove the bed; undefined where it outlives its maker. */
  owner: number | undefined;
  /** What a person wants to know: addresses, directories. Empty while it is being set up. */
  facts: Record<string, string>;
  daemons: { name: string; pid: number; mark: string; running: boolean }[];
}

let made = 0;

/** Kind and owner of a bed stand in the name of its directory, so that they are there from its first moment. */
const nameOf = (kind: string, outlives: boolean) => (outlives ? kind : `${kind}-${process.pid}-${++made}`);
const NAME = /^([a-z0-9]+)(?:-(\d+)-\d+)?$/;

export class Bed implements AsyncDisposable {
  readonly kind: string;
  readonly path: string;
  readonly jvm: readonly string[] | undefined;
  readonly #outlives: boolean;
  readonly #daemons: Daemon[] = [];

  private constructor(kind: string, path: string, { outlives = false, jvm }: BedOptions) {
    this.kind = kind;
    this.path = path;
    this.jvm = jvm;
    this.#outlives = outlives;
  }

  static async open(kind: string, options: BedOptions = {}): Promise<Bed> {
    await mkdir(RUN_DIRECTORY, { recursive: true });
    await removeOrphans();
    const path = join(RUN_DIRECTORY, nameOf(kind, options.outlives === true));
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
      throw new Error(`${kind} is up already; see \`npm run real -- status\`, or take it down first`);
    });
    const bed = new Bed(kind, path, options);
    for (const name of ['logs', 'pids', 'tmp']) await mkdir(bed.join(name));
    return bed;
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** The mark of every process of this bed. */
  get mark(): string {
    return `millrace.bed=${this.path}/`;
  }

  place(name: string): DaemonPlace {
    return {
      name,
      log: this.join('logs', `${name}.log`),
      pidFile: this.join('pids', `${name}.json`),
      mark: this.mark,
      outlives: this.#outlives,
    };
  }

  /** Makes a daemon the bed's to end. */
  add<D extends Daemon>(daemon: D): D {
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Writes down a process that isn't a daemon of the bed, so that it is ended with it. It must bear the mark. */
  async remember(name: string, pid: number): Promise<void> {
    const { pidFile, mark } = this.place(name);
    await writeFile(pidFile, JSON.stringify({ name, pid, mark }));
  }

  /** Writes down what a person wants to know of the bed. */
  async tell(facts: Record<string, string>): Promise<void> {
    await writeFile(this.join('facts.json'), JSON.stringify(facts));
  }

  /** Ends every daemon and removes the directory, also of a bed that outlives its process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.kill()));
    await rm(this.path, { recursive: true, force: true });
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text === '' ? undefined : (JSON.parse(text) as T);
}

async function seeBed(directory: string): Promise<SeenBed | undefined> {
  const name = NAME.exec(directory);
  if (!name) return undefined;
  const path = join(RUN_DIRECTORY, directory);
  const facts = (await readJson<Record<string, string>>(join(path, 'facts.json'))) ?? {};
  const names = await readdir(join(path, 'pids')).catch(() => []);
  const daemons = [];
  for (const name of names.sort()) {
    const known = await readJson<{ name: string; pid: number; mark: string }>(join(path, 'pids', name));
    if (known) daemons.push({ ...known, running: await isOurs(known.pid, known.mark) });
  }
  return { path, kind: name[1]!, owner: name[2] === undefined ? undefined : Number(name[2]), facts, daemons };
}

/** All beds there are, of this process and of others. */
export async function seeBeds(): Promise<SeenBed[]> {
  const names = await readdir(RUN_DIRECTORY).catch(() => []);
  const beds = await Promise.all(names.sort().map(seeBed));
  return beds.filter((bed) => bed !== undefined);
}

/** Whether the test that made a bed still runs, and so will remove it. */
export function isOwned({ owner }: SeenBed): boolean {
  if (owner === undefined) return false;
  try {
    return process.kill(owner, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Ends the processes of a bed that are still what they were, and removes its directory. Returns how many it ended. */
export async function removeBed({ path, daemons }: SeenBed): Promise<number> {
  const ended = await Promise.all(daemons.map(({ pid, mark }) => endOurs(pid, mark)));
  await rm(path, { recursive: true, force: true });
  return ended.filter(Boolean).length;
}

async function removeOrphans(): Promise<void> {
  const orphans = (await seeBeds()).filter((bed) => bed.owner !== undefined && !isOwned(bed));
  for (const bed of orphans) await removeBed(bed);
}
