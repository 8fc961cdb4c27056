/**
 * Input of the benchmarks: web_request events as NDJSON, the same ones every time. Hosts, pages and user agents repeat
 * as they do in real logs, because a columnar file gains from that.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';

const FIRST_MS = Date.parse('2026-11-01T00:00:00Z');
const MAX_EVENT_BYTES = 300;
const FLUSH_BYTES = 1 << 20;
const STATUSES = [200, 200, 200, 200, 200, 200, 304, 301, 404, 500];

/** A small generator of numbers below `n`, the same sequence for the same seed (Park and Miller). */
function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % n;
  };
}

function eventText(i: number, count: number, hours: number, next: (n: number) => number): string {
  const time = new Date(FIRST_MS + Math.floor((i / count) * hours * 3_600_000)).toISOString();
  const page = `/blog/${next(40)}/post-${next(500)}`;
  const query = next(8) === 0 ? `,"query":"s=word${next(300)}"` : '';
  const referrer = next(3) === 0 ? `,"referrer":"https://site-${next(50)}.example/"` : '';
  return (
    `{"event_time":"${time}","host":"10.${next(4)}.${next(256)}.${next(8)}","method":"GET","target":"${page}",` +
    `"path":"${page}"${query},"protocol":"HTTP/1.1","status":${STATUSES[next(10)]},"bytes":${next(90_000)}${referrer},` +
    `"user_agent":"Mozilla/5.0 (X11; Linux) Chrome/${100 + next(40)}.0.0.0"}\n`
  );
}

/** Writes `count` events over `hours` hours to a file; returns its bytes. */
export function writeWebEvents(path: string, count: number, hours: number, seed = 1): number {
  const file = openSync(path, 'w');
  const next = numbers(seed);
  let total = 0;
  let waiting = '';
  for (let i = 0; i < count; i++) {
    const line = eventText(i, count, hours, next);
    assert(line.length <= MAX_EVENT_BYTES + 1, `an event of ${line.length} bytes`);
    waiting += line;
    if (waiting.length < FLUSH_BYTES && i < count - 1) continue;
    total += writeSync(file, waiting);
    waiting = '';
  }
  closeSync(file);
  return total;
}

/** Writes `count` lines of exactly `bytes` bytes each, LF included. */
export function writeLines(path: string, count: number, bytes: number): void {
  const file = openSync(path, 'w');
  const next = numbers(2);
  let waiting = '';
  for (let i = 0; i < count; i++) {
    let line = `${i} `;
    while (line.length < bytes - 1) line += next(2 ** 31).toString(36);
    waiting += `${line.slice(0, bytes - 1)}\n`;
    if (waiting.length < FLUSH_BYTES && i < count - 1) continue;
    writeSync(file, waiting);
    waiting = '';
  }
  closeSync(file);
}
