/**
 * Finds a column by the bytes of its member name. Producers write their members in one order, so the column that
 * followed the previous one last time is tried first; otherwise a hash table decides. Either way the bytes are compared.
 */

/** The names of one schema's columns as bytes. It learns from what it finds: one instance per guard. */
export class MemberNames {
  /** All names, each with its closing quote, one after the other. */
  readonly #pool: Uint8Array;
  readonly #view: DataView;
  readonly #starts: Uint32Array;
  /** Open addressing, hash of the name → column + 1; 0: free. Never more than half full. */
  readonly #slots: Uint16Array;
  /** Column + 1 → the column that came after it last time. */
  readonly #followers: Int32Array;

  /** `names`: ASCII, without quotes and backslashes, no two alike, fewer than 65,535. */
  constructor(names: readonly string[]) {
    this.#pool = Buffer.from(names.map((name) => `${name}"`).join(''));
    this.#view = new DataView(this.#pool.buffer, this.#pool.byteOffset, this.#pool.length);
    this.#starts = new Uint32Array(names.length + 1);
    this.#slots = new Uint16Array(2 ** Math.ceil(Math.log2(names.length * 2 + 2)));
    this.#followers = Int32Array.from({ length: names.length + 1 }, (_, i) => i % names.length);
    for (const [column, name] of names.entries()) {
      this.#starts[column + 1] = this.#starts[column]! + name.length + 1;
      let slot = hashOf(this.#pool, this.#starts[column]!, this.#pool.length);
      while (this.#slots[(slot &= this.#slots.length - 1)] !== 0) slot++;
      this.#slots[slot] = column + 1;
    }
  }

  /** Bytes of the name of a column, without quotes. */
  lengthOf(column: number): number {
    return this.#starts[column + 1]! - this.#starts[column]! - 1;
  }

  /**
   * The column whose name and closing quote stand at `at`; -1: none. `view`: the same bytes. `previous`: the column of
   * the member before it, or -1.
   */
  find(bytes: Uint8Array, view: DataView, at: number, end: number, previous: number): number {
    const likely = this.#followers[previous + 1]!;
    if (this.#isAt(likely, view, at, end)) return likely;
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(bytes, at, end) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const column = this.#slots[slot]! - 1;
      if (this.#isAt(column, view, at, end)) return (this.#followers[previous + 1] = column);
    }
    return -1;
  }

  #isAt(column: number, view: DataView, start: number, end: number): boolean {
    const pool = this.#view;
    let from = this.#starts[column]!;
    const until = this.#starts[column + 1]!;
    const shift = start - from;
    if (until + shift > end) return false;
    for (; from + 4 <= until; from += 4) {
      if (pool.getInt32(from) !== view.getInt32(from + shift)) return false;
    }
    for (; from < until; from++) if (pool.getInt8(from) !== view.getInt8(from + shift)) return false;
    return true;
  }
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end && bytes[at] !== 0x22; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return hash ^ (hash >>> 15);
}
