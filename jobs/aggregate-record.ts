/**
 * The record of one computed hour of one query: what it was computed from, by which text of the query and which engine,
 * and which file came out. Records are numbered per topic, query and hour, `<topic>/_loader/queries/<query>/<hour>/<n>.json`,
 * and none is ever replaced; the newest says what the visible file ought to be. They steer recomputation only: a record
 * that can't be read costs a computation, never a wrong number.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Hour } from '../loader/hour.ts';
import { aggregateDirectory, parseVersionName, queryRecordsDirectory, versionName } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const input = z.strictObject({
  hour: z.string(),
  /** Version of the hour's newest marker; null: none yet. */
  marker: count.nullable(),
  /** The newest rewrite that the list of files takes in. */
  rewriteSeq: count,
  files: count,
  rows: count,
  bytes: count,
  /** SHA-256 over names and lengths of the hour's live files: a file never changes under its name. */
  digest: sha256,
});

const record = z.strictObject({
  v: z.literal(1),
  topic: z.string(),
  query: z.string(),
  hour: z.string(),
  attempt: z.string(),
  committedAt: z.iso.datetime(),
  engine: z.string(),
  sqlSha256: sha256,
  /** Values of the query's parameters, as text; they are in `sqlSha256` too. */
  parameters: z.record(z.string(), z.string()).optional(),
  inputs: z.array(input),
  /** Relative to the warehouse root. */
  file: z.string(),
  rows: count,
  bytes: count,
  /** SHA-256 of the last `TAIL_BYTES` of the file, as a rule all of it. */
  tailSha256: sha256,
});

/** State of one hour that a computation read. */
export type InputState = z.infer<typeof input>;
export type AggregateRecord = z.infer<typeof record>;

const TAIL_BYTES = 1024 * 1024;
const FILE_NAME = 'part-0.parquet';
const WAITING_NAME = /^(\d{6,})-.*\.(?:staged|json\.tmp)$/;

/** The one visible file of an hour: its name is fixed, so that a newer one takes its place in one act. */
export const aggregateFile = (query: string, topic: string, hour: Hour): string =>
  `${aggregateDirectory(query, topic, hour)}/${FILE_NAME}`;

const recordsDirectory = (topic: string, query: string, hour: Hour) =>
  `${queryRecordsDirectory(topic, query)}/${hour}`;

export const recordPath = (topic: string, query: string, hour: Hour, n: number): string =>
  `${recordsDirectory(topic, query, hour)}/${versionName(n)}`;

/** Names of what an attempt at record `n` puts aside: beside the records, where the next run finds what was left behind. */
export function attemptPath(path: string, attempt: string, kind: 'staged' | 'json.tmp'): string {
  return `${path.slice(0, -'.json'.length)}-${attempt}.${kind}`;
}

export function encodeRecord(body: AggregateRecord): string {
  return `${JSON.stringify(record.parse(body), null, 1)}\n`;
}

/** The record in these bytes, or undefined if they hold none. */
export function decodeRecord(body: Buffer): AggregateRecord | undefined {
  try {
    return record.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** The newest record of an hour; `n` 0 while there is none. `leftovers`: what attempts that were outbid left behind. */
export interface NewestRecord {
  n: number;
  record: AggregateRecord | undefined;
  leftovers: string[];
}

export async function readNewestRecord(
  store: Store,
  topic: string,
  query: string,
  hour: Hour,
): Promise<NewestRecord> {
  const directory = recordsDirectory(topic, query, hour);
  const names = (await store.list(directory)).map((entry) => entry.name);
  const n = names.reduce((newest, name) => Math.max(newest, parseVersionName(name) ?? 0), 0);
  const leftovers = names.filter((name) => Number(WAITING_NAME.exec(name)?.[1] ?? Number.NaN) <= n);
  const body = n > 0 ? await store.read(recordPath(topic, query, hour, n)) : undefined;
  return {
    n,
    record: body && decodeRecord(body),
    leftovers: leftovers.map((name) => `${directory}/${name}`),
  };
}

/** Length of a file and the digest of its end. */
export type FileIdentity = Pick<AggregateRecord, 'bytes' | 'tailSha256'>;

export async function identityOf(
  bytes: number,
  read: (start: number, length: number) => Promise<Uint8Array>,
): Promise<FileIdentity> {
  const length = Math.min(bytes, TAIL_BYTES);
  return {
    bytes,
    tailSha256: createHash('sha256')
      .update(await read(bytes - length, length))
      .digest('hex'),
  };
}

/** Whether the visible file is the one the record tells of: a run that stalled may have put an older one in its place. */
export async function isFileThere(
  store: Store,
  { file, bytes, tailSha256 }: AggregateRecord,
): Promise<boolean> {
  const entry = await store.stat(file);
  if (entry?.size !== bytes) return false;
  const found = await identityOf(bytes, (start, length) => store.readRange(file, start, length));
  return found.tailSha256 === tailSha256;
}
