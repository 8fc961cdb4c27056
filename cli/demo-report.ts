/**
 * What the demo shows in the end: numbers of one run made readable for a person who has never seen the program. Pure.
 */
import { bytesText, groupDigits, secondsText } from './output.ts';
import { tableText } from './table.ts';

/** Longest bar of the chart, and the most lines it may have before hours are added up to days. */
const BAR_WIDTH = 48;
const CHART_LINES = 48;

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

/** The chart's lines: hours, or days where there are too many hours. */
function chartRows(hours: DemoResult['hours']): { name: string; events: number }[] {
  if (hours.length <= CHART_LINES) return hours.map(({ hour, events }) => ({ name: hour, events }));
  const days = new Map<string, number>();
  for (const { hour, events } of hours)
    days.set(hour.slice(0, 10), (days.get(hour.slice(0, 10)) ?? 0) + events);
  return [...days].map(([name, events]) => ({ name, events }));
}

/** A bar chart in the terminal: one line per hour (or day), the bar as long as its share of the largest. */
export function barChart(hours: DemoResult['hours']): string[] {
  const rows = chartRows(hours);
  const most = Math.max(1, ...rows.map((r) => r.events));
  const width = groupDigits(most).length;
  return rows.map(({ name, events }) => {
    const length = Math.round((events / most) * BAR_WIDTH);
    // An hour with events never looks empty.
    const bar = '█'.repeat(events > 0 ? Math.max(1, length) : 0);
    return `  ${name}  ${groupDigits(events).padStart(width)}  ${bar}`.trimEnd();
  });
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
  const unit = hours.length <= CHART_LINES ? 'hour' : 'day';
  const glob = `${warehouse}/${topic}/dt=*/hour=*/*.parquet`;
  return [
    `Events per ${unit} (UTC)`,
    ...barChart(hours),
    '',
    'Most viewed pages',
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
    `${groupDigits(result.rows)} rows in ${groupDigits(result.files)} Parquet files, ${bytesText(result.bytes)}; ` +
      `${groupDigits(result.completeHours)} of ${groupDigits(hours.length)} hours complete; ${groupDigits(result.quarantined)} events refused.`,
    `Everything lies in ${directory}. Query it with DuckDB:`,
    `  duckdb -c "SELECT dt, hour, count(*) FROM read_parquet(${sqlText(glob)}, hive_partitioning = true) GROUP BY ALL ORDER BY ALL"`,
  ].join('\n');
}
