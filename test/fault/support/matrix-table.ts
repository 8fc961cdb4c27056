/**
 * The matrix and the mutants as tables, row by row as they are known.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ELSEWHERE } from './elsewhere.ts';
import type { Ground } from './ground.ts';
import { type MatrixCase, matrixCases } from './matrix.ts';
import { MUTANT_CASES, playMutant } from './mutant-cases.ts';
import { sideBySide } from './side-by-side.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** Widths of the columns but the last. */
const WIDTHS = [5, 88, 7, 7, 7, 7];

export interface TableOptions {
  only: RegExp;
  isFull: boolean;
  atOnce: number;
  print: (line: string) => void;
}

const line = (cells: readonly (string | number)[]) =>
  cells
    .map((cell, i) => (i < 2 ? String(cell).padEnd(WIDTHS[i]!) : String(cell).padStart(WIDTHS[i] ?? 0)))
    .join(' ');

/** Plays the matrix; returns how many cases failed. */
export async function printMatrix(
  ground: Ground,
  { only, isFull, atOnce, print }: TableOptions,
): Promise<number> {
  const fits = ({ id, name }: { id: string; name: string }) => only.test(`${id} ${name}`);
  const cases = matrixCases(isFull).filter(fits);
  const counts = { ok: 0, failed: 0, looks: 0, undone: 0 };
  print(line(['case', 'what goes wrong', 'loads', 'looks', 'undone', 'verdict']));
  const play = async (one: MatrixCase) => (one.lacks === undefined ? await one.run(ground) : one.lacks);
  let at = 0;
  for await (const result of sideBySide(cases, atOnce, play)) {
    const { id, name } = cases[at++]!;
    if (typeof result === 'string') {
      print(line([id, name, '', '', '', `not built: there is no command ${result}`]));
      continue;
    }
    const { problems, looks, restarts, undone } = result;
    counts[problems.length === 0 ? 'ok' : 'failed']++;
    counts.looks += looks;
    counts.undone += undone;
    print(line([id, name, restarts, looks, undone, problems.length === 0 ? 'ok' : 'FAILED']));
    for (const problem of problems) print(`      ${problem}`);
  }
  for (const { id, name, file } of ELSEWHERE.filter(fits)) {
    const isThere = existsSync(join(ROOT, file));
    if (!isThere) counts.failed++;
    print(line([id, name, '', '', '', isThere ? file : `FAILED: ${file} is not there`]));
  }
  print(
    `${counts.ok} cases passed, ${counts.failed} failed; the table was looked at ${counts.looks} times meanwhile; ${counts.undone} changes were not fsynced and were dropped`,
  );
  return counts.failed;
}

/** Plays the mutants; returns how many were not caught. */
export async function printMutants(ground: Ground, { only, atOnce, print }: TableOptions): Promise<number> {
  const chosen = MUTANT_CASES.filter(({ mutant }) => only.test(`mutant ${mutant}`));
  let missed = 0;
  if (chosen.length > 0) print(`\n${'mutant'.padEnd(42)} verdict`);
  for await (const { mutant, by, isCaught, why } of sideBySide(chosen, atOnce, (one) =>
    playMutant(ground, one),
  )) {
    if (!isCaught) missed++;
    print(`${mutant.padEnd(42)} ${isCaught ? 'caught' : 'NOT CAUGHT'} by "${by}": ${why}`);
  }
  if (chosen.length > 0) print(`${chosen.length - missed} of ${chosen.length} mutants caught`);
  return missed;
}
