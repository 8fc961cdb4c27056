/**
 * Plain `web_request` events for tests of the loader: small, distinct, each telling where it belongs.
 */
/** The hour that hours are counted from. */
export const FIRST_DAY = '2026-03-01T00:00:00Z';
const BASE_MS = Date.parse(FIRST_DAY);
const HOUR_MS = 3_600_000;
export const SECOND_MS = 1_000;

/** The value of event `n`, in the hour `hour` counted from 2026-03-01T00. */
export function webRequest(n: number, hour = 0): string {
  return JSON.stringify({
    event_time: new Date(BASE_MS + hour * HOUR_MS + (n % 3_600) * SECOND_MS).toISOString(),
    host: `10.0.${n % 7}.${n % 251}`,
    method: 'GET',
    target: `/page/${n}?q=${n % 3}`,
    path: `/page/${n}`,
    query: `q=${n % 3}`,
    protocol: 'HTTP/1.1',
    status: [200, 304, 404][n % 3],
    bytes: n,
    user_agent: 'test',
  });
}

/** Events `from` to `until`, spread round over partitions and hours. */
export function* webRequests(
  from: number,
  until: number,
  { partitions = 1, hours = 1 } = {},
): Generator<{ value: string; partition: number }> {
  for (let n = from; n < until; n++) yield { value: webRequest(n, n % hours), partition: n % partitions };
}
