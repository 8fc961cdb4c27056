/**
 * The systematic search: every schedule of a small model, in order of how often it takes a processor away from an actor,
 * kills one, or lets an operation time out. A state is entered by running the choices that lead to it anew from the start; one
 * that was entered before, with the same actor at work, is not entered again.
 */
import { MemoryFiles, MemoryStore } from '../support/memory-store.ts';
import { drawFor } from './attempt-ids.ts';
import { type Choice, Execution, type Model } from './execution.ts';
import { recoveryProblem, stateProblem } from './invariants.ts';
import { World } from './world.ts';

export interface Violation {
  problem: string;
  choices: Choice[];
  trace: readonly string[];
}

export interface Found {
  states: number;
  runs: number;
  /** Whether nothing was left to look at, up to the number of interruptions reached. */
  isComplete: boolean;
  interruptions: number;
  violation: Violation | undefined;
}

/** The state all runs of a model begin in. */
export async function prepared(model: Model): Promise<{ files: MemoryFiles; world: World }> {
  const world = new World(model.world ?? {});
  const files = new MemoryFiles({}, () => world.clockMs);
  drawFor({ name: 'before', drawn: 0 });
  await model.prepare?.(new MemoryStore(files), world);
  noteAll(files, world);
  return { files, world };
}

function noteAll(files: MemoryFiles, world: World): void {
  for (const path of [...files.paths()].sort()) world.notePublished(path, files);
}

/** Looks at up to `maxStates` states. */
export async function search(model: Model, { maxStates }: { maxStates: number }): Promise<Found> {
  const start = await prepared(model);
  const seen = new Set<string>();
  const entered = new Set<string>();
  const recovered = new Set<string>();
  const queues: Choice[][][] = [[[]]];
  const found: Found = { states: 0, runs: 0, isComplete: false, interruptions: 0, violation: undefined };
  const push = (cost: number, choices: Choice[]) => (queues[cost] ??= []).push(choices);

  for (let cost = 0; cost < queues.length; cost++) {
    const queue = queues[cost] ?? [];
    for (let choices = queue.pop(); choices !== undefined; choices = queue.pop()) {
      if (seen.size >= maxStates) return found;
      found.interruptions = cost;
      found.runs++;
      const execution = await Execution.start(model, start);
      for (const choice of choices) await execution.take(choice);
      const way = [...choices];
      for (;;) {
        const key = execution.key();
        // Who acted last decides what an interruption costs from here.
        const standing = `${key}\n${execution.current}`;
        if (entered.has(standing)) break;
        entered.add(standing);
        const problem = seen.has(key) ? undefined : await problemOf(execution, recovered);
        seen.add(key);
        found.states = seen.size;
        if (problem !== undefined)
          return { ...found, violation: { problem, choices: way, trace: execution.trace } };
        const [first, ...others] = execution.choices();
        if (first === undefined) break;
        for (const other of others) push(cost + costOf(other, execution), [...way, other]);
        way.push(first);
        await execution.take(first);
      }
    }
  }
  return { ...found, isComplete: true };
}

/** Going on with another actor costs nothing where the last one can't go on. */
const costOf = (choice: Choice, execution: Execution) =>
  /^[^?!+]+$/.test(choice) && !execution.canGoOn ? 0 : 1;

/** The checks of one state; recovery depends on contents alone, so equal contents are recovered once. */
export async function problemOf(execution: Execution, recovered: Set<string>): Promise<string | undefined> {
  const problem = stateProblem(execution);
  if (problem !== undefined) return problem;
  const key = `${execution.files.key} ${execution.late.map(({ path, from }) => `${from} ${path}`).join()} ${execution.world.won.length}`;
  if (recovered.has(key)) return undefined;
  recovered.add(key);
  return await recoveryProblem(execution);
}
