/**
 * Random ids made predictable while a model runs: the product draws them from `node:crypto`, and a schedule that is run
 * again must meet the same names in the same order. Ids say who drew them: `A1-2` is the second of A's first life.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Whose turn it is to draw, and how many ids he has drawn. */
export interface IdSource {
  readonly name: string;
  drawn: number;
}

const CHECKER: IdSource = { name: 'checker', drawn: 0 };
let source: IdSource = CHECKER;

/** Everything drawn while `body` runs, and what it leaves running until the next call, counts as drawn by this source. */
export function drawFor(of: IdSource | undefined): void {
  source = of ?? CHECKER;
}

/** Takes the place of `randomUUID` until disposed. */
export function predictableIds(): Disposable {
  const real = crypto.randomUUID;
  // Its type promises the form of a UUID, which nothing reads.
  crypto.randomUUID = (() => `${source.name}-${source.drawn++}`) as unknown as typeof real;
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]() {
      crypto.randomUUID = real;
      syncBuiltinESMExports();
    },
  };
}
