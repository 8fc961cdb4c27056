/**
 * The protocol with one rule broken at a time: by a fault of the store, by the order in which an actor acts, or by what it
 * sees. Nothing of this is a switch in the product. Each mutant has the smallest model that can show why its rule is there.
 */
import { HOUR_MS, hourName } from '../../loader/hour.ts';
import {
  deletesTrash,
  freesNames,
  inTurn,
  keepsPlan,
  makesParents,
  neverLooksBack,
  readsLowest,
  readsOnly,
  removesBeforeBase,
  seesStagedAsPlaced,
  sleeper,
  sweepUnnamed,
  trustsTimeOuts,
} from './broken-actors.ts';
import type { Model } from './execution.ts';
import { deletesHours, expiry } from './expiry.ts';
import { appender, collector, judgeAlone, judgingLoader, outside } from './loaders.ts';
import { fence, merge, replay, rewriter, undo } from './rewriters.ts';
import { hoursAgo, loaded, rooted } from './small-models.ts';
import { START_MS } from './world.ts';

const firstOf0 = { partition: 0, from: 0, until: 1 };
const asleep = sleeper();

export interface Mutant {
  name: string;
  model: Omit<Model, 'name'>;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'publish overwrites',
    model: {
      actors: { A: appender(), B: appender() },
      world: { events: [2] },
      prepare: rooted(0),
      faults: { publishOverwrites: true },
    },
  },
  {
    name: 'sweep by age',
    model: {
      actors: { B: appender({ step: 0, sweep: sweepUnnamed }), A: appender() },
      world: { events: [1] },
      prepare: rooted(0),
    },
  },
  {
    name: 'time-out taken as failure',
    model: {
      actors: { A: appender({ view: trustsTimeOuts }) },
      world: { events: [1] },
      prepare: rooted(0),
      timeouts: 1,
    },
  },
  {
    name: 'no roll-forward before planning',
    model: {
      actors: { A: appender({ step: 1 }), B: appender({ step: 1, recover: readsOnly }) },
      world: { events: [2] },
      prepare: rooted(0),
    },
  },
  {
    name: 'final names reused',
    model: {
      actors: { X: rewriter(replay(firstOf0)), U: rewriter(undo({ keepsNames: true })) },
      world: { events: [1] },
      prepare: loaded([0]),
    },
  },
  {
    name: 'move by link',
    model: {
      actors: { A: appender(), X: rewriter(replay(firstOf0)) },
      world: { events: [1] },
      prepare: rooted(0),
      faults: { moveLinks: true },
    },
  },
  {
    name: 'names freed singly',
    model: {
      actors: { A: appender(), B: appender(), G: freesNames },
      world: { events: [1] },
      prepare: rooted(0),
      forgets: true,
    },
  },
  {
    name: 'publisher makes the parent (and does not look back)',
    model: {
      actors: { A: appender({ view: (store) => makesParents(neverLooksBack(store)) }), G: collector() },
      world: { events: [1] },
      prepare: rooted(0),
      forgets: true,
    },
  },
  {
    name: 'a name won is not looked at again',
    model: {
      actors: { A: asleep.publishes, G: collector(), S: asleep.wakes },
      world: { events: [2] },
      prepare: asleep.prepare,
      forgets: true,
    },
  },
  {
    name: 'rewrites per partition',
    model: {
      actors: { Y: keepsPlan(replay({ partition: 1, from: 0, until: 1 })), X: rewriter(merge) },
      world: { events: [1, 1] },
      prepare: loaded([0, 1]),
    },
  },
  {
    name: 'no carry-over',
    model: {
      actors: { Y: rewriter(replay(firstOf0, { carriesOver: false })) },
      world: { events: [1, 1] },
      prepare: loaded([0, 1], rewriter(merge)),
    },
  },
  {
    name: 'trash deleted without a fence',
    model: {
      actors: { U: rewriter(undo()), E: deletesTrash },
      world: { events: [1] },
      prepare: loaded([0], rewriter(replay(firstOf0))),
    },
  },
  {
    name: 'undo without looking at the fence',
    model: {
      actors: { E: rewriter(fence), U: rewriter(undo({ looks: false })) },
      world: { events: [1] },
      prepare: loaded([0], rewriter(replay(firstOf0))),
    },
  },
  {
    name: 'undo of files that are live no more',
    model: {
      actors: { U: rewriter(undo({ looks: false }), { rounds: 2 }) },
      world: { events: [1] },
      prepare: loaded([0], rewriter(replay(firstOf0))),
    },
  },
  {
    name: 'old hours deleted without a record',
    model: {
      actors: { D: deletesHours(hourName(START_MS / HOUR_MS + 1)) },
      world: { events: [2] },
      prepare: loaded([0]),
    },
  },
  {
    name: 'replay of hours that were expired',
    model: {
      actors: { D: expiry(), Y: rewriter(replay(firstOf0, { expires: false })) },
      world: { events: [1] },
      prepare: hoursAgo(2, loaded([0])),
    },
  },
  {
    name: 'undo of a replay whose hours were expired',
    model: {
      actors: { D: expiry(), U: rewriter(undo({ looks: false })) },
      world: { events: [1] },
      prepare: hoursAgo(2, loaded([0], rewriter(replay(firstOf0)))),
    },
  },
  {
    name: 'marker from published but unapplied',
    model: {
      actors: { A: judgingLoader(), J: judgeAlone({ judgesOver: seesStagedAsPlaced }) },
      world: { events: [1] },
      prepare: hoursAgo(1, rooted(0)),
    },
  },
  {
    name: 'clock read after the watermark',
    model: {
      actors: { A: judgingLoader({ isClockLast: true }), W: outside([0, 'hour']) },
      world: { events: [0] },
      prepare: rooted(0),
    },
  },
  {
    name: 'old generation removed before the new one has a base',
    model: { actors: { G: removesBeforeBase }, world: { events: [1] }, prepare: loaded([0]), forgets: true },
  },
  {
    name: 'the lowest generation taken as the current one',
    model: {
      actors: { G: inTurn(collector(), appender()), S: asleep.wakes },
      world: { events: [2] },
      prepare: asleep.prepare,
      forgets: true,
      view: readsLowest,
    },
  },
];
