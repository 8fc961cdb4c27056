/**
 * The fault matrix: every case there is, and how each is played. Rows that wait for a command, and rows that another
 * suite plays, are in it too, so that nothing is left out in silence.
 */
import { EXPIRY_CASES } from './expiry-cases.ts';
import { readRecords } from './foreign-chain.ts';
import type { CaseResult, Ground } from './ground.ts';
import { KILL_CASES, type KillCase } from './kill-cases.ts';
import { LOG_CASES } from './log-cases.ts';
import type { MutantName } from './mutants.ts';
import { OPERATOR_CASES } from './operator-cases.ts';
import { missingCommand, REWRITE_CASES, type RewriteCase } from './rewrite-cases.ts';
import { LOAD_MS, type Scene } from './scene.ts';
import { SIGN_CASES } from './sign-cases.ts';
import { MINUTE_MS } from './topic-truth.ts';
import { ZOMBIE_CASES } from './zombie-cases.ts';

export interface PlayOptions {
  mutants?: readonly MutantName[];
}

export interface MatrixCase {
  id: string;
  name: string;
  /** A command that is not there yet. */
  lacks?: string | undefined;
  run: (ground: Ground, options?: PlayOptions) => Promise<CaseResult>;
}

/** One fault in one load, loads until all is quiet, the checker. */
async function playKill(scene: Scene, { points, publishes }: KillCase): Promise<void> {
  const before = readRecords(scene.root).records;
  await scene.load({ points });
  const published = readRecords(scene.root).records - before;
  if (publishes !== undefined)
    scene.expect(
      published === publishes,
      `the faulted load published ${published} records, not ${publishes}`,
    );
  await scene.watcher.look();
  await scene.settle();
}

const first = (isFirst: boolean | undefined) => (isFirst ? { template: undefined } : {});
const doesKill = ({ points }: KillCase) => points.some(({ act }) => act.startsWith('kill'));

/** A kill is played twice where there is time for it: the kernel lives on; the power goes, and all that was not fsynced. */
function killCases(one: KillCase, isFull: boolean): MatrixCase[] {
  const powers = doesKill(one) ? (isFull ? [true, false] : [true]) : [false];
  return powers.map((losesPower) => {
    const name = losesPower ? `${one.name}; the power goes` : one.name;
    return {
      id: one.id,
      name,
      run: (ground, { mutants = [] } = {}) =>
        ground.run({ id: one.id, name }, { mutants, losesPower, ...first(one.isFirst) }, (scene) =>
          playKill(scene, one),
        ),
    };
  });
}

/** By the clock of a run after both loads. */
const REWRITE_MS = LOAD_MS + MINUTE_MS;

export function rewriteCase(one: RewriteCase): MatrixCase {
  const { id, name, losesPower, isUnloaded, play, loadMs = REWRITE_MS } = one;
  return {
    id,
    name,
    lacks: missingCommand(one),
    run: (ground, { mutants = [] } = {}) => {
      const template = isUnloaded ? ground.template : ground.loadedTemplate;
      return ground.run({ id, name }, { mutants, losesPower, template, loadMs }, play);
    },
  };
}

/** All cases in the order of their numbers. `isFull`: each kill also without the loss of power. */
export function matrixCases(isFull: boolean): MatrixCase[] {
  const kills = KILL_CASES.flatMap((one) => killCases(one, isFull));
  const zombies = ZOMBIE_CASES.map(
    ({ isFirst, play, ...named }): MatrixCase => ({
      ...named,
      run: (ground, { mutants = [] } = {}) => ground.run(named, { mutants, ...first(isFirst) }, play),
    }),
  );
  const logs = [...SIGN_CASES, ...LOG_CASES].map(
    ({ play, id, name, ...options }): MatrixCase => ({
      id,
      name,
      run: (ground, { mutants = [] } = {}) => ground.runApart({ id, name }, { mutants, ...options }, play),
    }),
  );
  return [
    ...kills,
    ...zombies,
    ...[...REWRITE_CASES, ...EXPIRY_CASES, ...OPERATOR_CASES].map(rewriteCase),
    ...logs,
  ];
}
