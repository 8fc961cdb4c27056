/**
 * `npm run test:fault`: the fault matrix as a table, case by case.
 */
import { Ground } from './support/ground.ts';
import { matrixCases } from './support/matrix.ts';
import { sideBySide } from './support/side-by-side.ts';

const only = new RegExp(process.argv[2] ?? '');
const ground = await Ground.open();
const t = performance.now();
for await (const r of sideBySide(
  matrixCases(false).filter(({ id, name }) => only.test(`${id} ${name}`)),
  Number(process.env['FAULT_WORKERS'] ?? 2),
  (one) => one.run(ground),
))
  console.log(
    r.problems.length === 0 ? 'ok  ' : 'FAIL',
    r.id,
    r.name,
    r.looks,
    r.restarts,
    r.undone,
    r.seconds.toFixed(1),
    r.problems,
  );
console.log(ground.path, performance.now() - t, process.cpuUsage());
await ground[Symbol.asyncDispose]();
process.exit(0);
