/**
 * The model of the random schedules: appenders on two partitions, one of them judging hours; some that rewrite, undo, delete
 * trash, expire and seal; and time passing outside. The seed decides who is there and how much each does.
 */
import type { Model, Program } from './execution.ts';
import { expiry } from './expiry.ts';
import { appender, hourly, judgingLoader, outside, sealer } from './loaders.ts';
import { randomFrom } from './random-schedule.ts';
import { fence, merge, replay, rewriter, undo } from './rewriters.ts';
import { rooted } from './small-models.ts';

const TRIES = 3;
/** How likely each of them is there. Three appenders always are. */
const PRESENCE = 0.6;

export function crowd(seed: number): Model {
  const random = randomFrom(seed * 7 + 3);
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const partitions = [0, 1];
  const from = Math.floor(random() * 3);
  const range = { partition: Math.floor(random() * 2), from, until: from + upTo(3) };
  const rewriting = { rounds: upTo(2) };
  const outsiders: Record<string, Program> = {
    X: rewriter(merge, rewriting),
    Y: rewriter(replay(range), rewriting),
    U: rewriter(undo(), rewriting),
    E: rewriter(fence, rewriting),
    G: sealer({ rounds: upTo(3) }),
    D: expiry({ rounds: upTo(3), sealAfter: upTo(8) }),
  };
  const present = Object.entries(outsiders).filter(() => random() < PRESENCE);
  return {
    name: `crowd of seed ${seed}`,
    isFine: true,
    forgets: true,
    restarts: 2,
    timeouts: 6,
    mayTimeOut: () => true,
    world: { events: [upTo(3), upTo(3)] },
    prepare: rooted(...partitions),
    actors: {
      A: hourly(appender({ partitions, step: upTo(3) }), TRIES),
      B: hourly(appender({ partitions: [1], step: upTo(2), rounds: upTo(2) }), TRIES),
      J: hourly(judgingLoader({ partitions, step: upTo(3), sealAfter: upTo(3) }), TRIES),
      ...Object.fromEntries(present.map(([name, program]) => [name, hourly(program, TRIES)])),
      W: outside(
        Array.from({ length: 8 }, () => (random() < 0.4 ? ('hour' as const) : Math.floor(random() * 2))),
      ),
    },
  };
}
