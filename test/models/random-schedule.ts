/**
 * Random schedules: longer than the search can be, with more actors, kills, time-outs and late landings. Everything follows
 * from the seed, so a seed that failed can be run again alone and told with its trace.
 */
import { readTopicState } from '../../loader/table-state.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { drawFor } from './attempt-ids.ts';
import { type Choice, type Context, Execution, type Model } from './execution.ts';
import { expiry, oldestKept } from './expiry.ts';
import { recoveryProblem, stateProblem } from './invariants.ts';
import { appender } from './loaders.ts';
import { visibleFiles } from './rows.ts';
import { prepared, type Violation } from './search.ts';
import { TOPIC } from './world.ts';

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How likely the schedule does something else than to let the same actor go on, per choice. */
const ODDS = { other: 0.12, timeOut: 0.02, kill: 0.008, land: 0.1, notTheFirst: 0.2 };
/** Of the states in which something changed, so many are recovered from; the last one always is. */
const RECOVERED_SHARE = 0.12;
const MAX_CHOICES = 20_000;

/** What a schedule came to: the number of its choices, and what broke, if anything did. */
export interface Ran {
  choices: number;
  violation: Violation | undefined;
}

/** Runs a model under the schedule of a seed, to its end. */
export async function runSeed(model: Model, seed: number): Promise<Ran> {
  const random = randomFrom(seed);
  const sample = randomFrom(seed ^ 0x5bd1e995);
  const execution = await Execution.start(model, await prepared(model));
  const taken: Choice[] = [];
  const broke = (problem: string): Ran => ({
    choices: taken.length,
    violation: { problem, choices: taken, trace: execution.trace },
  });
  let before = execution.files.key;
  while (taken.length < MAX_CHOICES) {
    const choice = draw(execution, random);
    if (choice === undefined) break;
    taken.push(choice);
    await execution.take(choice);
    const isChanged = execution.files.key !== before;
    before = execution.files.key;
    if (!isChanged && execution.problem === undefined) continue;
    const problem =
      stateProblem(execution) ?? (sample() < RECOVERED_SHARE ? await recoveryProblem(execution) : undefined);
    if (problem !== undefined) return broke(problem);
  }
  const problem = (await recoveryProblem(execution)) ?? (await restProblem(execution));
  return problem === undefined ? { choices: taken.length, violation: undefined } : broke(problem);
}

/** The next choice; undefined when all actors are done and no operation on its way is to land any more. */
function draw(execution: Execution, random: () => number): Choice | undefined {
  const choices = execution.choices();
  const pick = (from: readonly Choice[]) => from[Math.floor(random() * from.length)];
  const of = (form: RegExp) => choices.filter((choice) => form.test(choice));
  const [going, late] = [of(/^[^?!+]+$/), of(/^\+/)];
  if (late.length > 0 && random() < (going.length > 0 ? ODDS.land : 0.5)) return pick(late);
  if (going.length === 0) return undefined;
  if (random() < ODDS.kill) return pick(of(/!$/)) ?? pick(going);
  const next = execution.canGoOn && random() >= ODDS.other ? going[0]! : pick(going)!;
  if (random() < ODDS.timeOut && choices.includes(`${next}?`)) return `${next}?`;
  const underWay = execution.underWay(next);
  if (underWay < 2 || random() >= ODDS.notTheFirst) return next;
  return `${next}#${Math.floor(random() * underWay)}`;
}

/** Whether a last load, undisturbed, brings in all the rest, and a last expiry takes out old hours as a whole and nothing else. */
async function restProblem(execution: Execution): Promise<string | undefined> {
  const { files, world } = execution;
  drawFor({ name: 'last', drawn: 0 });
  const context: Context = {
    name: 'last',
    store: new MemoryStore(async ({ act, verb, path }) => {
      const result = act(files);
      if (verb === 'publish') world.notePublished(path, files);
      return result;
    }),
    world,
    act: async (_, step) => step(),
    now: () => world.clockMs,
  };
  const partitions = [...world.starts.keys()];
  for (const [what, program] of [
    ['load', appender({ partitions })],
    ['expiry', expiry()],
  ] as const) {
    const failure = await program(context).then(
      () => undefined,
      (error: unknown) => `a last ${what} fails: ${String(error)}`,
    );
    if (failure !== undefined) return failure;
    const problem = stateProblem(execution) ?? (await recoveryProblem(execution));
    if (problem !== undefined) return `after a last ${what}: ${problem}`;
  }
  const old = [...visibleFiles(files).values()].flat().find((row) => world.hourOf(row) < oldestKept(world));
  if (old !== undefined) return `a last expiry leaves row ${old} of the hour ${world.hourOf(old)}`;
  const { chains } = await readTopicState(context.store, TOPIC);
  const open = partitions.find((partition) => chains.get(partition)!.head < world.endOf(partition));
  return open === undefined ? undefined : `a last load leaves partition ${open} at ${chains.get(open)!.head}`;
}
