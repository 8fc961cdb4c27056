import { expect, test } from 'vitest';
import { type HourCounts, verdictOf } from '../../../jobs/audit-verdict.ts';

const of = (missing: number, surplus: number, isSettled = true) => ({ missing, surplus, isSettled });
const WHOLE: HourCounts = { broker: 10, ahead: 0, loader: 10, files: 10, isSame: true, complete: true };

test.each<[string, Partial<HourCounts>, string]>([
  ['all three agree', {}, 'OK'],
  ['the log has them no longer, and the other two agree', { broker: null }, 'OK'],
  ['the hour is not complete', { complete: false }, 'PENDING'],
  ['late records wait in the log', { ahead: 3 }, 'PENDING'],
  ['rows were never loaded', { loader: 9, files: 9 }, 'SHORT'],
  ['a file is missing', { files: 7 }, 'SHORT'],
  ['a file is missing that the log has no longer either', { broker: null, files: 7 }, 'SHORT'],
  ['a file is there twice', { files: 14 }, 'OVER'],
  ['the table has more than the log', { loader: 11, files: 11 }, 'OVER'],
  ['as many, but other ones', { isSame: false }, 'SHORT'],
  ['a file too many and a row too few', { broker: 12, files: 11 }, 'SHORT'],
  ['wrong before it is complete', { complete: false, files: 9 }, 'SHORT'],
  ['producers say the same', { fromProducers: of(0, 0) }, 'OK'],
  [
    'producers say the same of an hour that is not complete',
    { complete: false, fromProducers: of(0, 0) },
    'PENDING',
  ],
  ['the log has fewer than producers say', { fromProducers: of(2, 0) }, 'SHORT'],
  ['the log has more than producers say', { fromProducers: of(0, 2) }, 'OVER'],
  ['one producer lost some, another has too many', { fromProducers: of(1, 2) }, 'SHORT'],
  [
    'fewer than producers say, but the hour is not over',
    { complete: false, fromProducers: of(2, 0, false) },
    'PENDING',
  ],
  [
    'more than producers say, but the hour is not over',
    { complete: false, fromProducers: of(0, 2, false) },
    'PENDING',
  ],
  ['an hour that is over, of which nothing came', { complete: false, fromProducers: of(2, 0) }, 'SHORT'],
  ['as many as producers say, but a file is there twice', { files: 14, fromProducers: of(0, 0) }, 'OVER'],
])('%s', (_, counts, verdict) => expect(verdictOf({ ...WHOLE, ...counts })).toBe(verdict));
