import { describe, expect, test } from 'vitest';
import { LeaderEpochs } from '../../../../broker/log/leader-epochs.ts';

describe('leader epochs', () => {
  const epochs = new LeaderEpochs([
    { epoch: 0, startOffset: 0 },
    { epoch: 2, startOffset: 100 },
    { epoch: 5, startOffset: 250 },
  ]);

  test.each([
    [0, { leaderEpoch: 0, endOffset: 100 }],
    [1, { leaderEpoch: 0, endOffset: 100 }],
    [2, { leaderEpoch: 2, endOffset: 250 }],
    [4, { leaderEpoch: 2, endOffset: 250 }],
    [5, { leaderEpoch: 5, endOffset: 300 }],
    [6, undefined],
    [-1, undefined],
  ])('the end of epoch %i is where the next one begins', (epoch, expected) => {
    expect(epochs.endOf(epoch, 300)).toEqual(expected);
  });

  test('an epoch older than all that are known ends where they begin', () => {
    const later = new LeaderEpochs([{ epoch: 3, startOffset: 70 }]);
    expect(later.endOf(1, 300)).toEqual({ leaderEpoch: 1, endOffset: 70 });
    expect(new LeaderEpochs().endOf(0, 300)).toBeUndefined();
  });

  test('an epoch in which nothing was written vanishes, and its number is not used again', () => {
    const some = new LeaderEpochs([{ epoch: 0, startOffset: 0 }]);
    some.begin(1, 50);
    some.begin(2, 50);
    expect(some.starts).toEqual([
      { epoch: 0, startOffset: 0 },
      { epoch: 2, startOffset: 50 },
    ]);
  });

  test('the file is read back, and refused when it is not whole', () => {
    const text = epochs.encode();
    expect(LeaderEpochs.decode(text)?.starts).toEqual(epochs.starts);
    expect(LeaderEpochs.decode(text.slice(0, -9))).toBeUndefined();
    expect(LeaderEpochs.decode('')).toBeUndefined();
    expect(LeaderEpochs.decode('0\n1\n3 x\n')).toBeUndefined();
  });
});
