import { expect, test } from 'vitest';
import { Turns } from '../../../loader/turns.ts';

/** Begins one after the other; the order in which they got their turn, each leaving at once. */
async function order(seats: number, weights: readonly number[]): Promise<number[]> {
  const turns = new Turns(seats);
  const begun: number[] = [];
  for (let seat = 0; seat < seats; seat++) await turns.take(0);
  const all = weights.map(async (weight, i) => {
    await turns.take(weight);
    begun.push(i);
    turns.leave();
  });
  turns.leave();
  await Promise.all(all);
  return begun;
}

test('the heaviest of those that wait goes first, and among equals who has waited longest', async () => {
  expect(await order(1, [1, 5, 3, 5, 2])).toEqual([1, 3, 2, 4, 0]);
});

test('never more have their turn than there are seats, and a seat that is left serves again', async () => {
  const turns = new Turns(2);
  let [at, most] = [0, 0];
  const work = async (weight: number) => {
    await turns.take(weight);
    most = Math.max(most, ++at);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    at--;
    turns.leave();
  };
  await Promise.all([3, 1, 2, 5, 4].map(work));
  await Promise.all([1, 2].map(work));
  expect(most).toBe(2);
});
