/**
 * The small models of the systematic search: as few actors and offsets as can show a fault. What one of them starts with is
 * made by the product's code too, before the actors begin.
 */

import { HOUR_MS } from '../../loader/hour.ts';
import { rootRewriteLog } from '../../loader/rewrite-log.ts';
import type { Store } from '../../loader/store/store.ts';
import type { Context, Model, Program } from './execution.ts';
import { expiry } from './expiry.ts';
import { appender, collector, judgeAlone, judgingLoader, outside, root } from './loaders.ts';
import { fence, merge, replay, rewriter, undo } from './rewriters.ts';
import { TOPIC, type World } from './world.ts';

/** What `prepare` runs undisturbed. */
export const before = (store: Store, world: World): Context => ({
  name: 'before',
  store,
  world,
  act: async (_, step) => step(),
  now: () => world.clockMs,
});

/** Roots the chains of these partitions. */
export const rooted =
  (...partitions: number[]) =>
  async (store: Store, { clockMs: nowMs }: World): Promise<void> => {
    for (const partition of partitions) await root(store, { partition, nowMs });
  };

/** Loads all there is of these partitions, then lets programs run one after the other. */
export const loaded =
  (partitions: readonly number[], ...programs: Program[]) =>
  async (store: Store, world: World): Promise<void> => {
    await rooted(...partitions)(store, world);
    await rootRewriteLog(
      store,
      { topic: TOPIC, seq: 0, createdAt: new Date(world.clockMs).toISOString() },
      0,
    );
    for (const program of [appender({ partitions }), ...programs]) await program(before(store, world));
  };

/** And some hours pass. */
export const hoursAgo =
  (hours: number, prepare: (store: Store, world: World) => Promise<void>) =>
  async (store: Store, world: World): Promise<void> => {
    await prepare(store, world);
    world.clockMs += hours * HOUR_MS;
  };

const firstOf0 = { partition: 0, from: 0, until: 1 };

export const SMALL_MODELS: readonly Model[] = [
  {
    name: 'two first loads with different policies',
    actors: { A: appender({ policy: 'earliest' }), B: appender({ policy: 'latest' }) },
    world: { events: [2] },
    timeouts: 1,
  },
  {
    name: 'two appenders, each killed once',
    actors: { A: appender(), B: appender({ step: 1, rounds: 2 }) },
    world: { events: [3] },
    prepare: rooted(0),
    restarts: 1,
    timeouts: 1,
  },
  {
    name: 'an appender and a replay',
    actors: { A: appender({ step: 1, rounds: 2 }), R: rewriter(replay({ partition: 0, from: 0, until: 2 })) },
    world: { events: [3] },
    prepare: rooted(0),
    timeouts: 1,
  },
  {
    name: 'two first replays of the same rows',
    actors: { X: rewriter(replay(firstOf0)), Y: rewriter(replay(firstOf0)) },
    world: { events: [1] },
    prepare: async (store, world) => {
      await rooted(0)(store, world);
      await appender()(before(store, world));
    },
    timeouts: 1,
  },
  {
    name: 'two replays of the same rows',
    actors: { X: rewriter(replay(firstOf0)), Y: rewriter(replay(firstOf0)) },
    world: { events: [1] },
    prepare: loaded([0]),
  },
  {
    name: 'a record that is not in place yet and a replay of its rows',
    actors: { R: rewriter(replay(firstOf0)), A: appender() },
    world: { events: [1] },
    prepare: rooted(0),
  },
  {
    name: 'a merge across partitions and a replay',
    actors: { X: rewriter(merge), Y: rewriter(replay(firstOf0)) },
    world: { events: [1, 1] },
    prepare: loaded([0, 1]),
    timeouts: 1,
  },
  {
    name: 'merge, undo and fence after a replay',
    actors: { U: rewriter(undo()), E: rewriter(fence), X: rewriter(merge) },
    world: { events: [1, 1] },
    prepare: loaded([0, 1], rewriter(replay(firstOf0))),
    timeouts: 1,
  },
  {
    name: 'an expiry, a replay and an undo after a replay',
    actors: {
      D: expiry(),
      Y: rewriter(replay({ partition: 0, from: 0, until: 2 })),
      U: rewriter(undo()),
    },
    world: { events: [2] },
    prepare: hoursAgo(2, loaded([0], rewriter(replay(firstOf0)))),
    timeouts: 1,
  },
  {
    name: 'an expiry, a load and a merge',
    actors: { D: expiry({ sealAfter: 1 }), A: appender({ step: 1 }), X: rewriter(merge) },
    world: { events: [3, 2] },
    prepare: hoursAgo(2, async (store, world) => {
      await rooted(0, 1)(store, world);
      await appender({ partitions: [0, 1], step: 2 })(before(store, world));
    }),
    forgets: true,
    timeouts: 1,
  },
  {
    name: 'two appenders and a collector that seals twice',
    actors: { A: appender({ step: 1 }), B: appender({ step: 1 }), G: collector({ rounds: 2 }) },
    world: { events: [2] },
    prepare: rooted(0),
    forgets: true,
    timeouts: 1,
  },
  {
    name: 'two judging loaders and a judge',
    actors: {
      A: judgingLoader(),
      B: judgingLoader({ step: 1 }),
      J: judgeAlone(),
      W: outside([0, 'hour', 0, 'hour']),
    },
    world: { events: [1] },
    prepare: rooted(0),
  },
];
