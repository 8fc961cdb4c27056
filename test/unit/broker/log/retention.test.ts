import { describe, expect, test } from 'vitest';
import { expiredSegments, planBudget } from '../../../../broker/log/retention.ts';

const segments = (...ages: number[]) => ages.map((age) => ({ sizeBytes: 100, lastAppendMs: 1000 - age }));
const none = { retentionMs: -1, retentionBytes: -1 };

describe('retention of one log', () => {
  test('without limits everything stays', () => {
    expect(expiredSegments(segments(900, 800), none, 1000)).toBe(0);
  });

  test('old segments go, up to the first that is not old, the active one included', () => {
    const limits = { ...none, retentionMs: 500 };
    expect(expiredSegments(segments(900, 800, 100), limits, 1000)).toBe(2);
    expect(expiredSegments(segments(900, 100, 900), limits, 1000)).toBe(1);
    expect(expiredSegments(segments(900, 800), limits, 1000)).toBe(2);
  });

  test('an empty active segment stays', () => {
    const empty = [{ sizeBytes: 0, lastAppendMs: 0 }];
    expect(expiredSegments(empty, { ...none, retentionMs: 1 }, 1000)).toBe(0);
  });

  test.each([
    [400, 0],
    [399, 0],
    [300, 1],
    [250, 1],
    [200, 2],
    [0, 3],
  ])('a log is never cut below retentionBytes = %i', (retentionBytes, expected) => {
    expect(expiredSegments(segments(9, 8, 7, 6), { ...none, retentionBytes }, 1000)).toBe(expected);
  });
});

describe('disk budget', () => {
  test('the longest untouched closed segments of all logs go first', () => {
    const logs = [
      { key: 'a', segments: segments(90, 50, 0), sparable: 3 },
      { key: 'b', segments: segments(80, 70, 0), sparable: 3 },
    ];
    expect(planBudget(logs, 600)).toEqual({ remove: [], roll: [], excessBytes: 0 });
    expect(planBudget(logs, 350)).toEqual({ remove: ['a', 'b', 'b'], roll: [], excessBytes: 0 });
  });

  test('where closed segments do not suffice, active ones are rolled', () => {
    const logs = [{ key: 'a', segments: segments(90, 0), sparable: 2 }];
    expect(planBudget(logs, 50)).toEqual({ remove: ['a'], roll: ['a'], excessBytes: 50 });
  });

  test('what a log cannot spare is neither removed nor rolled, and the excess is told', () => {
    const logs = [
      { key: 'a', segments: segments(90, 80, 0), sparable: 1 },
      { key: 'b', segments: segments(70, 0), sparable: 2 },
    ];
    expect(planBudget(logs, 0)).toEqual({ remove: ['a', 'b'], roll: ['b'], excessBytes: 300 });
  });
});
