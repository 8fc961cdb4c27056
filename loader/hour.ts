/**
 * Hours of event time, always UTC. Inside the loader an hour is a whole number, hours since 1970 (`HourIndex`), because
 * the hot path compares and counts them; outside it is text, `2026-11-22T13`, which sorts as time does.
 */

/** Hours since 1970-01-01T00 UTC; negative before. */
export type HourIndex = number;
/** `YYYY-MM-DDTHH`, UTC. */
export type Hour = string;

export const HOUR_MS = 3_600_000;
export const HOUR_US = HOUR_MS * 1_000;

const FORM = /^\d{4}-\d{2}-\d{2}T\d{2}$/;

/** The text of an hour, for years 0 to 9999. */
export function hourName(index: HourIndex): Hour {
  return new Date(index * HOUR_MS).toISOString().slice(0, 13);
}

/** Reads `YYYY-MM-DDTHH`; undefined if it is no such hour. */
export function parseHour(text: string): HourIndex | undefined {
  if (!FORM.test(text)) return undefined;
  const ms = Date.parse(`${text}:00:00Z`);
  return Number.isNaN(ms) || hourName(ms / HOUR_MS) !== text ? undefined : ms / HOUR_MS;
}

/** The hour that an instant, in microseconds since 1970, lies in. */
export function hourOfUs(timeUs: number): HourIndex {
  return Math.floor(timeUs / HOUR_US);
}

/** First millisecond after the hour. */
export function hourEndMs(index: HourIndex): number {
  return (index + 1) * HOUR_MS;
}

/** The Hive-style directory of an hour, `dt=2026-11-22/hour=13`. */
export function hourDirectory(hour: Hour): string {
  return `dt=${hour.slice(0, 10)}/hour=${hour.slice(11)}`;
}
