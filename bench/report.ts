/** Lines that the benchmarks print: one figure a line, beside the floor it is measured against. */
import { tableText } from '../cli/table.ts';
import type { Cost } from './measured.ts';

/** One measured program. `events`: how many it handled. */
export interface Figure extends Pick<Cost, 'seconds' | 'cpuSeconds' | 'peakMiB'> {
  name: string;
  events: number;
}

const thousands = (perSecond: number) =>
  Number.isFinite(perSecond) ? `${Math.round(perSecond / 1_000)} k` : '-';
const fixed = (value: number, digits: number) => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** Prints the figures; the last column compares each one's events per second with those of the first. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const rate = ({ events, seconds }: Figure) => events / seconds;
  const rows = figures.map((figure) => [
    figure.name,
    figure.events,
    fixed(figure.seconds, 2),
    thousands(rate(figure)),
    fixed(figure.cpuSeconds, 2),
    thousands(figure.events / figure.cpuSeconds),
    fixed(figure.peakMiB, 0),
    `${fixed(rate(figure) / rate(figures[0]!), 2)} x`,
  ]);
  const columns = ['', 'events', 'seconds', 'events/s', 'CPU s', 'events/CPU s', 'peak MiB', 'of first'];
  process.stdout.write(`\n${title}\n${tableText(columns, rows)}\n`);
}

/** Prints one sentence below the figures. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
