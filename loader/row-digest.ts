/**
 * The digest of a file's rows: the sum, modulo 2^64, of a 64-bit hash of (partition, offset). A sum does not mind the
 * order of rows, and digests of disjoint files add up, so a merge of files can be checked against its sources without
 * sorting. The hash is murmur3's 32-bit finaliser, chained over partition and both halves of the offset, twice with
 * different seeds for the low and the high word; any SQL engine with 64-bit integers can compute it too.
 */

const LOW_SEED = 0x9e3779b9;
const HIGH_SEED = 0x85ebca6b;
const TWO_32 = 0x1_0000_0000;

function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Adds up the rows of one file of one partition. */
export class RowDigest {
  readonly #lowSeed: number;
  readonly #highSeed: number;
  #low = 0;
  #high = 0;

  constructor(partition: number) {
    this.#lowSeed = mix(partition ^ LOW_SEED);
    this.#highSeed = mix(partition ^ HIGH_SEED);
  }

  add(offset: number): void {
    const low = offset >>> 0;
    const high = (offset / TWO_32) >>> 0;
    const sum = this.#low + mix(low ^ mix(high ^ this.#lowSeed));
    this.#low = sum >>> 0;
    this.#high = (this.#high + mix(low ^ mix(high ^ this.#highSeed)) + (sum >= TWO_32 ? 1 : 0)) >>> 0;
  }

  /** 16 hex digits. */
  toString(): string {
    return this.#high.toString(16).padStart(8, '0') + this.#low.toString(16).padStart(8, '0');
  }
}

/** The digest of files whose rows are disjoint, from theirs. */
export function sumOfDigests(digests: Iterable<string>): string {
  let sum = 0n;
  for (const digest of digests) sum += BigInt(`0x${digest}`);
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}
