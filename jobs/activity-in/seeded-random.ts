/**
 * A small seeded generator of random numbers (sfc32, from PractRand: 128 bits of state): the same seed gives the same
 * numbers on every machine. Not for secrets.
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  /** `seed`: a whole number; its low 53 bits count. */
  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = 0x2545f491;
    // The first numbers of neighbouring seeds are alike: they are thrown away.
    for (let i = 0; i < 16; i++) this.uint32();
  }

  /** 0 to 2^32 - 1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 up to, not including, 1. */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** 0 to n - 1; n from 1 to 2^32. */
  below(n: number): number {
    return Math.floor(this.fraction() * n);
  }

  /** Whether something of the given probability happens. Draws a number in any case, so that sequences stay in step. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Exponentially distributed with the given mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.fraction()) * mean;
  }
}

/** Draws 0 to n - 1 so that the k-th has a weight of 1 / k^exponent, as visits to pages have: few are many. */
export function zipf(n: number, exponent: number): (random: SeededRandom) => number {
  const weights = Array.from({ length: n }, (_, i) => (i + 1) ** -exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // Every slot of the table stands for an equal share; 16 bits of resolution are enough for made-up visits.
  const table = new Uint32Array(65_536);
  let rank = 0;
  let reached = weights[0]! / total;
  for (let slot = 0; slot < table.length; slot++) {
    while ((slot + 0.5) / table.length > reached && rank < n - 1) reached += weights[++rank]! / total;
    table[slot] = rank;
  }
  return (random) => table[random.uint32() >>> 16]!;
}
