/**
 * One daemon of a bed: a process that can be killed and started again at the same ports with the same data. Its output
 * goes to a file, and its process id stands in another before anybody waits for it, so that `down` finds it whatever
 * becomes of the one who started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { waitFor } from './wait.ts';

const START_LIMIT_MS = 300_000;
const STOP_LIMIT_MS = 60_000;
const SHOWN_CHARACTERS = 3000;
/** Signals after which the process is gone. */
const ENDING: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT'];

/** Where a daemon of a bed keeps its things; made by `Bed.place`. */
export interface DaemonPlace {
  name: string;
  log: string;
  pidFile: string;
  /** A text of the command line by which the process is known again. */
  mark: string;
  /** Goes on when the process that started it ends. */
  outlives: boolean;
}

export interface DaemonProgram {
  command: string;
  args: string[];
  env?: Record<string, string>;
  cwd: string;
  /** Whether it serves; an error counts as not yet. */
  isReady: () => Promise<boolean>;
}

export class Daemon implements AsyncDisposable {
  readonly name: string;
  /** The file that standard output and error are appended to. */
  readonly log: string;
  readonly #place: DaemonPlace;
  readonly #program: DaemonProgram;
  #child: ChildProcess | undefined;

  constructor(place: DaemonPlace, program: DaemonProgram) {
    this.name = place.name;
    this.log = place.log;
    this.#place = place;
    this.#program = program;
  }

  /** The process id; throws when it doesn't run. */
  get pid(): number {
    if (!this.running) throw new Error(`${this.name} does not run`);
    return this.#child!.pid!;
  }

  get running(): boolean {
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the process and waits until it serves; `untilReady: false` only starts it. */
  async start({ untilReady = true }: { untilReady?: boolean } = {}): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already, as process ${this.pid}`);
    const { command, args, env, cwd } = this.#program;
    const { pidFile, mark, outlives } = this.#place;
    await mkdir(dirname(pidFile), { recursive: true });
    const log = await open(this.log, 'a');
    try {
      const child = spawn(command, args, {
        cwd,
        env: { ...process.env, ...env },
        stdio: ['ignore', log.fd, log.fd],
        detached: outlives,
      });
      this.#child = child;
      await once(child, 'spawn');
      if (outlives) child.unref();
      await writeFile(pidFile, JSON.stringify({ name: this.name, pid: child.pid, mark }));
    } finally {
      await log.close();
    }
    if (untilReady) await this.ready();
  }

  /** Waits until it serves. A daemon that ends instead is an error that shows the end of its log. */
  async ready(limitMs = START_LIMIT_MS): Promise<void> {
    try {
      await waitFor(`${this.name} to serve`, limitMs, () => {
        if (!this.running) throw new Error(`${this.name} ended instead of serving`);
        return this.#program.isReady().catch(() => false);
      });
    } catch (error) {
      const said = (await readFile(this.log, 'utf8')).slice(-SHOWN_CHARACTERS);
      throw new Error(`${(error as Error).message}; its log ends with\n${said}`, { cause: error });
    }
  }

  /** Sends a signal, `kill -9` unless told. Waits until the process is gone if the signal ends one. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || !this.running) return;
    const gone = ENDING.includes(signal)
      ? waitFor(`${this.name} to end after ${signal}`, STOP_LIMIT_MS, () => !this.running)
      : undefined;
    child.kill(signal);
    await gone;
  }

  /** Starts it again, with its data and ports, after a `kill -9` if it still runs. */
  async restart(options: { untilReady?: boolean } = {}): Promise<void> {
    await this.kill();
    await this.start(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
