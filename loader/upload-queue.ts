/**
 * Uploads under way behind the back of who writes the next file: a small, bounded number of them, so that the round trips
 * of one file pass while others are written. The first failure is thrown at the next step and at the end; disposing waits
 * until nothing runs any more, because staging may be removed right after.
 */

/** `files`: uploads under way at once. `bytes`: what they may hold on the local disk together; one larger file goes alone. */
export interface UploadLimits {
  files: number;
  bytes: number;
}

export class UploadQueue implements AsyncDisposable {
  readonly #limits: UploadLimits;
  readonly #running = new Set<Promise<void>>();
  #bytes = 0;
  #failures: unknown[] = [];

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /** Throws the first failure so far: nothing further is worth writing. */
  check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** Waits until there is room for so many bytes, and starts the upload. */
  async add(bytes: number, upload: () => Promise<void>): Promise<void> {
    const { files, bytes: mostBytes } = this.#limits;
    const isFull = () =>
      this.#running.size >= files || (this.#running.size > 0 && this.#bytes + bytes > mostBytes);
    while (this.#failures.length === 0 && isFull()) await Promise.race(this.#running);
    this.check();
    this.#bytes += bytes;
    const running = upload()
      .catch((error: unknown) => {
        this.#failures.push(error);
      })
      .finally(() => {
        this.#bytes -= bytes;
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  /** Waits for all of them; throws the first failure. */
  async drain(): Promise<void> {
    await Promise.all(this.#running);
    this.check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running);
  }
}
