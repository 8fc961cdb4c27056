/**
 * The numbers of the real access log as Spark counts them, in the form of its oracle: the hourly ones by the queries of
 * jobs/queries as they are, the totals by plain SQL. `events` is a view with the columns of web_request.
 */
import { type Query, readQueries } from '../../jobs/query-file.ts';
import type { Oracle } from '../support/shared-data.ts';
import type { SparkRow } from './bed/spark.ts';
import type { Spark } from './spark-tables.ts';

const oracleHour = (row: SparkRow) => String(row['hour_start']).slice(0, 13);

function byHour<T>(rows: SparkRow[], value: (rows: SparkRow[]) => T): Record<string, T> {
  return Object.fromEntries([...Map.groupBy(rows, oracleHour)].map(([hour, group]) => [hour, value(group)]));
}

const column = (rows: SparkRow[], name: string) => byHour(rows, ([row]) => row![name] as number);
/** Hours in which no session starts are none of the oracle's. */
const started = (rows: SparkRow[], name: string) =>
  column(
    rows.filter((row) => row[name] !== 0),
    name,
  );
const pairs = (rows: SparkRow[]) => rows.map(({ name, n }): [string, number] => [String(name), Number(n)]);

async function hourlyNumbers(spark: Spark) {
  const queries = new Map((await readQueries()).map((query: Query) => [query.name, query.sql]));
  const run = (name: string) => spark.sql(queries.get(name)!);
  const traffic = await run('traffic_by_hour');
  const statuses = await run('status_by_hour');
  const paths = (await run('top_paths_by_hour')).filter((row) => Number(row['rank']) <= 3);
  const sessions = await run('sessions_by_hour');
  return {
    events_per_hour_utc: column(traffic, 'events'),
    response_bytes_per_hour_utc: column(traffic, 'bytes'),
    unique_hosts_per_hour_utc: column(traffic, 'unique_hosts'),
    status_per_hour_utc: byHour(statuses, (group) =>
      Object.fromEntries(group.map(({ status, events }) => [String(status), events as number])),
    ),
    top3_paths_per_hour_utc: byHour(paths, (group) =>
      group.map(({ path, events }): [string, number] => [String(path), Number(events)]),
    ),
    sessions_by_host: started(sessions, 'sessions_by_host'),
    sessions_by_visitor: started(sessions, 'sessions_by_visitor'),
  };
}

async function totals(spark: Spark) {
  const top = async (name: string, value = name) =>
    pairs(
      await spark.sql(`SELECT ${value} AS name, count(*) AS n FROM events WHERE ${value} IS NOT NULL
        GROUP BY ${value} ORDER BY n DESC, name LIMIT 20`),
    );
  // The oracle counts the dash of a log, which is null in the table, as a user agent.
  const userAgent = "coalesce(user_agent, '-')";
  const [sum] = await spark.sql(`SELECT count(*) AS parsed, sum(bytes) AS response_bytes_total,
      count(DISTINCT host) AS distinct_hosts, count(DISTINCT ${userAgent}) AS distinct_user_agents,
      count(DISTINCT path) AS distinct_paths, count_if(referrer IS NULL) AS no_referrer,
      date_format(min(event_time), "yyyy-MM-dd'T'HH:mm:ss'Z'") AS first_event,
      date_format(max(event_time), "yyyy-MM-dd'T'HH:mm:ss'Z'") AS last_event,
      count(DISTINCT dt, hour) AS hours_with_events FROM events`);
  return {
    ...sum,
    methods: Object.fromEntries(await top('method')),
    status: Object.fromEntries(await top('status')),
    top20_paths: await top('path'),
    top20_hosts: await top('host'),
    top20_user_agents: await top('user_agent', userAgent),
    top20_referrers: await top('referrer'),
  };
}

/** What Spark finds in `events`. */
export async function sparkNumbers(spark: Spark): Promise<Record<string, unknown>> {
  return { ...(await totals(spark)), ...(await hourlyNumbers(spark)) };
}

/** The same numbers as the oracle has them. */
export function oracleNumbers(oracle: Oracle): Record<string, unknown> {
  const { sessions_30min_by_host: byHost, sessions_30min_by_host_and_user_agent: byVisitor } = oracle;
  const names = [
    ...['parsed', 'response_bytes_total', 'distinct_hosts', 'distinct_user_agents', 'distinct_paths'],
    ...['no_referrer', 'first_event', 'last_event', 'hours_with_events', 'methods', 'status', 'top20_paths'],
    ...['top20_hosts', 'top20_user_agents', 'top20_referrers', 'events_per_hour_utc'],
    ...['response_bytes_per_hour_utc', 'unique_hosts_per_hour_utc', 'status_per_hour_utc'],
    'top3_paths_per_hour_utc',
  ] as (keyof Oracle)[];
  return {
    ...Object.fromEntries(names.map((name) => [name, oracle[name]])),
    sessions_by_host: byHost.sessions_by_start_hour_utc,
    sessions_by_visitor: byVisitor.sessions_by_start_hour_utc,
  };
}
