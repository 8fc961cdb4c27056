/**
 * The main job through the real command line: an access log into a topic, a parallel load, aggregates, and every number
 * equal to what an independent oracle counted. Then the same on generated activity, counted independently here.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateActivity } from '../../jobs/activity-in/activity-generator.ts';
import { type Row, Snapshots, visibleOffsets } from '../support/foreign-eyes.ts';
import { type BrokerProcess, runCli, startBrokerProcess } from '../support/run-cli.ts';
import { type Oracle, sharedLog } from '../support/shared-data.ts';
import { TempDir } from '../support/temp-dir.ts';

const shared = sharedLog('the main job over the real log against its oracle');
/** Each hour has a file of each: 781 hours make the test as long as it is. */
const PARTITIONS = 2;
const MINUTES_MS = 240_000;

/** `load --json`, as the command line's contract names its members. */
interface LoadAnswer {
  runId: string;
  topics: { topic: string; partitions: Record<string, number | boolean | null>[] }[];
  rows: number;
  quarantined: number;
  files: number;
  bytes: number;
  hours: string[];
  seconds: number;
}

let dir: TempDir;
let broker: BrokerProcess;
let warehouse: string;
/** The tables do not change once they are loaded and aggregated, and have some thousand files. */
let snapshots: Snapshots;
beforeAll(async () => {
  snapshots = await Snapshots.open();
  dir = new TempDir('main-job');
  warehouse = dir.join('warehouse');
  broker = await startBrokerProcess(dir.join('logs'));
});
afterAll(async () => {
  snapshots[Symbol.dispose]();
  await broker[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** The JSON of a command that must end well and without a word on stderr. */
async function jsonOf(...argv: string[]): Promise<unknown> {
  const { status, stdout, stderr } = await runCli(
    [...argv, '--json', '--broker', broker.address, '--warehouse', `file:${warehouse}`],
    { cwd: dir.path },
  );
  expect([argv[0], status, stderr]).toEqual([argv[0], 0, '']);
  return JSON.parse(stdout);
}

const loadOf = async (topic: string) => (await jsonOf('load', '--topic', topic)) as LoadAnswer;

/** Every offset from 0 to the partition's end lies there once, and together they are `rows`. */
async function expectEachOffsetOnce(topic: string, answer: LoadAnswer, rows: number): Promise<void> {
  const offsets = await visibleOffsets(warehouse, topic);
  for (const { partition, ...found } of offsets) {
    const next = Number(
      answer.topics[0]?.partitions.find((p) => p['partition'] === partition)?.['nextOffset'],
    );
    expect({ partition, ...found }).toEqual({ partition, rows: next, distinct: next, min: 0, max: next - 1 });
  }
  expect(offsets.reduce((sum, found) => sum + found.rows, 0)).toBe(rows);
}

const query = (topic: string) => (sql: string) => snapshots.table(warehouse, topic, sql);
const aggregate = (topic: string, name: string, sql: string) =>
  snapshots.aggregate(warehouse, name, topic, sql);

/** Rows of `hour`, and perhaps `key`, and `n` as the nested object the oracle writes. */
const byHour = (rows: Row[]) => Object.fromEntries(rows.map(({ hour, n }) => [hour, Number(n)]));
function byHourAndKey(rows: Row[]): Record<string, Record<string, number>> {
  const groups = Map.groupBy(rows, ({ hour }) => String(hour));
  return Object.fromEntries([...groups].map(([hour, group]) => [hour, byKey(group)]));
}
const byKey = (rows: Row[]) => Object.fromEntries(rows.map(({ key, n }) => [String(key), Number(n)]));

const HOUR = "strftime(hour_start, '%Y-%m-%dT%H') AS hour";
const EVENT_HOUR = "strftime(event_time, '%Y-%m-%dT%H') AS hour";

describe.runIf(shared)('the real log', () => {
  const TOPIC = 'web_request';
  const rows = query(TOPIC);
  let oracle: Oracle;
  let first: LoadAnswer;
  beforeAll(async () => {
    oracle = shared!.oracle();
    await jsonOf('topics', 'create', TOPIC, '--partitions', String(PARTITIONS));
    const sent = await jsonOf('ingest', shared!.path, '--topic', TOPIC, '--format', 'combined');
    expect(sent).toMatchObject({
      lines: oracle.lines,
      sent: oracle.parsed,
      rejected: oracle.malformed_count,
    });
    first = await loadOf(TOPIC);
    await jsonOf('aggregate', '--topic', TOPIC);
  }, MINUTES_MS);

  test('load --json has the members of its contract, and they add up', () => {
    const keys = ['runId', 'topics', 'rows', 'quarantined', 'files', 'bytes', 'hours', 'seconds'];
    expect(Object.keys(first)).toEqual(keys);
    const partitionKeys =
      'partition startOffset nextOffset rows quarantined late files bytes caughtUp error'.split(' ');
    expect(first.topics.map((topic) => Object.keys(topic))).toEqual([['topic', 'partitions']]);
    const { partitions } = first.topics[0]!;
    for (const partition of partitions) expect(Object.keys(partition)).toEqual(partitionKeys);
    expect(partitions.map(({ partition }) => partition)).toEqual([0, 1]);
    for (const partition of partitions)
      expect(partition).toMatchObject({
        startOffset: 0,
        nextOffset: partition['rows'],
        quarantined: 0,
        late: 0,
        caughtUp: true,
        error: null,
      });
    const total = (key: string) => partitions.reduce((sum, partition) => sum + Number(partition[key]), 0);
    expect(first).toMatchObject({ rows: total('rows'), files: total('files'), bytes: total('bytes') });
    expect(first.hours).toEqual(Object.keys(oracle.events_per_hour_utc).sort());
  });

  test('206,860 rows lie there, each offset once', async () => {
    expect([first.rows, first.quarantined]).toEqual([206_860, 0]);
    await expectEachOffsetOnce(TOPIC, first, 206_860);
  });

  test('events, bytes and different hosts of each of 781 hours', async () => {
    const of = async (column: string) =>
      byHour(await aggregate(TOPIC, 'traffic_by_hour', `SELECT ${HOUR}, ${column} AS n FROM TABLE`));
    expect(await of('events')).toEqual(oracle.events_per_hour_utc);
    expect(await of('bytes')).toEqual(oracle.response_bytes_per_hour_utc);
    expect(await of('unique_hosts')).toEqual(oracle.unique_hosts_per_hour_utc);
    expect(Object.keys(oracle.events_per_hour_utc)).toHaveLength(781);
  });

  test('statuses and first three paths of each hour', async () => {
    const statuses = `SELECT ${HOUR}, status AS key, events AS n FROM TABLE`;
    expect(byHourAndKey(await aggregate(TOPIC, 'status_by_hour', statuses))).toEqual(
      oracle.status_per_hour_utc,
    );
    const paths = `SELECT ${HOUR}, path, events::INTEGER AS n FROM TABLE WHERE rank <= 3 ORDER BY hour, rank`;
    const groups = Map.groupBy(await aggregate(TOPIC, 'top_paths_by_hour', paths), ({ hour }) =>
      String(hour),
    );
    expect(
      Object.fromEntries([...groups].map(([hour, top]) => [hour, top.map(({ path, n }) => [path, n])])),
    ).toEqual(oracle.top3_paths_per_hour_utc);
  });

  test.each([
    ['sessions_by_host', 'sessions_30min_by_host', 45_963],
    ['sessions_by_visitor', 'sessions_30min_by_host_and_user_agent', 56_354],
  ] as const)('%s of each hour', async (column, key, total) => {
    const sessions = await aggregate(
      TOPIC,
      'sessions_by_hour',
      `SELECT ${HOUR}, ${column} AS n FROM TABLE WHERE ${column} > 0`,
    );
    expect(byHour(sessions)).toEqual(oracle[key].sessions_by_start_hour_utc);
    expect(sessions.reduce((sum, { n }) => sum + Number(n), 0)).toBe(total);
    expect(oracle[key].sessions).toBe(total);
  });

  test('hours, statuses and hosts counted over the rows themselves agree as well', async () => {
    const perHour = (column: string) =>
      rows(`SELECT ${EVENT_HOUR}, ${column} AS n FROM TABLE GROUP BY ALL`).then(byHour);
    expect(await perHour('count(*)')).toEqual(oracle.events_per_hour_utc);
    expect(await perHour('count(DISTINCT host)')).toEqual(oracle.unique_hosts_per_hour_utc);
    expect(await perHour('sum(coalesce(bytes, 0))')).toEqual(oracle.response_bytes_per_hour_utc);
    const perKey = (column: string) =>
      rows(`SELECT ${column} AS key, count(*) AS n FROM TABLE GROUP BY ALL`).then(byKey);
    expect(await perKey('status')).toEqual(oracle.status);
    expect(await perKey('method')).toEqual(oracle.methods);
  });

  test('the lists of the first twenty', async () => {
    const top = async (column: string) =>
      (
        await rows(`SELECT ${column} AS key, count(*)::INTEGER AS n FROM TABLE WHERE key IS NOT NULL
          GROUP BY key ORDER BY n DESC, key LIMIT 20`)
      ).map(({ key, n }) => [key, n]);
    expect(await top('path')).toEqual(oracle.top20_paths);
    expect(await top('host')).toEqual(oracle.top20_hosts);
    expect(await top('referrer')).toEqual(oracle.top20_referrers);
    // A user agent "-" is null in the table, and one of the agents to the oracle.
    expect(await top("coalesce(user_agent, '-')")).toEqual(oracle.top20_user_agents);
  });

  test('the totals over all rows', async () => {
    const [found] = await rows(`SELECT
      count(*)::INTEGER AS parsed,
      count(DISTINCT host)::INTEGER AS distinct_hosts,
      count(DISTINCT coalesce(user_agent, '-'))::INTEGER AS distinct_user_agents,
      count(DISTINCT path)::INTEGER AS distinct_paths,
      count(*) FILTER (referrer IS NULL)::INTEGER AS no_referrer,
      count(*) FILTER (method IS NULL)::INTEGER AS request_malformed_count,
      sum(bytes)::DOUBLE AS response_bytes_total,
      count(DISTINCT date_trunc('hour', event_time))::INTEGER AS hours_with_events,
      (date_diff('hour', min(event_time), max(event_time)) + 1)::INTEGER AS span_hours,
      max(length(target))::INTEGER AS longest_target_chars,
      strftime(min(event_time), '%Y-%m-%dT%H:%M:%SZ') AS first_event,
      strftime(max(event_time), '%Y-%m-%dT%H:%M:%SZ') AS last_event FROM TABLE`);
    expect(found).toEqual(
      Object.fromEntries(Object.keys(found!).map((key) => [key, oracle[key as keyof Oracle]])),
    );
    const [repeats] = await rows(`SELECT (count(*) - (SELECT count(*) FROM (
      SELECT DISTINCT COLUMNS(c -> c[1] <> '_') FROM TABLE)))::INTEGER AS n FROM TABLE`);
    expect(repeats).toEqual({ n: oracle.identical_repeat_lines });
  });

  test('a second load and aggregate add nothing', async () => {
    const again = await loadOf(TOPIC);
    expect(again).toMatchObject({ rows: 0, quarantined: 0, files: 0, bytes: 0, hours: [] });
    await expectEachOffsetOnce(TOPIC, again, 206_860);
    const { queries } = (await jsonOf('aggregate', '--topic', TOPIC)) as {
      queries: { query: string; computed: number }[];
    };
    const byHours = queries.filter(({ query }) => query.endsWith('_by_hour'));
    expect(byHours).toHaveLength(9);
    for (const each of byHours) expect(each).toMatchObject({ computed: 0, unchanged: oracle.span_hours });
    expect(queries.filter(({ computed }) => computed > 0)).toEqual([]);
  });
});

describe('generated activity', () => {
  const TOPIC = 'activity';
  const OPTIONS = { events: 40_000, seed: 77, hours: 30, visitors: 900 };
  const START = '2026-01-05T00:00:00Z';
  const SHARES = { lateShare: 0.02, repeatedShare: 0.01, skew: 0.1 };
  const SESSION_GAP_MS = 1_800_000;
  const rows = query(TOPIC);
  let first: LoadAnswer;
  /** The events as they were sent: counted here, by nothing of the pipeline. */
  const events = [...generateActivity({ ...OPTIONS, ...SHARES, startMs: Date.parse(START) })].map(
    ({ json }) => JSON.parse(json) as Record<string, string | number>,
  );
  const hourOf = (event: Record<string, string | number>) => String(event['event_time']).slice(0, 13);
  const count = (keys: string[]) => {
    const counts: Record<string, number> = {};
    for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
    return counts;
  };
  /** Sessions by hour of their start, by the definition of the built-in query, whatever made up the key. */
  function sessions(keyOf: (event: Record<string, string | number>) => string): Record<string, number> {
    const starts: string[] = [];
    for (const group of Map.groupBy(events, keyOf).values()) {
      const times = group.map((event) => Date.parse(String(event['event_time']))).sort((a, b) => a - b);
      for (const [i, time] of times.entries())
        if (i === 0 || time - times[i - 1]! > SESSION_GAP_MS) starts.push(new Date(time).toISOString());
    }
    return count(starts.map((start) => start.slice(0, 13)));
  }

  beforeAll(async () => {
    await jsonOf('topics', 'create', TOPIC, '--partitions', String(PARTITIONS));
    const { events: n, seed, hours, visitors } = OPTIONS;
    const made = ['--events', n, '--seed', seed, '--start', START, '--hours', hours, '--visitors', visitors];
    const shares = ['--late', SHARES.lateShare, '--repeated', SHARES.repeatedShare, '--skew', SHARES.skew];
    await jsonOf('generate', '--topic', TOPIC, ...[...made, ...shares].map(String));
    first = await loadOf(TOPIC);
    await jsonOf('aggregate', '--topic', TOPIC);
  }, MINUTES_MS);

  test('every event lies there once, and a second load adds nothing', async () => {
    expect([first.rows, first.quarantined]).toEqual([events.length, 0]);
    await expectEachOffsetOnce(TOPIC, first, events.length);
    expect(await loadOf(TOPIC)).toMatchObject({ rows: 0, files: 0, hours: [] });
  });

  test('rows by hour, kind of event, visitor, session and page equal the count of what was generated', async () => {
    const perKey = (column: string) =>
      rows(`SELECT ${column} AS key, count(*) AS n FROM TABLE WHERE key IS NOT NULL GROUP BY ALL`).then(
        byKey,
      );
    expect(await perKey("dt || 'T' || hour")).toEqual(count(events.map(hourOf)));
    for (const column of [
      'event_type',
      'visitor_id',
      'session_id',
      'path',
      'status',
      'search_terms',
      'element',
    ])
      expect(await perKey(column), column).toEqual(
        count(events.flatMap((event) => (event[column] === undefined ? [] : [String(event[column])]))),
      );
    const [sum] = await rows('SELECT sum(bytes)::DOUBLE AS n FROM TABLE');
    expect(sum).toEqual({ n: events.reduce((total, { bytes }) => total + Number(bytes ?? 0), 0) });
    const [strangers] = await rows(
      'SELECT count(*)::INTEGER AS n FROM TABLE WHERE decode(_key) IS DISTINCT FROM visitor_id OR _extra IS NOT NULL',
    );
    expect(strangers).toEqual({ n: 0 });
  });

  test('the aggregates of each hour equal it too', async () => {
    const groups = Object.entries(Object.groupBy(events, hourOf));
    const traffic = (column: string) =>
      aggregate(TOPIC, 'traffic_by_hour', `SELECT ${HOUR}, ${column} AS n FROM TABLE`).then(byHour);
    const different = (key: string) =>
      Object.fromEntries(
        groups.map(([hour, group]) => [hour, new Set(group!.map((event) => event[key])).size]),
      );
    expect(await traffic('events')).toEqual(count(events.map(hourOf)));
    expect(await traffic('unique_hosts')).toEqual(different('host'));
    expect(await traffic('unique_user_agents')).toEqual(different('user_agent'));
    const session = (column: string) =>
      aggregate(TOPIC, 'sessions_by_hour', `SELECT ${HOUR}, ${column} AS n FROM TABLE WHERE n > 0`).then(
        byHour,
      );
    expect(await session('sessions_by_host')).toEqual(sessions(({ host }) => String(host)));
    expect(await session('sessions_by_visitor')).toEqual(
      sessions(({ host, user_agent }) => JSON.stringify([host, user_agent])),
    );
  });
});
