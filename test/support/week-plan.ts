/**
 * The plan of a simulated week: its hours, its topics, and when what goes wrong. The clocks of the zone change in it.
 * Each trouble covers a run of the schedule.
 */
const HOUR_MS = 3_600_000;
/** `webRequest` counts its hours from here. */
const MONTH_MS = Date.parse('2026-03-01T00:00:00Z');

/** The first hour; clocks in New York change on the 8th at 7:00 UTC. */
export const FIRST_HOUR = 4 * 24;
export const HOURS = 7 * 24;
export const ZONE = 'America/New_York';

/** Topics and their partitions. */
export const PARTITIONS: Record<string, number> = { app: 2, raw: 1, site: 1 };
export const TOPICS = Object.keys(PARTITIONS);
/** Of each topic. */
export const EVENTS_PER_HOUR = 20;

/**
 * Runs of the schedule: every hour, as people run it, where WEEK_HOURLY is set; else one a day, for the sake of whoever waits
 * for the test: workers that start are what a load of so little costs.
 */
const HOURLY = process.env['WEEK_HOURLY'] !== undefined;
export const CRON = HOURLY ? '7 * * * *' : '7 0 * * *';
/** One at the start, one when the machine is on again, and those at seven past that it was on for. */
export const RUNS = HOURLY ? 2 + 172 - 7 : 2 + 1 + 6;
/** Runs that come when the warehouse or the broker is away. */
export const FAILED_RUNS = HOURLY ? 5 + 4 : 2;
/** What fails in them; `expire` runs once a day. */
export const FAILING = HOURLY ? ['load'] : ['load', 'expire'];

/** A time, so many hours after the beginning of the week. */
const after = (hours: number, minutes = 0) => timeOf(FIRST_HOUR + hours, minutes);

/** The machine of the schedule. */
export const OFF = { from: after(20, 30), hours: 7 };
/** The warehouse, and the broker. */
export const WAREHOUSE_AWAY = { from: after(70), until: after(75) };
export const BROKER_AWAY = { from: after(116, 10), until: after(120, 10) };
export const BEGIN = after(0);
/** Some hours after the last event was sent. */
export const END = after(HOURS + 4);

/** Minutes of an hour, as ISO time. */
export function timeOf(hour: number, minutes = 0): string {
  return new Date(millisecondsOf(hour) + minutes * 60_000).toISOString();
}

/** The beginning of an hour. */
export function millisecondsOf(hour: number): number {
  return MONTH_MS + hour * HOUR_MS;
}

/** The hours, as the warehouse calls them. */
export const HOUR_NAMES = Array.from({ length: HOURS }, (_, i) => after(i).slice(0, 13));
