import { describe, expect, it } from 'vitest';
import { planLoad } from '../../../loader/plan.ts';

const view = (partition: number, head: number, end: number) => ({ partition, head, end });

describe('the plan of a load', () => {
  it('leaves out what has nothing to read and begins with the largest', () => {
    const planned = planLoad([view(0, 5, 5), view(1, 0, 10), view(2, 100, 300), view(3, 9, 4)], {
      workers: 2,
    });
    expect(planned).toEqual([
      { partition: 2, range: { from: 100, until: 300 }, tasks: [{ from: 100, until: 300 }] },
      { partition: 1, range: { from: 0, until: 10 }, tasks: [{ from: 0, until: 10 }] },
    ]);
  });

  it('shares a budget fairly and never exceeds it', () => {
    const planned = planLoad([view(0, 0, 10), view(1, 0, 1000), view(2, 0, 1000)], {
      workers: 1,
      maxEvents: 111,
    });
    const lengths = Object.fromEntries(
      planned.map(({ partition, range }) => [partition, range.until - range.from]),
    );
    expect(lengths).toEqual({ 0: 10, 1: 51, 2: 50 });
  });

  it('splits a long range where there are fewer partitions than workers, without a gap', () => {
    const [only] = planLoad([view(0, 10, 1_000_010)], { workers: 3 });
    expect(only!.tasks).toHaveLength(3);
    expect(only!.tasks[0]!.from).toBe(10);
    expect(only!.tasks.at(-1)!.until).toBe(1_000_010);
    for (const [i, { from }] of only!.tasks.entries())
      if (i > 0) expect(from).toBe(only!.tasks[i - 1]!.until);
  });

  it('does not split what is short', () => {
    expect(planLoad([view(0, 0, 400_000)], { workers: 8 })[0]!.tasks).toHaveLength(1);
  });
});
