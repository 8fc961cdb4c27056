/**
 * The cases of the matrix in which an operator deletes what he should not: the doctor names it, no load builds on what is
 * broken, and the remedy that he is told makes the table whole again.
 */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readRecords, unnamedFiles } from './foreign-chain.ts';
import { ends, type RewriteCase } from './rewrite-cases.ts';
import type { Scene } from './scene.ts';

const HOUR = 'dt=2026-03-01/hour=00';
const CHAIN = '_loader/commits/p=00000/g=000000';

/** What the doctor finds; `status`: 1 if rows are concerned. */
async function doctorFinds(scene: Scene, kind: string, status: number): Promise<void> {
  const found = await scene.load({ command: 'doctor' });
  scene.expect(
    found.status === status && found.stdout.includes(`"${kind}"`),
    `the doctor ended with ${found.status} and found no ${kind}: ${found.stdout}`,
  );
}

async function markDeleted(scene: Scene): Promise<void> {
  rmSync(join(scene.root, HOUR, '_SUCCESS'));
  await doctorFinds(scene, 'marker', 0);
  await ends(scene, scene.start({ command: 'doctor', argv: ['--fix'] }));
  await scene.settle();
}

/** All files of an hour, with its marker. */
async function hourDeleted(scene: Scene): Promise<void> {
  rmSync(join(scene.root, HOUR, '_SUCCESS'));
  rmSync(join(scene.root, HOUR), { recursive: true });
  await doctorFinds(scene, 'missing file', 1);
  await scene.load();
  await scene.watcher.look();
  for (const partition of ['0', '1'])
    await ends(
      scene,
      scene.start({ command: 'replay', argv: ['--partition', partition, '--from-offset', '0'] }),
    );
  await scene.settle();
}

/** The last record of a chain; then it is put back, or the files that it named are moved away. */
const lastRecordDeleted = (isPutBack: boolean) => async (scene: Scene) => {
  const directory = join(scene.root, CHAIN);
  const name = readdirSync(directory).sort().at(-2)!; // the last is base.json
  const away = (path: string) => join(scene.warehouse, path.replaceAll('/', '_'));
  scene.watcher.namesAreKept = false;
  renameSync(join(directory, name), away(name));
  await doctorFinds(scene, 'unnamed file', 1);
  const { status, stderr } = await scene.load();
  scene.expect(
    status === 1 && /the record that names it was deleted/.test(stderr),
    `a load ended with ${status}: ${stderr.trim()}`,
  );
  const again = await scene.load();
  scene.expect(again.status === 1, `the next load ended with ${again.status}: ${again.stderr.trim()}`);
  if (isPutBack) renameSync(away(name), join(directory, name));
  else moveUnnamed(scene, away);
  scene.watcher.namesAreKept = true;
  await scene.settle();
};

/** Out of the table, and first the markers that promise them. */
function moveUnnamed({ root }: Scene, away: (path: string) => string): void {
  const paths = unnamedFiles(root, readRecords(root));
  for (const path of paths) rmSync(join(root, dirname(path), '_SUCCESS'), { force: true });
  for (const path of paths) renameSync(join(root, path), away(path));
}

const story = (name: string, play: RewriteCase['play']): RewriteCase => ({
  id: 'O1',
  name,
  needs: ['doctor'],
  losesPower: false,
  play,
});

export const OPERATOR_CASES: readonly RewriteCase[] = [
  story('the _SUCCESS of an hour is deleted', markDeleted),
  story('the files of an hour are deleted, and replayed', hourDeleted),
  story('the last record of a chain is deleted, and put back', lastRecordDeleted(true)),
  story('the last record of a chain is deleted, and its files moved away', lastRecordDeleted(false)),
];
