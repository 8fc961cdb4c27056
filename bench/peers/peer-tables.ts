/**
 * How a comparison is shown: a line of ratios for each peer, then the runs of all sides, then what each process cost; as text
 * for people, or as Markdown for docs/benchmarks.md.
 */
import { tableText } from '../../cli/table.ts';
import type { SideResult } from './comparison.ts';

/** What was compared. `bytesEach`: the size of an event, on average. */
export interface Compared {
  title: string;
  events: number;
  bytesEach: number;
}

const fixed = (value: number, digits: number) => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** Prints one comparison; ours is the first of its sides. */
export function printComparison(compared: Compared, sides: readonly SideResult[], markdown: boolean): void {
  const [ours, ...peers] = sides;
  const table = markdown ? markdownTable : tableText;
  const parts = [
    `\n${compared.title}\n`,
    peers.map((peer) => ratios(ours!, peer)).join(markdown ? '\n\n' : '\n'),
    table(...runsTable(compared, sides)),
    table(...processTable(compared, sides)),
  ];
  process.stdout.write(`${parts.join(markdown ? '\n\n' : '\n')}\n`);
}

/** Ratios of ours to the peer's, for all that both have. */
function ratios(ours: SideResult, peer: SideResult): string {
  const shared = Object.keys(ours.processes).filter((name) => name in peer.processes);
  const costs = shared.map((name) => {
    const [a, b] = [ours.processes[name]!, peer.processes[name]!];
    return `${name} ${fixed(a.cpuSeconds / b.cpuSeconds, 2)} x CPU, ${fixed(a.peakMiB / b.peakMiB, 2)} x memory`;
  });
  const speed = `${fixed(peer.seconds / ours.seconds, 2)} x events/s`;
  return `${ours.name} : ${peer.name} = ${[speed, ...costs].join('; ')}`;
}

type TableParts = [head: string[], rows: string[][]];

function runsTable({ events, bytesEach }: Compared, sides: readonly SideResult[]): TableParts {
  const further = [...new Set(sides.flatMap((side) => Object.keys(side.further)))];
  const rows = sides.map((side) => [
    side.name,
    fixed(side.seconds, 2),
    `${fixed(side.fastest, 2)} – ${fixed(side.slowest, 2)}`,
    `${fixed(events / side.seconds / 1_000, 0)} k`,
    fixed((events * bytesEach) / side.seconds / 1e6, 1),
    ...further.map((name) => fixed(side.further[name] ?? Number.NaN, 2).replace(/\.00$/, '')),
  ]);
  return [['', 'seconds, median', 'from – to', 'events/s', 'MB/s', ...further], rows];
}

function processTable({ events }: Compared, sides: readonly SideResult[]): TableParts {
  const names = [...new Set(sides.flatMap((side) => Object.keys(side.processes)))];
  const rows = names.flatMap((name) =>
    sides.flatMap((side) => {
      const usage = side.processes[name];
      if (!usage) return [];
      const perMillion = (usage.cpuSeconds / events) * 1e6;
      const figures = [fixed(usage.cpuSeconds, 2), fixed(perMillion, 2), fixed(usage.peakMiB, 0)];
      return [[name, side.name, ...figures]];
    }),
  );
  return [['process', 'with', 'CPU s', 'CPU s per M events', 'peak MiB'], rows];
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
