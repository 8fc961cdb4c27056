/**
 * What a simulated week must end with, whatever its warehouse is, as tests: nothing lost, nothing twice, nothing left to
 * be done by hand.
 */
import { describe, expect, it } from 'vitest';
import { runAggregate } from '../../cli/aggregate.ts';
import { readQueries } from '../../jobs/query-file.ts';
import { listMarkedHours, newestMarker } from '../../loader/hour-marker.ts';
import { chainsDirectory, hoursDirectory, rewritesDirectory } from '../../loader/paths.ts';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import { queryAggregate, queryTable, type Row, visibleOffsets } from './foreign-eyes.ts';
import { runCli } from './run-cli.ts';
import type { SimulatedWeek } from './simulated-week.ts';
import {
  EVENTS_PER_HOUR,
  FAILED_RUNS,
  FAILING,
  HOUR_NAMES,
  HOURS,
  PARTITIONS,
  RUNS,
  TOPICS,
} from './week-plan.ts';

/** The directories of a topic's rows. */
const rowsOf = (topic: string) => `${topic}/dt=*`;
const ROWS = HOURS * EVENTS_PER_HOUR;

/** What the aggregates of a topic say to readers of a local warehouse, by query. */
async function answers(local: string, topic: string): Promise<Record<string, Row[]>> {
  const names = (await readQueries()).map(({ name }) => name);
  const all = names.map((name) => queryAggregate(local, name, topic, 'SELECT * FROM TABLE ORDER BY ALL'));
  return Object.fromEntries((await Promise.all(all)).map((rows, i) => [names[i], rows]));
}

/** Every event once, in its hour. */
async function checkRows({ traffic, warehouse, events }: SimulatedWeek): Promise<void> {
  expect(traffic.sent).toBe(ROWS * TOPICS.length);
  const seen = await warehouse.copyOf(TOPICS.map(rowsOf));
  for (const topic of TOPICS) {
    const share = ROWS / PARTITIONS[topic]!;
    const found = await visibleOffsets(seen, topic);
    expect(found.map((one) => [one.rows, one.distinct, one.max + 1])).toEqual(
      Array.from({ length: PARTITIONS[topic]! }, () => [share, share, share]),
    );
  }
  for (const topic of events) {
    const misplaced = await queryTable(
      seen,
      topic,
      "SELECT count(*) AS n FROM TABLE WHERE strftime(event_time, '%Y-%m-%d %H') <> dt || ' ' || hour",
    );
    expect(misplaced).toEqual([{ n: '0' }]);
  }
}

async function checkHours({ store, told, events }: SimulatedWeek, topic: string): Promise<void> {
  const marked = await listMarkedHours(store, topic);
  expect(marked.filter((hour) => HOUR_NAMES.includes(hour))).toEqual(HOUR_NAMES);
  const ofTopic = told.flatMap((one) => (one.event === 'hour-complete' && one.topic === topic ? one : []));
  for (const hour of HOUR_NAMES) {
    const versions = ofTopic.filter((one) => one.hour === hour).map(({ version }) => version);
    expect([hour, versions.at(-1)]).toEqual([hour, (await newestMarker(store, topic, hour))?.version]);
  }
  expect(new Set(ofTopic.map(({ id }) => id)).size).toBe(ofTopic.length);
  // Events came late to hours that were complete by then.
  if (events.includes(topic)) expect(ofTopic.length).toBeGreaterThan(HOURS);
}

function checkNews({ told, ticks, warnings, warehouse }: SimulatedWeek): void {
  const news = told.flatMap((one) => (one.event === 'hour-complete' ? [] : `${one.event} ${one.job}`));
  const ofAll = (event: string) => FAILING.flatMap((job) => TOPICS.map(() => `${event} ${job}`));
  expect(news).toEqual([...ofAll('failed'), ...ofAll('recovered'), 'failed topics', 'recovered topics']);
  expect(ticks.filter(({ state }) => state === 'failed')).toHaveLength(FAILED_RUNS);
  expect(ticks.at(-1)?.failing).toEqual([]);
  expect(ticks).toHaveLength(RUNS);
  const isSilence = (line: string) => /tried 127\.0\.0\.1/.test(line) || warehouse.silence.test(line);
  expect(warnings.filter((line) => !isSilence(line))).toEqual([]);
}

async function checkAudit({ address, warehouse, context }: SimulatedWeek, topic: string): Promise<void> {
  const schemas = Object.entries(context.settings.topics).map(
    ([name, { schema }]) => `topics.${name}.schema=${schema}`,
  );
  const { status, stdout, stderr } = await runCli([
    ...['audit', '--topic', topic, '--json', '--broker', address, '--warehouse', warehouse.url],
    ...schemas.flatMap((set) => ['--set', set]),
  ]);
  expect([status, stderr]).toEqual([0, '']);
  const answer = JSON.parse(stdout) as { hours: { hour: string; verdict: string }[] };
  const within = answer.hours.filter(({ hour }) => HOUR_NAMES.includes(hour));
  expect(within.filter(({ verdict }) => verdict !== 'OK')).toEqual([]);
  expect(within).toHaveLength(HOURS);
}

/** Those from scratch are made from a copy of the table, and of what the loader knows of it, that has no aggregates. */
async function checkAggregates({ context, warehouse }: SimulatedWeek, topic: string): Promise<void> {
  const grown = await answers(await warehouse.copyOf(['_aggregates']), topic);
  expect(grown['traffic_by_hour']).toHaveLength(HOURS);
  const known = [chainsDirectory(topic), rewritesDirectory(topic), hoursDirectory(topic)];
  const copy = await warehouse.copyOf([rowsOf(topic), ...known]);
  await using store = await DirectoryStore.open(copy);
  await runAggregate(context, store, { topic });
  expect(await answers(copy, topic)).toEqual(grown);
}

/** Declares the tests of a week that was played; `events`: its topics that have aggregates. */
export function checkWeek(events: readonly string[], week: () => SimulatedWeek): void {
  describe('a week that nobody looks after ends with', () => {
    it('every event there once, in its hour', () => checkRows(week()));
    it.each(TOPICS)('every hour of %s complete and told, the last word being what its marker says', (topic) =>
      checkHours(week(), topic),
    );
    it('each failure and its end told once, and nothing failing', () => checkNews(week()));
    it.each(TOPICS)('an audit of %s that finds nothing wrong', (topic) => checkAudit(week(), topic));
    it.each(events)('aggregates of %s, grown hour by hour, that equal those made from scratch', (topic) =>
      checkAggregates(week(), topic),
    );
  });
}
