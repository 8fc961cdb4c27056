/**
 * The real access log and its oracle, which lie beside the repository where the project is built and not in a user's
 * clone. A test file that needs them asks here once; when they are missing one line says which tests are left out.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Beside the work tree, not in it. */
const FOLDER = join(import.meta.dirname, '../../../shared/data');

/** Sessions by one kind of key; those that start in each hour, if any do. */
interface SessionCounts {
  keys: number;
  sessions: number;
  sessions_by_start_hour_utc: Record<string, number>;
}

/** What the oracle counted, as far as tests name it. See the docstring of oracle.py in that folder. */
export interface Oracle {
  lines: number;
  parsed: number;
  malformed_count: number;
  request_malformed_count: number;
  first_event: string;
  last_event: string;
  hours_with_events: number;
  span_hours: number;
  late_events: number;
  identical_repeat_lines: number;
  distinct_hosts: number;
  distinct_user_agents: number;
  distinct_paths: number;
  no_referrer: number;
  response_bytes_total: number;
  methods: Record<string, number>;
  status: Record<string, number>;
  top20_paths: [string, number][];
  top20_hosts: [string, number][];
  top20_user_agents: [string, number][];
  top20_referrers: [string, number][];
  events_per_hour_utc: Record<string, number>;
  response_bytes_per_hour_utc: Record<string, number>;
  status_per_hour_utc: Record<string, Record<string, number>>;
  unique_hosts_per_hour_utc: Record<string, number>;
  top3_paths_per_hour_utc: Record<string, [string, number][]>;
  sessions_30min_by_host: SessionCounts;
  sessions_30min_by_host_and_user_agent: SessionCounts;
}

/** The real log. `path`: the gzip file; `bytes`: what is in it. */
export interface SharedLog {
  path: string;
  bytes(): Buffer;
  oracle(): Oracle;
}

/** The real log, or undefined after one line on stderr that says which tests (`what`) are left out. */
export function sharedLog(what: string): SharedLog | undefined {
  const path = join(FOLDER, 'blog-2016.access.log.gz');
  const oraclePath = join(FOLDER, 'blog-2016.oracle.json');
  if (!existsSync(path) || !existsSync(oraclePath)) {
    process.stderr.write(`left out, for want of the real log in ../shared/data: ${what}\n`);
    return undefined;
  }
  return {
    path,
    bytes: () => gunzipSync(readFileSync(path)),
    oracle: () => JSON.parse(readFileSync(oraclePath, 'utf8')) as Oracle,
  };
}
