/**
 * Who goes next where only so many may work at once. The heaviest of those that wait does, and among equals the one that
 * has waited longest: begun last, a large task would leave the other workers idle at the end of a run.
 */
interface Waiting {
  weight: number;
  go: () => void;
}

export class Turns {
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(seats: number) {
    this.#free = seats;
  }

  /** Resolves when it is one's turn; who has had it must `leave`. */
  async take(weight: number): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#waiting.push({ weight, go }));
  }

  /** Gives the seat to the next one. */
  leave(): void {
    let heaviest = 0;
    for (const [i, { weight }] of this.#waiting.entries())
      if (weight > this.#waiting[heaviest]!.weight) heaviest = i;
    const [next] = this.#waiting.splice(heaviest, 1);
    if (next === undefined) this.#free++;
    else next.go();
  }
}
