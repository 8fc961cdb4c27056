/**
 * `npm run test:fault`: the fault matrix and its mutants as tables, case by case; exit 1 if a case fails or a mutant is not
 * caught. `-- PATTERN` plays the cases whose line fits, `-- --full` each kill also without a loss of power, `-- --soak
 * EVENTS KILLS` kills a load at random again and again instead.
 */
import { parseArgs } from 'node:util';
import { Ground } from './support/ground.ts';
import { printMatrix, printMutants } from './support/matrix-table.ts';
import { soak } from './support/soak.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean', default: process.env['FAULT_FULL'] !== undefined },
    soak: { type: 'boolean', default: false },
    seed: { type: 'string', default: '20261122' },
  },
});
const print = (text: string) => void process.stdout.write(`${text}\n`);

async function tables(): Promise<number> {
  await using ground = await Ground.open();
  const atOnce = Number(process.env['FAULT_AT_ONCE'] ?? 3);
  const options = { only: new RegExp(positionals.join(' ')), isFull: values.full, atOnce, print };
  return (await printMatrix(ground, options)) + (await printMutants(ground, options));
}

const [events = 1_000_000, kills = 20] = positionals.map(Number);
const failed = values.soak ? await soak({ events, kills, seed: Number(values.seed), print }) : await tables();
process.exit(failed === 0 ? 0 : 1);
