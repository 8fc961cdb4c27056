import { describe, expect, test } from 'vitest';
import { compareHour, ProducerTally } from '../../../jobs/audit-produced.ts';
import { encodeCounts, type ProducedCounts } from '../../../jobs/produced-counts.ts';

const HOUR = '2026-03-01T00';
const record = (seq: number, events: number, more: Partial<ProducedCounts> = {}) =>
  encodeCounts({
    v: 1,
    topic: 'access',
    producerId: 7,
    seq,
    by: 'ingest',
    at: '2026-03-01T00:00:00.000Z',
    hours: events > 0 ? { [HOUR]: events } : {},
    last: false,
    ...more,
  });

function tallyOf(...records: (Buffer | null)[]) {
  const tally = new ProducerTally('access');
  for (const value of records) tally.add(value);
  return tally;
}
const runOf = (...records: Buffer[]) => tallyOf(...records).runs.get(7);

describe('what producers said', () => {
  test('adds up over the records of a run, and is all of it after the last', () => {
    const run = runOf(record(0, 10), record(1, 5), record(2, 1, { last: true }));
    expect(run).toMatchObject({ by: 'ingest', said: new Map([[HOUR, 16]]), isWhole: true });
  });

  test('is not added twice when a record was sent again, soon or late', () => {
    const run = runOf(record(0, 10), record(0, 10), record(1, 5), record(0, 10), record(1, 5));
    expect(run).toMatchObject({ said: new Map([[HOUR, 15]]), isWhole: false });
  });

  test('is not all of it where a record is missing, at the beginning or between', () => {
    expect(runOf(record(1, 5), record(2, 1, { last: true }))).toMatchObject({
      said: new Map([[HOUR, 6]]),
      isWhole: false,
    });
    expect(runOf(record(0, 5), record(2, 1, { last: true }))?.isWhole).toBe(false);
  });

  test('of another topic says nothing; what is no record of counts is counted', () => {
    const other = record(0, 10, { topic: 'other' });
    const newer = Buffer.from(record(0, 1).toString().replace('"v":1', '"v":2'));
    const tally = tallyOf(other, newer, Buffer.from('x'), null, Buffer.from('{}'));
    expect([tally.runs.size, tally.unknown]).toEqual([0, 4]);
  });
});

describe('an hour compared', () => {
  const there = (events: number) => new Map([[7, new Map([[HOUR, events]])]]);
  const compare = (records: Buffer[], events: number, { isWholeLog = true, total = events } = {}) =>
    compareHour(tallyOf(...records).runs, { hour: HOUR, isWholeLog, byProducer: there(events), total });
  const whole = [record(0, 10), record(1, 5, { last: true })];

  test.each([
    [15, { missing: 0, surplus: 0 }],
    [12, { missing: 3, surplus: 0 }],
    [16, { missing: 0, surplus: 1 }],
  ])('of a producer that said 15 and has %d in the log', (events, found) =>
    expect(compare(whole, events)).toEqual({ produced: 15, unfinished: [], ...found }),
  );

  test('of a producer that did not say its last counts can only be short', () => {
    const unfinished = [{ producerId: 7, by: 'ingest', events: 4 }];
    expect(compare([record(0, 10)], 14)).toEqual({ produced: 10, missing: 0, surplus: 0, unfinished });
    expect(compare([record(0, 10)], 9)).toMatchObject({ missing: 1 });
  });

  test('leaves events out whose hour the load decides', () => {
    const unsure = [record(0, 10, { unsure: { [HOUR]: 2 }, last: true })];
    for (const events of [10, 11, 12])
      expect(compare(unsure, events)).toMatchObject({ missing: 0, surplus: 0 });
    expect(compare(unsure, 13)).toMatchObject({ surplus: 1 });
  });

  test('is not filled up by the events of others', () => {
    expect(compare(whole, 10, { total: 100 })).toMatchObject({ missing: 5 });
  });

  test('where the log has lost its beginning is held against all that came, from below only', () => {
    expect(compare(whole, 0, { isWholeLog: false, total: 20 })).toMatchObject({ missing: 0, surplus: 0 });
    expect(compare(whole, 0, { isWholeLog: false, total: 14 })).toMatchObject({ missing: 1, surplus: 0 });
  });

  test('of which no producer said anything is not judged', () => {
    expect(compare([], 10)).toBeUndefined();
  });
});
