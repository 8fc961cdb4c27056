/**
 * What must hold in every state a model reaches, and what must hold if everybody died right there. Each check answers a
 * sentence that says what broke.
 */
import { HOUR_MS, hourDirectory, hourEndMs, hourName } from '../../loader/hour.ts';
import { recoverTopic } from '../../loader/recover.ts';
import type { Store } from '../../loader/store/store.ts';
import { liveFiles, type TopicState } from '../../loader/table-state.ts';
import { type MemoryFiles, MemoryStore } from '../support/memory-store.ts';
import { drawFor } from './attempt-ids.ts';
import type { Execution } from './execution.ts';
import { compareRows, visibleFiles } from './rows.ts';
import { type Row, START_MS, TOPIC, type World } from './world.ts';

const text = (rows: readonly Row[]) => rows.map(([partition, offset]) => `${partition}:${offset}`).join(' ');

/** What is wrong with a state as readers see it. */
export function stateProblem({ files, world, problem }: Execution): string | undefined {
  return (
    problem ??
    world.broken ??
    visibleProblem(files, world) ??
    forkProblem(world) ??
    markerProblem(files, world)
  );
}

function visibleProblem(files: MemoryFiles, { named }: World): string | undefined {
  const seen = new Map<string, string>();
  for (const [final, rows] of visibleFiles(files)) {
    if (!named.has(final)) return `a visible file that no record names: ${final}`;
    for (const row of rows) {
      const other = seen.get(String(row));
      if (other !== undefined) return `offset ${text([row])} is visible twice: in ${other} and in ${final}`;
      seen.set(String(row), final);
    }
  }
  return undefined;
}

function forkProblem({ won }: World): string | undefined {
  for (const [index, a] of won.entries())
    for (const b of won.slice(index + 1))
      if (a.partition === b.partition && a.start < b.next && b.start < a.next)
        return `a fork: ${a.by} and ${b.by} were both told that they loaded ${a.partition}:${Math.max(a.start, b.start)}`;
  return undefined;
}

/** A marked hour holds everything that was acknowledged before it ended; a reader leaves markers older than the last rewrite alone. */
function markerProblem(files: MemoryFiles, world: World): string | undefined {
  for (let index = START_MS / HOUR_MS; hourEndMs(index) <= world.clockMs; index++) {
    const hour = hourName(index);
    const marker = files.read(`${TOPIC}/${hourDirectory(hour)}/_SUCCESS`);
    if (marker === undefined) continue;
    const { rewriteSeq } = JSON.parse(marker.toString()) as { rewriteSeq: number };
    if (rewriteSeq < (world.touched.get(hour) ?? 0)) continue;
    if (world.expiredHours.has(hour)) return `hour ${hour} is marked again after it was expired`;
    const visible = new Set([...visibleFiles(files).values()].flat().map(String));
    for (const [partition, arrivals] of world.arrivals.entries())
      for (const [offset, at] of arrivals.entries()) {
        const row: Row = [partition, offset];
        if (at < hourEndMs(index) && world.hourOf(row) === hour && !visible.has(String(row)))
          return `an early _SUCCESS: hour ${hour} is marked, ${text([row])} was acknowledged in time and is not visible`;
      }
  }
  return undefined;
}

/**
 * What is wrong if everybody dies now: operations on their way land or don't, then one process recovers. Afterwards exactly
 * what the chains cover is visible, it is what the fold says, and nothing that a loader was told is loaded is missing.
 */
export async function recoveryProblem({ files, late, world, model }: Execution): Promise<string | undefined> {
  const landings = [[], ...late.map((operation) => [operation]), ...(late.length > 1 ? [late] : [])];
  for (const landing of landings) {
    const copy = files.clone();
    const told = world.clone();
    for (const operation of landing)
      try {
        if (operation.act(copy) === 'published') told.notePublished(operation.path, copy);
      } catch {
        // nobody hears of it
      }
    const problem = await problemAfterRecovery(
      copy,
      told,
      model.view?.(new MemoryStore(copy)) ?? new MemoryStore(copy),
    );
    const when =
      landing.length > 0 ? `, after ${landing.map(({ path }) => path).join(' and ')} landed late` : '';
    if (problem !== undefined) return `if all die here${when}: ${problem}`;
  }
  return undefined;
}

async function problemAfterRecovery(
  files: MemoryFiles,
  world: World,
  store: Store,
): Promise<string | undefined> {
  drawFor(undefined);
  let state: TopicState;
  try {
    state = await recoverTopic(store, TOPIC);
  } catch (error) {
    return `recovery fails: ${String(error)}`;
  }
  return visibleProblem(files, world) ?? coverProblem(files, state, world);
}

/**
 * Whether visible rows are those that the chains cover, without those that were expired, and visible files those that are
 * live. A replay passes over rows of hours that may go, so of these some may be missing that no expiry has deleted.
 */
function coverProblem(
  files: MemoryFiles,
  { chains, ...state }: TopicState,
  world: World,
): string | undefined {
  const covered: Row[] = [];
  for (const [partition, start] of world.starts) {
    const head = chains.get(partition)?.head;
    if (head === undefined) return `the chain of partition ${partition} has no root any more`;
    const told = Math.max(...world.won.filter((won) => won.partition === partition).map(({ next }) => next));
    if (told > head)
      return `a loader was told that ${partition}:${told - 1} is loaded, the chain ends at ${head}`;
    covered.push(...Array.from({ length: head - start }, (_, i): Row => [partition, start + i]));
  }
  const visible = visibleFiles(files);
  const rows = [...visible.values()].flat().sort(compareRows);
  const seen = new Set(rows.map(String));
  const mayBeGone = (row: Row) => !seen.has(String(row)) && world.hourOf(row) < world.expiredBefore;
  const expected = covered.filter((row) => !world.expired.has(String(row)) && !mayBeGone(row));
  if (text(rows) !== text(expected.sort(compareRows)))
    return `visible is [${text(rows)}], the chains cover [${text(expected)}] that was not expired`;
  const live = new Set([...liveFiles({ chains, ...state })].map(({ final }) => final));
  const stray =
    [...visible.keys()].find((final) => !live.has(final)) ?? [...live].find((final) => !visible.has(final));
  return stray && `${stray} is ${live.has(stray) ? 'live and not visible' : 'visible and not live'}`;
}
