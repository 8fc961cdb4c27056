/**
 * Programs at the same work, in turn: A B, B A, A B …, so that a machine that grows faster or slower meanwhile does it to
 * all. What is told are medians of the timed runs; what ran before them to warm caches and compilers is not.
 */
import type { Usage } from './process-usage.ts';

/** One timed run of one side. */
export interface Run {
  seconds: number;
  /** By the name of the process: what it cost during the run. */
  processes: Record<string, Usage>;
  /** Further figures by name, as they were told. */
  further?: Record<string, number>;
}

interface Side {
  name: string;
  run: () => Promise<Run>;
}

/** What all runs of one side came to. */
export interface SideResult {
  name: string;
  seconds: number;
  fastest: number;
  slowest: number;
  processes: Record<string, Usage>;
  further: Record<string, number>;
}

/** Runs every side `runs` times, forwards and backwards in turn; `say` gets a line after each run. */
export async function compare(
  sides: readonly Side[],
  { runs, signal, say }: { runs: number; signal: AbortSignal; say: (line: string) => void },
): Promise<SideResult[]> {
  const done = sides.map((): Run[] => []);
  const order = [...sides.keys()];
  for (let round = 1; round <= runs; round++) {
    for (const index of round % 2 === 1 ? order : order.toReversed()) {
      const { name, run: once } = sides[index]!;
      signal.throwIfAborted();
      const run = await once();
      say(`${name}, run ${round} of ${runs}: ${run.seconds.toFixed(2)} s`);
      done[index]!.push(run);
    }
  }
  return sides.map(({ name }, index) => resultOf(name, done[index]!));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return (sorted[Math.floor(last / 2)]! + sorted[Math.ceil(last / 2)]!) / 2;
}

function resultOf(name: string, runs: readonly Run[]): SideResult {
  const seconds = runs.map((run) => run.seconds);
  const medians = (names: string[], figure: (run: Run, name: string) => number) =>
    Object.fromEntries(names.map((each) => [each, median(runs.map((run) => figure(run, each)))]));
  const names = Object.keys(runs[0]!.processes);
  const cpu = medians(names, (run, each) => run.processes[each]!.cpuSeconds);
  const peak = medians(names, (run, each) => run.processes[each]!.peakMiB);
  return {
    name,
    seconds: median(seconds),
    fastest: Math.min(...seconds),
    slowest: Math.max(...seconds),
    processes: Object.fromEntries(
      names.map((each) => [each, { cpuSeconds: cpu[each]!, peakMiB: peak[each]! }]),
    ),
    further: medians(Object.keys(runs[0]!.further ?? {}), (run, each) => run.further![each]!),
  };
}
