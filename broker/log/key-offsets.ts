/**
 * The offset of the last record of each key, for compaction, in a buffer of fixed size: 16 bytes of the key's SHA-256 and
 * 6 of the offset per entry, found by open addressing. Two keys with the same 16 bytes are taken for one, as in Kafka's
 * SkimpyOffsetMap; at a billion keys the odds are about 1 in 10^21.
 */
import { hash } from 'node:crypto';
import type { Offset } from '../topic-partition.ts';

const HASH_BYTES = 16;
const OFFSET_BYTES = 6;
const ENTRY_BYTES = HASH_BYTES + OFFSET_BYTES;
/** Fuller than this it gets slow. */
const MAX_LOAD = 0.75;

export class KeyOffsets {
  readonly #entries: Buffer;
  readonly #slots: number;
  #size = 0;

  /** Takes at most `maxBytes`, and less if no more than `keys` are to come. */
  constructor(maxBytes: number, keys: number) {
    const wanted = Math.ceil(keys / MAX_LOAD) + 1;
    this.#slots = Math.max(2, Math.min(Math.floor(maxBytes / ENTRY_BYTES), wanted));
    this.#entries = Buffer.alloc(this.#slots * ENTRY_BYTES);
  }

  get isFull(): boolean {
    return this.#size >= this.#slots * MAX_LOAD;
  }

  /** Notes a key's last offset; false if there is no room for another key. */
  put(key: Buffer, offset: Offset): boolean {
    const digest = hash('sha256', key, 'buffer');
    const at = this.#find(digest);
    if (this.#offsetAt(at) < 0) {
      if (this.isFull) return false;
      digest.copy(this.#entries, at, 0, HASH_BYTES);
      this.#size += 1;
    }
    // One more than the offset: 0 is an empty entry.
    this.#entries.writeUIntBE(offset + 1, at + HASH_BYTES, OFFSET_BYTES);
    return true;
  }

  /** The offset of a key's last record; -1 if it has none. */
  get(key: Buffer): Offset {
    return this.#offsetAt(this.#find(hash('sha256', key, 'buffer')));
  }

  /** Position of the digest's entry, or of the empty one where it would go. */
  #find(digest: Buffer): number {
    let slot = digest.readUInt32BE(0) % this.#slots;
    for (;;) {
      const at = slot * ENTRY_BYTES;
      if (this.#offsetAt(at) < 0 || digest.compare(this.#entries, at, at + HASH_BYTES, 0, HASH_BYTES) === 0) {
        return at;
      }
      slot = (slot + 1) % this.#slots;
    }
  }

  #offsetAt(at: number): Offset {
    return this.#entries.readUIntBE(at + HASH_BYTES, OFFSET_BYTES) - 1;
  }
}
