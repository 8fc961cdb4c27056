/** The demo's last page. */
import { expect, it } from 'vitest';
import { barChart, type DemoResult, demoText } from '../../../cli/demo-report.ts';

const hour = (n: number) => new Date(Date.UTC(2026, 10, 1, n)).toISOString().slice(0, 13);

it('bars are as long as their share, and an hour with few events still has one', () => {
  const lines = barChart([
    { hour: '2026-11-22T12', events: 2000 },
    { hour: '2026-11-22T13', events: 1000 },
    { hour: '2026-11-22T14', events: 1 },
    { hour: '2026-11-22T15', events: 0 },
  ]);
  expect(lines).toEqual([
    `  2026-11-22T12  2,000  ${'█'.repeat(48)}`,
    `  2026-11-22T13  1,000  ${'█'.repeat(24)}`,
    '  2026-11-22T14      1  █',
    '  2026-11-22T15      0',
  ]);
});

it('many hours are added up to days', () => {
  const lines = barChart(Array.from({ length: 72 }, (_, n) => ({ hour: hour(n), events: 10 })));
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^ {2}2026-11-01 {2}240 /);
});

it('the report names the sums, the speed of each stage, the place and a query', () => {
  const result: DemoResult = {
    topic: 'activity',
    stages: [{ name: 'load', events: 1_000_000, seconds: 4 }],
    hours: [{ hour: '2026-11-22T12', events: 1_000_000 }],
    topPaths: [{ path: '/', events: 77 }],
    sessions: { byHost: 5, byVisitor: 6 },
    rows: 1_000_000,
    quarantined: 0,
    files: 4,
    bytes: 40 * 2 ** 20,
    completeHours: 1,
    warehouse: "/srv/it's/warehouse",
    directory: '/srv',
  };
  const text = demoText(result);
  expect(text).toContain(
    '1,000,000 rows in 4 Parquet files, 40.0 MiB; 1 of 1 hours complete; 0 events refused.',
  );
  expect(text).toMatch(/load +1,000,000 +4\.0 s +250,000/);
  expect(text).toContain("'/srv/it''s/warehouse/activity/dt=*/hour=*/*.parquet'");
});
