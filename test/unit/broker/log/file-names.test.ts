import { describe, expect, test } from 'vitest';
import {
  deletedDirectoryName,
  parsePartitionDirectoryName,
  parseSegmentFileName,
  segmentFileName,
} from '../../../../broker/log/file-names.ts';

describe('file names', () => {
  test.each([
    ['00000000000000000000.log', { offset: 0, kind: 'log' }],
    ['00000000000000000042.timeindex', { offset: 42, kind: 'timeindex' }],
    ['00009007199254740991.snapshot', { offset: Number.MAX_SAFE_INTEGER, kind: 'snapshot' }],
    ['00009007199254740992.log', undefined],
    ['42.log', undefined],
    ['00000000000000000000.log.deleted', undefined],
    ['00000000000000000000.txt', undefined],
    ['', undefined],
  ])('a segment file name is read back or refused: %s', (name, expected) => {
    expect(parseSegmentFileName(name)).toEqual(expected);
    if (expected) expect(segmentFileName(expected.offset, expected.kind as 'log')).toBe(name);
  });

  test.each([
    ['clicks-0', { topic: 'clicks', partition: 0 }],
    ['a-b-17', { topic: 'a-b', partition: 17 }],
    ['clicks-01', undefined],
    ['clicks', undefined],
    ['-1', undefined],
    ['topics', undefined],
    ['a b-1', undefined],
    [deletedDirectoryName('6f1c', 3), undefined],
  ])('a partition directory name is read back or refused: %s', (name, expected) => {
    expect(parsePartitionDirectoryName(name)).toEqual(expected);
  });
});
