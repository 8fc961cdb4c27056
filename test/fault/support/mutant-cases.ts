/**
 * Which case of the matrix must fail under which mutant, and by what it is known there. A mutant that its case does not
 * catch is a hole in the suite.
 */
import type { Ground } from './ground.ts';
import { type MatrixCase, matrixCases, rewriteCase } from './matrix.ts';
import type { MutantName } from './mutants.ts';
import { LINK_CASE } from './rewrite-cases.ts';

interface MutantCase {
  mutant: MutantName;
  /** The case, by its whole name. */
  by: string;
  /** What it must complain of. */
  says: RegExp;
}

export const MUTANT_CASES: readonly MutantCase[] = [
  {
    mutant: 'publish overwrites',
    by: 'one sleeps before it writes the record of a part, another loads, it wakes',
    says: /published a record|no record names|neither staged nor in place/,
  },
  {
    mutant: 'sweep by age',
    by: 'a publish lands after its sender gave up and another load swept',
    says: /rows are lost|neither staged nor in place/,
  },
  {
    mutant: 'time-out taken as failure',
    by: 'published, the answer lost',
    says: /rows are lost|neither staged nor in place/,
  },
  {
    mutant: 'no roll-forward',
    by: 'killed when it has published; the power goes',
    says: /rows are lost|is not there/,
  },
  {
    mutant: 'move by link',
    by: LINK_CASE.name,
    says: /visible twice|it is not well/,
  },
  {
    mutant: 'publisher makes the parent',
    by: 'one sleeps before it publishes into a generation that is sealed and removed meanwhile',
    says: /a generation that was gone is back/,
  },
  {
    mutant: 'marker from published but unapplied',
    by: 'swept and judged while a record is unapplied',
    says: /early _SUCCESS/,
  },
  {
    mutant: 'clock read after the watermark',
    by: 'one sleeps over the end of an hour, after it asked for the high watermark',
    says: /early _SUCCESS/,
  },
  {
    mutant: 'record not fsynced before it is applied',
    by: 'killed when its moves are fsynced; the power goes',
    says: /visible twice|no record names/,
  },
  {
    mutant: 'staged data not fsynced',
    by: 'killed when it has published; the power goes',
    says: /neither staged nor in place|another size|has \d+ bytes|No magic bytes/,
  },
  {
    mutant: 'moves not fsynced',
    by: 'killed when its moves are fsynced; the power goes',
    says: /rows are lost|is not there/,
  },
  {
    mutant: 'names reused',
    by: 'replay killed when it has published, the next load when one new file is there',
    says: /rows are lost|it is not well/,
  },
  {
    mutant: 'no carry-over',
    by: 'replay killed when it has published; the power goes',
    says: /rows are lost/,
  },
  {
    mutant: 'rewrites per partition',
    by: 'a compaction sleeps before it stages a file, a replay works',
    says: /visible twice|which is not there/,
  },
  {
    mutant: 'names freed singly',
    by: 'one sleeps before it writes the record of a part, another loads, it wakes',
    says: /visible twice|is not part of the chain/,
  },
  {
    mutant: 'trash deleted without a fence',
    by: 'an undo lands after its sender gave up and an expiry deleted the trash',
    says: /rows are lost|neither staged nor in place/,
  },
  {
    mutant: 'undo without looking',
    by: 'an undo sleeps before it publishes, an expiry deletes the trash',
    says: /rows are lost|neither staged nor in place/,
  },
];

export interface MutantResult {
  mutant: MutantName;
  by: string;
  isCaught: boolean;
  /** What the case complained of, or what it should have. */
  why: string;
}

/** Plays the case under its mutant. */
export async function playMutant(ground: Ground, { mutant, by, says }: MutantCase): Promise<MutantResult> {
  const played: MatrixCase | undefined = [...matrixCases(false), rewriteCase(LINK_CASE)].find(
    ({ name }) => name === by,
  );
  if (played === undefined) throw new Error(`no case is called "${by}"`);
  const { problems } = await played.run(ground, { mutants: [mutant] });
  const complaint = problems.find((problem) => says.test(problem));
  const why = complaint ?? `nothing like ${says}, but ${JSON.stringify(problems)}`;
  return { mutant, by, isCaught: complaint !== undefined, why };
}
