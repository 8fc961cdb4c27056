/**
 * The worker threads of a load. Threads are never torn down while DuckDB works, because that aborts the whole process:
 * stopping sets a flag that every task watches, waits for all of them, and only then ends the pool.
 */
import { Piscina } from 'piscina';
import { STOP, type TaskInput, type TaskResult } from './task.ts';
import { Turns } from './turns.ts';

/** Of each thread's JavaScript heap: its garbage is short-lived views, a third of V8's default is as fast and 60 MB smaller. */
const YOUNG_GENERATION_MIB = 16;

export class TaskPool implements AsyncDisposable {
  readonly #pool: Piscina<TaskInput, TaskResult>;
  readonly #stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #running = new Set<Promise<TaskResult>>();
  readonly #progress: SharedArrayBuffer[] = [];
  /** Tasks wait for a thread here. The pool must not hold them: it forgets what is queued when its last thread dies. */
  readonly #turns: Turns;

  constructor(workers: number) {
    this.#turns = new Turns(workers);
    this.#pool = new Piscina<TaskInput, TaskResult>({
      filename: new URL('./task.ts', import.meta.url).href,
      minThreads: 0,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      atomics: 'async', // a thread between two tasks must still see its sockets close
      idleTimeout: 60_000,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    });
  }

  /**
   * Runs one task; never rejects on account of the task itself. `lag`: offsets that its partition is behind by; of the
   * tasks that wait, those of the largest go first.
   */
  async run(
    input: Omit<TaskInput, 'stop' | 'progress'>,
    lag = input.range.until - input.range.from,
  ): Promise<TaskResult> {
    const progress = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
    this.#progress.push(progress);
    const result = this.#runInTurn({ ...input, stop: this.#stop, progress }, lag);
    this.#running.add(result);
    return await result.finally(() => this.#running.delete(result));
  }

  async #runInTurn(input: TaskInput, lag: number): Promise<TaskResult> {
    await this.#turns.take(lag);
    try {
      return await this.#pool.run(input);
    } catch (error) {
      const { message, stack } = error as Error;
      return { ok: false, abandoned: false, message: `a worker thread died: ${message}`, stack };
    } finally {
      this.#turns.leave();
    }
  }

  /** Records read so far by all tasks. */
  get read(): number {
    return this.#progress.reduce((sum, buffer) => sum + new Float64Array(buffer)[0]!, 0);
  }

  /** Tells every task to stop: `finish` to stage what was read so far, `abandon` to leave at once. The stronger word stands. */
  stop(how: 'finish' | 'abandon'): void {
    const flag = new Int32Array(this.#stop);
    if (Atomics.load(flag, 0) !== STOP.abandon) Atomics.store(flag, 0, STOP[how]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop('abandon');
    await Promise.allSettled(this.#running);
    await this.#pool.close();
  }
}
