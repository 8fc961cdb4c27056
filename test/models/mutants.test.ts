import { afterAll, describe, expect, test } from 'vitest';
import { predictableIds } from './attempt-ids.ts';
import { MUTANTS } from './mutants.ts';
import { search } from './search.ts';

const MAX_STATES = 8_000;

describe('the models catch a protocol with one rule broken', () => {
  const rows: string[][] = [['mutant', 'states', 'schedules', 'what broke']];
  test.each(MUTANTS)('$name', { timeout: 60 * 60_000 }, async ({ name, model }) => {
    using _ = predictableIds();
    const { violation, states, runs } = await search({ name, ...model }, { maxStates: MAX_STATES });
    rows.push([name, String(states), String(runs), violation?.problem ?? 'NOT CAUGHT']);
    expect(violation, 'nothing broke').toBeDefined();
  });
  afterAll(() => {
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    const line = (row: string[]) =>
      row.map((cell, column) => (column === 3 ? cell : cell.padEnd(widths[column]!))).join('  ');
    console.log(rows.map(line).join('\n'));
  });
});
