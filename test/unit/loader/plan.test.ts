import { describe, expect, it } from 'vitest';
import { planLoad } from '../../../loader/plan.ts';

/** Offsets that a task has at least. */
const TASK = 250_000;

const view = (partition: number, head: number, end: number) => ({ partition, head, end });

describe('the plan of a load', () => {
  it('leaves out what has nothing to read and begins with the largest', () => {
    const planned = planLoad([view(0, 5, 5), view(1, 0, 10), view(2, 100, 300), view(3, 9, 4)], {
      workers: 2,
      taskOffsets: TASK,
    });
    expect(planned).toEqual([
      { partition: 2, range: { from: 100, until: 300 }, tasks: [{ from: 100, until: 300 }] },
      { partition: 1, range: { from: 0, until: 10 }, tasks: [{ from: 0, until: 10 }] },
    ]);
  });

  it('shares a budget fairly and never exceeds it', () => {
    const planned = planLoad([view(0, 0, 10), view(1, 0, 1000), view(2, 0, 1000)], {
      workers: 1,
      taskOffsets: TASK,
      maxEvents: 111,
    });
    const lengths = Object.fromEntries(
      planned.map(({ partition, range }) => [partition, range.until - range.from]),
    );
    expect(lengths).toEqual({ 0: 10, 1: 51, 2: 50 });
  });

  it('splits a long range where there are fewer partitions than workers, without a gap', () => {
    const [only] = planLoad([view(0, 10, 1_000_010)], { workers: 3, taskOffsets: TASK });
    expect(only!.tasks).toHaveLength(3);
    expect(only!.tasks[0]!.from).toBe(10);
    expect(only!.tasks.at(-1)!.until).toBe(1_000_010);
    for (const [i, { from }] of only!.tasks.entries())
      if (i > 0) expect(from).toBe(only!.tasks[i - 1]!.until);
  });

  it('splits a hot partition as finely as its share of the work asks for, and leaves the others whole', () => {
    const planned = planLoad([view(0, 0, 800), ...[1, 2, 3, 4].map((p) => view(p, 0, 50))], {
      workers: 4,
      taskOffsets: 10,
    });
    expect(planned.map(({ tasks }) => tasks.length)).toEqual([4, 1, 1, 1, 1]);
    expect(planned[0]!.tasks.map(({ from, until }) => until - from)).toEqual([200, 200, 200, 200]);
  });

  it('does not split what is short', () => {
    expect(planLoad([view(0, 0, 400_000)], { workers: 8, taskOffsets: TASK })[0]!.tasks).toHaveLength(1);
  });
});
