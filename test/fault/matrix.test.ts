/**
 * The fault matrix and its mutants, as `npm run test:fault` prints them.
 */
import { expect, test } from 'vitest';
import { Ground } from './support/ground.ts';
import { printMatrix, printMutants } from './support/matrix-table.ts';

const lines: string[] = [];
const options = {
  only: /./,
  isFull: process.env['FAULT_FULL'] !== undefined,
  atOnce: Number(process.env['FAULT_AT_ONCE'] ?? 3),
  print: (line: string) => void lines.push(line),
};

test('every case of the fault matrix ends with each row once, and every mutant is caught', {
  timeout: 3_600_000,
}, async () => {
  await using ground = await Ground.open();
  const failed = (await printMatrix(ground, options)) + (await printMutants(ground, options));
  expect(failed, lines.join('\n')).toBe(0);
});
