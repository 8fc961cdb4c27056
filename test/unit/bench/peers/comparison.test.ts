import { describe, expect, it } from 'vitest';
import { compare } from '../../../../bench/peers/comparison.ts';

/** Two sides whose runs take the given seconds, and the order in which they were run. */
function sidesOf(ours: number[], peer: number[]) {
  const order: string[] = [];
  const side = (name: string, seconds: number[]) => ({
    name,
    run: async () => {
      order.push(name);
      const taken = seconds.shift()!;
      return {
        seconds: taken,
        processes: { broker: { cpuSeconds: 10 * taken, peakMiB: 100 - taken } },
        further: { calls: taken + 1 },
      };
    },
  });
  return { sides: [side('a', ours), side('b', peer)] as const, order };
}

const options = (runs: number) => ({ runs, signal: new AbortController().signal, say: () => undefined });

describe('a comparison of two programs', () => {
  it('runs them in turn, each first as often as the other', async () => {
    const { sides, order } = sidesOf([1, 1, 1, 1], [1, 1, 1, 1]);
    await compare(sides, options(4));
    expect(order.join('')).toBe('abbaabba');
  });

  it('tells medians of every figure, and the fastest and the slowest run', async () => {
    const { sides } = sidesOf([9, 2, 4], [5, 5, 5]);
    const [ours, peer] = await compare(sides, options(3));
    expect(ours).toEqual({
      name: 'a',
      seconds: 4,
      fastest: 2,
      slowest: 9,
      processes: { broker: { cpuSeconds: 40, peakMiB: 96 } },
      further: { calls: 5 },
    });
    expect(peer).toMatchObject({ name: 'b', seconds: 5 });
  });

  it('takes the mean of the two middle runs where their number is even', async () => {
    const { sides } = sidesOf([9, 2, 4, 1], [1, 1, 1, 1]);
    const [ours] = await compare(sides, options(4));
    expect(ours?.seconds).toBe(3);
  });

  it('starts no further run when it is told to stop', async () => {
    const { sides, order } = sidesOf([1], [1]);
    const signal = AbortSignal.abort(new Error('interrupted'));
    await expect(compare(sides, { ...options(1), signal })).rejects.toThrow('interrupted');
    expect(order).toEqual([]);
  });
});
