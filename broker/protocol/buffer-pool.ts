/**
 * Large buffers that are lent and given back: for request frames that come in many chunks and for batches read from a
 * log. A fresh megabyte costs more in page faults than filling it, and thrown away by the hundred they keep the garbage
 * collector busier than all the rest. Only one size is kept, and only so many.
 */
const KiB = 1024;
/** The usual fetch of a partition and the usual largest request, 1 MiB, and some slack. */
const POOLED_BYTES = 1024 * KiB + 64 * KiB;
const MAX_IDLE_BUFFERS = 32;
/** Below this a buffer of its own is cheaper than tying up a pooled one. */
const MIN_POOLED_REQUEST_BYTES = 64 * KiB;

export class BufferPool {
  readonly #idle: Buffer[] = [];
  /** What is lent, by its memory. Whoever forgets to give back loses the buffer to the garbage collector, no more. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** A buffer of at least that size; its contents are arbitrary. Sizes that are not pooled get one of their own. */
  lend(bytes: number): Buffer {
    if (bytes > POOLED_BYTES || bytes < MIN_POOLED_REQUEST_BYTES) return Buffer.allocUnsafeSlow(bytes);
    const buffer = this.#idle.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES);
    this.#lent.add(buffer.buffer);
    return buffer;
  }

  /**
   * Takes back a buffer, or any view of it, that nothing refers to any more. What was not lent, or was given back
   * already, is ignored: a frame may as well lie in memory of the socket.
   */
  giveBack(view: Buffer): void {
    if (!this.#lent.delete(view.buffer) || this.#idle.length >= MAX_IDLE_BUFFERS) return;
    this.#idle.push(Buffer.from(view.buffer));
  }
}
