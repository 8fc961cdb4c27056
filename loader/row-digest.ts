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

/** The same hash of one row in DuckDB, for files that exist already: `row_digest(partition, offset)`, to be summed modulo 2^64. */
export const DIGEST_MACROS: readonly string[] = [
  'CREATE OR REPLACE TEMP MACRO digest_mix3(h) AS xor(h, h >> 16)',
  'CREATE OR REPLACE TEMP MACRO digest_mix2(h) AS digest_mix3((xor(h, h >> 13) * 3266489909) % 4294967296)',
  'CREATE OR REPLACE TEMP MACRO digest_mix(h) AS digest_mix2((xor(h, h >> 16) * 2246822507) % 4294967296)',
  `CREATE OR REPLACE TEMP MACRO digest_half(p, o, seed) AS
    digest_mix(xor(o % 4294967296, digest_mix(xor(o // 4294967296, digest_mix(xor(p, seed))))))`,
  `CREATE OR REPLACE TEMP MACRO row_digest(p, o) AS
    digest_half(p::UBIGINT, o::UBIGINT, ${HIGH_SEED}::UBIGINT)::HUGEINT * ${TWO_32} + digest_half(p::UBIGINT, o::UBIGINT, ${LOW_SEED}::UBIGINT)`,
];

/** A digest of the sum of row digests or of digests, which may exceed 64 bits. */
export function digestOfSum(sum: bigint): string {
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

/** The digest of files whose rows are disjoint, from theirs. */
export function sumOfDigests(digests: Iterable<string>): string {
  let sum = 0n;
  for (const digest of digests) sum += BigInt(`0x${digest}`);
  return digestOfSum(sum);
}
