/**
 * Rewrites of a table in real HDFS, as processes: replays, compactions, undos, expiries. A stranger looks at the table after
 * every single move of a file: no row twice at any time, no marked hour with a gap. The same when the process is killed
 * between moves, when the NameNode is killed around the publishing of a rewrite, and when two of them meet.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FIRST_DAY } from '../support/events.ts';
import { firstThat, type GateRequest } from '../support/hdfs-gate.ts';
import {
  type Command,
  EVENTS,
  type HdfsLoad,
  HOURS,
  IMPATIENT,
  killHard,
  MOMENTS,
  PATIENT,
} from '../support/hdfs-load.ts';
import { GatedBed } from './gated-bed.ts';

let bed: GatedBed;
beforeAll(async () => {
  bed = await GatedBed.open('rewrites');
});
afterAll(() => bed[Symbol.asyncDispose]());
beforeEach(() => {
  bed.gate.rule = () => undefined;
});

const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000];
/** Records of the k-th load bear the timestamps of the k-th of these days. */
const dayMs = (day: number) => Date.parse('2026-11-01T00:00:00Z') + day * DAY_MS;
const isoOf = (ms: number) => new Date(ms).toISOString();

/** A table of two days: a file for each of three hours and two partitions, of each load. */
async function newTable(loads: 1 | 2): Promise<HdfsLoad> {
  const load = await bed.newLoad(dayMs(0));
  if (loads === 2) await load.succeeds();
  await load.send(dayMs(1));
  await load.succeeds();
  return load;
}

/** One day of the log, and offsets that begin and end in the midst of files. */
const DAY: Command = ['replay', '--from-time', isoOf(dayMs(0)), '--to-time', isoOf(dayMs(1))];
const OFFSETS: Command = ['replay', '--partition', '0', '--from-offset', '1000', '--to-offset', '4000'];
const COMPACT: Command = ['compact'];
const REPLAY: Command = ['replay', '--from-time', isoOf(dayMs(0))];

/** What a reader makes of the table: numbers of each hour over all its rows. */
const numbers = (load: HdfsLoad) =>
  load.query(
    'SELECT dt, hour, count(*) AS n, sum(bytes) AS bytes, sum(hash(_partition, _offset, target)) AS rows FROM TABLE GROUP BY ALL ORDER BY ALL',
  );
const files = async (load: HdfsLoad) => (await load.query('SELECT DISTINCT filename FROM TABLE')).length;

/** Whether a request changes what readers see. */
const isVisible = ({ op, path, destination }: GateRequest) =>
  ['RENAME', 'DELETE'].includes(op) && /\/dt=[^/]*\/hour=/.test(`${path} ${destination}`);

/** Has the table looked at after every move of a file and every mark that goes or comes, while all else waits. */
function lookAtEachMove(load: HdfsLoad): void {
  bed.gate.rule = (seen) => (isVisible(seen) ? { at: 'answer', act: load.eyes.glance } : undefined);
}

test('a day and a range replayed, hours compacted, both undone, an hour expired: no reader sees a row twice', async () => {
  await using load = await newTable(2);
  const before = await numbers(load);
  lookAtEachMove(load);
  const { looks } = load.eyes;
  await load.does(OFFSETS);
  expect(await load.does(DAY)).toMatchObject({ rewrite: 2, read: EVENTS });
  await load.does(['undo', '2']);
  expect(await numbers(load)).toEqual(before);
  expect(await load.does(COMPACT)).toMatchObject({ hours: { length: HOURS }, filesAfter: HOURS });
  expect([await files(load), await numbers(load)]).toEqual([HOURS, before]);
  // The rewrites 4, 5 and 6: one for each hour.
  await load.does(['undo', '6']);
  expect(await numbers(load)).toEqual(before);
  await load.eachOnce();
  const sinceFirst = Math.floor((Date.now() - Date.parse(FIRST_DAY)) / HOUR_MS);
  const keep = [
    `loader.dataKeepHours=${sinceFirst - 1}`,
    'loader.lateHorizonHours=1',
    'loader.trashKeepHours=0',
  ];
  const expired = await load.does<{ topics: { hours: string[]; rows: number }[] }>(
    ['expire'],
    [...PATIENT, ...keep],
  );
  expect(expired.topics).toMatchObject([{ rows: (expired.topics[0]!.hours.length * 2 * EVENTS) / HOURS }]);
  expect(await numbers(load)).toEqual(before.slice(expired.topics[0]!.hours.length));
  const gone = await load.command(['undo', '1']);
  expect([gone.status, gone.stderr]).toEqual([1, expect.stringContaining("can't be taken back any more")]);
  await load.eyes.rest();
  expect(load.eyes.looks - looks).toBeGreaterThan(50);
});

describe('kill -9 in the midst of the moves', () => {
  test.each([
    ['of a replay, when a file went to the trash', DAY, 'retiring', 'answer'],
    ['of a replay, when a new file would have come', DAY, 'moving', 'request'],
    ['of a compaction, when a file went to the trash', COMPACT, 'retiring', 'answer'],
  ] as const)('%s', async (_, words, moment, at) => {
    await using load = await newTable(1);
    const before = await numbers(load);
    const { promise: killed, resolve } = Promise.withResolvers<void>();
    const act = () => killHard(child).then(resolve);
    bed.gate.rule = firstThat(MOMENTS[moment], { at, act, cut: true }).rule;
    const child = load.start(PATIENT, words);
    await killed;
    await load.nothingTwice();
    expect(await numbers(load)).not.toEqual(before);
    lookAtEachMove(load);
    if (words === COMPACT) await load.does(COMPACT);
    else await load.succeeds();
    await load.settles();
    expect(await numbers(load)).toEqual(before);
    expect(await load.eyes.marked()).toHaveLength(HOURS);
  });
});

describe('kill -9 of the NameNode', () => {
  test.each([
    ['before a compaction is published', COMPACT, { at: 'request', cut: true }],
    ['after a replay was published, before the answer', REPLAY, { at: 'answer', cut: true }],
  ] as const)('%s', async (_, words, stop) => {
    await using load = await newTable(1);
    const before = await numbers(load);
    bed.gate.rule = firstThat(MOMENTS.rewriting, { ...stop, act: bed.killNameNode }).rule;
    const ended = await load.command(words, IMPATIENT);
    await bed.startNameNode();
    await load.fails(/ECONNREFUSED.*; is it running/, ended);
    lookAtEachMove(load);
    await load.does(words);
    // What the first attempt could not clear away without a NameNode is swept by a load.
    await load.heals();
    expect(await numbers(load)).toEqual(before);
    expect(await load.eyes.marked()).toHaveLength(HOURS);
  });
});

test('two replays that meet: the one that comes second to its number plans anew', async () => {
  await using load = await newTable(1);
  const before = await numbers(load);
  let second: Promise<unknown> | undefined;
  const act = async () => {
    lookAtEachMove(load);
    second = load.does(DAY);
    await second;
  };
  bed.gate.rule = firstThat(MOMENTS.rewriting, { at: 'request', act }).rule;
  const first = await load.does<{ rewrite: number }>(OFFSETS);
  expect([first.rewrite, await second]).toEqual([2, expect.objectContaining({ rewrite: 1 })]);
  load.areMarksSure = false;
  const both = await Promise.all([load.command(REPLAY, PATIENT), load.command(OFFSETS, PATIENT)]);
  expect(both.map(({ status, stderr }) => [status, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  await load.succeeds();
  load.areMarksSure = true;
  await load.nothingTwice();
  await load.settles();
  expect(await numbers(load)).toEqual(before);
});
