import { describe, expect, test } from 'vitest';
import type { Effect, GroupRequest } from '../../broker/groups/events.ts';
import { GroupMember } from './group-member.ts';
import { GROUP, GroupWorld, PARTITIONS, type Sabotage } from './group-world.ts';

const SEEDS = Number(process.env['GROUP_SEEDS'] ?? 15);
const FIRST_SEED = Number(process.env['GROUP_SEED'] ?? 1);
/** A mutant has to be noticed within so many. */
const MUTANT_SEEDS = 100;
const CHAOS_MS = 120_000;
/** Longer than every session, rebalance and request timeout together. */
const CALM_MS = 120_000;

/** A group under everything that can happen, and then in peace. Returns the world as it ended. */
function simulate(seed: number, sabotage: Sabotage = {}): GroupWorld {
  const world = new GroupWorld(seed, sabotage);
  const { random } = world;
  const isCooperative = random.chance(0.5);
  const members: GroupMember[] = [];
  const add = (isStatic: boolean, name: string, isFaulty = random.chance(0.5)) => {
    const needsKnownId = random.chance(0.7);
    const member = new GroupMember(world, { name, isStatic, isCooperative, isFaulty, needsKnownId });
    members.push(member);
    member.start();
  };
  const living = () => members.filter(({ isAlive }) => isAlive);
  const disturb = () => {
    if (world.isCalm) return;
    const faulty = living().filter(({ options }) => options.isFaulty);
    const victim = faulty[random.below(Math.max(1, faulty.length))];
    const what = random.below(10);
    if (what < 3 && living().length < 5) add(random.chance(0.4), `m${members.length}`);
    else if (what < 4) living()[random.below(Math.max(1, living().length))]?.leave();
    else if (what < 6) victim?.pause(random.below(25_000));
    else if (what < 7) victim?.die();
    else if (what < 9 && victim?.options.isStatic) {
      // Restarted under its name, maybe before its death was noticed; maybe both run for a moment.
      if (random.chance(0.7)) victim.die();
      add(true, victim.name, true);
    } else if (what === 9 && random.chance(0.4)) world.crash();
    world.later(random.exponential(5_000), disturb);
  };
  add(false, 'm0');
  world.later(1_000, disturb);
  world.run(CHAOS_MS);
  world.isCalm = true;
  world.run(CALM_MS);
  if (world.problem === undefined) checkPeace(world, living());
  if (world.problem === undefined) checkEnd(world, living());
  return world;
}

function checkPeace(world: GroupWorld, living: GroupMember[]): void {
  const group = world.coordinator.get(GROUP);
  const ids = [...(group?.members.keys() ?? [])].sort();
  const expected = living.map(({ memberId }) => memberId).sort();
  if (String(ids) !== String(expected)) world.fail(`members are ${ids}, not ${expected}`);
  if (living.length === 0) return;
  if (group?.state !== 'Stable') world.fail(`in peace the group is ${group?.state}`);
  const shared = living.flatMap(({ positions }) => [...positions.keys()]).sort();
  const all = Array.from({ length: PARTITIONS }, (_, i) => i);
  if (String(shared) !== String(all)) world.fail(`in peace the partitions ${shared} are read`);
}

function checkEnd(world: GroupWorld, living: GroupMember[]): void {
  for (const member of living) member.leave();
  world.run(CALM_MS);
  if (world.problem === undefined && world.unanswered.length > 0) {
    world.fail(`never answered: ${world.unanswered}`);
  }
  world.expire();
  if (world.problem !== undefined) return;
  const left = [...world.replayed().all()].length;
  if (left > 0) world.fail('the log still holds the group after its offsets expired');
}

describe('a simulated group', () => {
  test.each(Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i))(
    'keeps its promises under the schedule of seed %i',
    { timeout: 120_000 },
    (seed) => {
      const { problem, trace } = simulate(seed);
      expect(problem, trace.slice(-100).join('\n')).toBeUndefined();
    },
  );
});

const mapped = (change: (effect: Effect) => Effect) => (effects: Effect[]) => effects.map(change);

/** Each breaks one promise; what has to be noticed. */
const MUTANTS: { name: string; sabotage: Sabotage; says: RegExp }[] = [
  {
    name: 'a coordinator that takes commits of any generation',
    sabotage: {
      request: (request, coordinator): GroupRequest =>
        request.kind === 'commit'
          ? { ...request, generation: coordinator.get(GROUP)?.generation ?? -1 }
          : request,
    },
    says: /was taken in generation|went back/,
  },
  {
    name: 'a coordinator that answers before the log',
    sabotage: { storesAtOnce: true, logMs: 1_500 },
    says: /was acknowledged/,
  },
  {
    name: 'a coordinator that ends sessions early',
    sabotage: { hurryMs: 30_000 },
    says: /did nothing wrong/,
  },
  {
    name: 'a coordinator that forgets to answer some joins',
    sabotage: {
      effects: (effects, random) =>
        effects.filter((effect) => {
          const isJoin = effect.kind === 'answer' && 'leaderId' in effect.answer;
          return !(isJoin && random.chance(0.2));
        }),
    },
    says: /never answered|did nothing wrong|in peace/,
  },
  {
    name: 'a coordinator that gives a member what another has',
    sabotage: {
      effects: mapped((effect) => {
        if (effect.kind !== 'store' || effect.after?.kind !== 'assigned') return effect;
        const parts = [...effect.after.assignments];
        const shifted = parts.map(([id], i): [string, Buffer] => [
          id,
          parts[Math.max(0, i - 1)]?.[1] ?? Buffer.alloc(0),
        ]);
        return { ...effect, after: { ...effect.after, assignments: new Map(shifted) } };
      }),
    },
    says: /gives partition/,
  },
];

describe('the simulation notices', () => {
  test.each(MUTANTS)('$name', { timeout: 120_000 }, ({ sabotage, says }) => {
    const noticed = (seed: number) => says.test(simulate(seed, sabotage).problem ?? '');
    expect(Array.from({ length: MUTANT_SEEDS }, (_, i) => i + 1).some(noticed)).toBe(true);
  });
});
