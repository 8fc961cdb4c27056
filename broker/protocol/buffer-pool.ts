/**
 * Buffers that are lent and given back: for request frames and for batches read from a log. A fresh megabyte costs more
 * in page faults than filling it, and thrown away by the hundred, buffers keep the garbage collector busier than all the
 * rest does. A few sizes are kept, and only so many of each.
 */
const KiB = 1024;
const MAX_IDLE_BUFFERS = 32;
/** Below this a slice of Node's own slab is cheaper. */
const MIN_POOLED_REQUEST_BYTES = 4 * KiB;
/** Room for the default batch of the Java producer, of ours, and for the usual largest request or fetch, with slack. */
const POOLED_BYTES = [20 * KiB, 288 * KiB, 1088 * KiB] as const;

export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>(POOLED_BYTES.map((size) => [size, []]));
  /** What is lent, by its memory. Whoever forgets to give back loses the buffer to the garbage collector, no more. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** A buffer of at least that size; its contents are arbitrary. Sizes that are not pooled get one of their own. */
  lend(bytes: number): Buffer {
    const size = POOLED_BYTES.find((each) => bytes <= each);
    if (size === undefined || bytes < MIN_POOLED_REQUEST_BYTES) return Buffer.allocUnsafe(bytes);
    const buffer = this.#idle.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
    this.#lent.add(buffer.buffer);
    return buffer;
  }

  /**
   * Takes back a buffer, or any view of it, that nothing refers to any more. What was not lent, or was given back
   * already, is ignored.
   */
  giveBack(view: Buffer): void {
    if (!this.#lent.delete(view.buffer)) return;
    const idle = this.#idle.get(view.buffer.byteLength);
    if (idle !== undefined && idle.length < MAX_IDLE_BUFFERS) idle.push(Buffer.from(view.buffer));
  }
}
