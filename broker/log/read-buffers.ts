/**
 * Buffers that fetched batches are read into, lent and given back: a fresh megabyte costs more in page faults than the
 * read itself. Only one size is kept, and only so many; any other request is served by a buffer of its own.
 */
const KiB = 1024;
/** The usual fetch of a partition, 1 MiB, and the index slack before its first batch. */
const POOLED_BYTES = 1024 * KiB + 64 * KiB;
const MAX_IDLE_BUFFERS = 32;
/** Below this a buffer of its own is cheaper than tying up a pooled one until the client has taken it. */
const MIN_POOLED_REQUEST_BYTES = 64 * KiB;

/** A lent buffer; `release` exactly once, when nothing refers to it any more. */
export interface LentBuffer {
  bytes: Buffer;
  release(): void;
}

export class ReadBuffers {
  readonly #idle: Buffer[] = [];

  /** A buffer of at least that size; its contents are arbitrary. */
  lend(bytes: number): LentBuffer {
    if (bytes > POOLED_BYTES || bytes < MIN_POOLED_REQUEST_BYTES) {
      return { bytes: Buffer.allocUnsafeSlow(bytes), release: () => {} };
    }
    const buffer = this.#idle.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES);
    let lent = true;
    const release = () => {
      if (lent && this.#idle.length < MAX_IDLE_BUFFERS) this.#idle.push(buffer);
      lent = false;
    };
    return { bytes: buffer, release };
  }
}
