/**
 * What the demo shows in the end: numbers of one run made readable for a person who has never seen the program. Pure.
 */
import { bytesText, counted, groupDigits, secondsText } from './output.ts';
import { tableText } from './table.ts';

/** Longest bar of the chart. */
const BAR_WIDTH = 48;

/** What a bar of the chart may stand for: the length of its name in an hour's, and the most lines before the next unit is taken. */
const CHART_UNITS = [
  {
    unit: 'hour',
    length: '2026-11-22T13'.length,
    lines: 48,
    step: (d: Date) => d.setUTCHours(d.getUTCHours() + 1),
  },
  {
    unit: 'day',
    length: '2026-11-22'.length,
    lines: 92,
    step: (d: Date) => d.setUTCDate(d.getUTCDate() + 1),
  },
  {
    unit: 'month',
    length: '2026-11'.length,
    lines: 60,
    step: (d: Date) => d.setUTCMonth(d.getUTCMonth() + 1),
  },
  {
    unit: 'year',
    length: '2026'.length,
    lines: 10_000,
    step: (d: Date) => d.setUTCFullYear(d.getUTCFullYear() + 1),
  },
] as const;

/** One stage of the pipeline: what it was, how many events went through it, and how long that took. */
export interface Stage {
  name: string;
  events: number;
  seconds: number;
}

/** Everything the report needs. Hours are names as `2026-11-22T13`. */
export interface DemoResult {
  topic: string;
  stages: readonly Stage[];
  hours: readonly { hour: string; events: number }[];
  topPaths: readonly { path: string; events: number }[];
  sessions: { byHost: number; byVisitor: number };
  rows: number;
  quarantined: number;
  files: number;
  bytes: number;
  completeHours: number;
  /** Path of the directory that holds the table, and of everything the demo left. */
  warehouse: string;
  directory: string;
}

/** All names of a unit from one hour to another, those without events too; undefined: more than its lines. */
function namesBetween(first: string, last: string, { length, lines, step }: (typeof CHART_UNITS)[number]) {
  const names: string[] = [];
  const date = new Date(`${first.slice(0, length)}${'0000-01-01T00:00Z'.slice(length)}`);
  for (let name = ''; name < last.slice(0, length); step(date)) {
    if (names.length === lines) return undefined;
    name = date.toISOString().slice(0, length);
    names.push(name);
  }
  return names;
}

/** The chart's lines, one for each hour from the first to the last, or for longer units where these are too many. */
function chartRows(hours: DemoResult['hours']): { unit: string; rows: { name: string; events: number }[] } {
  const [first, last] = [hours[0]?.hour ?? '', hours.at(-1)?.hour ?? ''];
  for (const each of CHART_UNITS) {
    const names = namesBetween(first, last, each);
    if (names === undefined) continue;
    const sums = new Map(names.map((name) => [name, 0]));
    for (const { hour, events } of hours) {
      const name = hour.slice(0, each.length);
      sums.set(name, (sums.get(name) ?? 0) + events);
    }
    return { unit: each.unit, rows: [...sums].map(([name, events]) => ({ name, events })) };
  }
  return { unit: 'hour', rows: [] };
}

/** A bar chart in the terminal: a heading, then a line per hour (or longer unit), the bar as long as its share of the largest. */
export function barChart(hours: DemoResult['hours']): string[] {
  const { unit, rows } = chartRows(hours);
  const most = Math.max(1, ...rows.map((r) => r.events));
  const width = groupDigits(most).length;
  const lines = rows.map(({ name, events }) => {
    const length = Math.round((events / most) * BAR_WIDTH);
    // An hour with events never looks empty.
    const bar = '█'.repeat(events > 0 ? Math.max(1, length) : 0);
    return `  ${name}  ${groupDigits(events).padStart(width)}  ${bar}`.trimEnd();
  });
  return [`Events per ${unit} (UTC)`, ...lines];
}

function stageTable(stages: readonly Stage[]): string {
  const rows = stages.map(({ name, events, seconds }) => [
    `  ${name}`,
    events,
    secondsText(seconds),
    seconds > 0 ? Math.round(events / seconds) : null,
  ]);
  return tableText(['  stage', 'events', 'time', 'events/s'], rows);
}

/** Quotes a path for SQL inside double shell quotes. */
const sqlText = (path: string) => `'${path.replaceAll("'", "''")}'`;

/** The whole report. */
export function demoText(result: DemoResult): string {
  const { topic, hours, sessions, topPaths, warehouse, directory } = result;
  const glob = `${warehouse}/${topic}/dt=*/hour=*/*.parquet`;
  return [
    ...barChart(hours),
    '',
    'Busiest pages',
    tableText(
      ['  page', 'events'],
      topPaths.map(({ path, events }) => [`  ${path}`, events]),
    ),
    '',
    `Sessions (30 minutes of silence end one): ${groupDigits(sessions.byVisitor)} by visitor, ${groupDigits(sessions.byHost)} by host`,
    '',
    'What went through',
    stageTable(result.stages),
    '',
    `${counted(result.rows, 'row')} in ${counted(result.files, 'Parquet file')}, ${bytesText(result.bytes)}; ` +
      `${groupDigits(result.completeHours)} of ${counted(hours.length, 'hour')} complete; ${counted(result.quarantined, 'event')} refused.`,
    `Everything lies in ${directory}. Query it with DuckDB:`,
    `  duckdb -c "SELECT dt, hour, count(*) FROM read_parquet(${sqlText(glob)}, hive_partitioning = true) GROUP BY ALL ORDER BY ALL"`,
  ].join('\n');
}
