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
    'Events per hour (UTC)',
    `  2026-11-22T12  2,000  ${'█'.repeat(48)}`,
    `  2026-11-22T13  1,000  ${'█'.repeat(24)}`,
    '  2026-11-22T14      1  █',
    '  2026-11-22T15      0',
  ]);
});

it('many hours are added up to days', () => {
  const lines = barChart(Array.from({ length: 72 }, (_, n) => ({ hour: hour(n), events: 10 })));
  expect(lines).toHaveLength(1 + 3);
  expect(lines[0]).toBe('Events per day (UTC)');
  expect(lines[1]).toMatch(/^ {2}2026-11-01 {2}240 /);
});

it('hours, days and months without events have their line', () => {
  const named = (...hours: string[]) =>
    barChart(hours.map((each) => ({ hour: each, events: 1 }))).map((line) => line.split('  ').slice(1, 3));
  expect(named('2016-02-28T23', '2016-02-29T02')).toEqual([
    [],
    ['2016-02-28T23', '1'],
    ['2016-02-29T00', '0'],
    ['2016-02-29T01', '0'],
    ['2016-02-29T02', '1'],
  ]);
  expect(named('2016-02-27T23', '2016-03-01T23').map(([name]) => name)).toEqual([
    undefined,
    '2016-02-27',
    '2016-02-28',
    '2016-02-29',
    '2016-03-01',
  ]);
  expect(named('2015-12-31T23', '2016-04-01T00').map(([name]) => name)).toEqual([
    undefined,
    '2015-12',
    '2016-01',
    '2016-02',
    '2016-03',
    '2016-04',
  ]);
  expect(named('1990-01-01T00', '2026-11-22T13')).toHaveLength(1 + 37);
  expect(barChart([])).toEqual(['Events per hour (UTC)']);
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
    '1,000,000 rows in 4 Parquet files, 40.0 MiB; 1 of 1 hour complete; 0 events refused.',
  );
  expect(text).toMatch(/load +1,000,000 +4\.0 s +250,000/);
  expect(text).toContain("'/srv/it''s/warehouse/activity/dt=*/hour=*/*.parquet'");
});
