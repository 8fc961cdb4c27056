/**
 * The records of the commit protocol as plain data: what they hold, how they become bytes, how bytes are checked on the
 * way back. A base roots the chain of one partition; a commit is named by the offset it starts at and holds the offset
 * the next one is named by. Formats are final; `docs/formats.md` lists every member.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

const FORMAT_VERSION = 1;
const offset = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const count = offset;
const partition = z.int().min(0);
export const iso = z.iso.datetime();
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The rows of one partition in a file that holds several. Offsets are inclusive. */
const part = z.strictObject({
  partition,
  incarnation: z.int().min(0),
  rows: count,
  minOffset: offset,
  maxOffset: offset,
});

export const dataFile = z.strictObject({
  role: z.enum(['data', 'late', 'quarantine']),
  /** Both relative to the topic's directory. */
  staged: z.string(),
  final: z.string(),
  hour: z.string(),
  rows: count,
  bytes: count,
  minOffset: offset,
  maxOffset: offset,
  /** Event times in microseconds since 1970; of refused records the record's timestamp. */
  minTime: z.int(),
  maxTime: z.int(),
  /** Sum over the rows of a 64-bit hash of (partition, offset), modulo 2^64, as 16 hex digits. */
  digest: z.string().regex(/^[0-9a-f]{16}$/),
  /** Of a file merged from several partitions: whose rows it holds. Elsewhere the name and the members above say it. */
  parts: z.array(part).optional(),
});

const counts = z.strictObject({
  read: count,
  data: count,
  lateInHour: count,
  lateDir: count,
  quarantined: count,
  filtered: count,
  perHour: z.record(z.string(), count),
});

const base = z.strictObject({
  v: z.literal(FORMAT_VERSION),
  topic: z.string(),
  topicId: z.string(),
  partition,
  incarnation: z.int().min(0),
  head: offset,
  policy: z.enum(['earliest', 'latest']),
  createdAt: iso,
  attempt: z.string(),
  rewriteSeq: count,
  /** Of a generation after the first: the partition's live files when the one before it was sealed. */
  files: z.array(dataFile).optional(),
  /** And by which bounds the offsets before it were judged, for replays: [start, lateBefore, skewAfter], in milliseconds. */
  bounds: z.array(z.tuple([offset, z.int(), z.int()])).optional(),
  /** And what was last read, which proves that the log is still the one that was read. */
  last: z
    .strictObject({ baseOffset: offset, crc: z.int().min(0).max(0xffffffff) })
    .nullable()
    .optional(),
  leaderEpoch: z.int().optional(),
  /** And the seal it follows. */
  prevSha256: sha256.optional(),
});

const commit = z.strictObject({
  v: z.literal(FORMAT_VERSION),
  kind: z.enum(['data', 'gap', 'seal']),
  topic: z.string(),
  topicId: z.string(),
  incarnation: z.int().min(0),
  partition,
  start: offset,
  next: offset,
  prevSha256: sha256,
  run: z.string(),
  attempt: z.string(),
  planTakenAt: iso,
  committedAt: iso,
  leaderEpoch: z.int(),
  /** The last batch read: proves later that the log is still the one that was read. Null if none was. */
  last: z.strictObject({ baseOffset: offset, crc: z.int().min(0).max(0xffffffff) }).nullable(),
  /** Rows of an hour first marked before this go to `_late/`; event times after `skewAfter` are refused. */
  lateBefore: iso,
  skewAfter: iso,
  schema: z.strictObject({ name: z.string(), sha256 }),
  files: z.array(dataFile),
  counts,
  /** Of a gap: why, and who signed for it. */
  gap: z.strictObject({ reason: z.string(), by: z.string() }).optional(),
  /** Of a seal: what the next generation begins with. */
  opens: z.strictObject({ topicId: z.string(), incarnation: z.int().min(0), head: offset }).optional(),
});

/** A file named by a record. */
export type DataFile = z.infer<typeof dataFile>;
export type FilePart = z.infer<typeof part>;
export type Counts = z.infer<typeof counts>;
/** The root of a chain. */
export type Base = z.infer<typeof base>;
/** A link of a chain. */
export type Commit = z.infer<typeof commit>;

/** A record that can't be read: the chain is broken there, and nothing may be built on it. */
export class BrokenRecord extends Error {
  override name = 'BrokenRecord';
}

export function decodeRecord<T>(schema: z.ZodType<T>, path: string, body: Buffer): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll(/\s+/g, ' ') : String(cause);
    throw new BrokenRecord(
      `${path} is not a record this version can read: ${why}; restore it from a copy, nothing was changed`,
      {
        cause,
      },
    );
  }
}

export const decodeBase = (path: string, body: Buffer): Base => decodeRecord(base, path, body);

export function decodeCommit(path: string, body: Buffer): Commit {
  const record = decodeRecord(commit, path, body);
  const problem = conservationProblem(record);
  if (problem) throw new BrokenRecord(`${path}: ${problem}; restore it from a copy, nothing was changed`);
  return record;
}

/** The bytes of a record, checked against its own format before they are written. */
export function encodeBase(record: Base): Buffer {
  return Buffer.from(`${JSON.stringify(base.parse(record), null, 1)}\n`);
}

export function encodeCommit(record: Commit): Buffer {
  const problem = conservationProblem(record);
  if (problem) throw new BrokenRecord(`a record that does not add up must not be written: ${problem}`);
  return Buffer.from(`${JSON.stringify(commit.parse(record), null, 1)}\n`);
}

/** What does not add up in a record, or undefined: every record read is in exactly one place. */
export function conservationProblem({
  kind,
  start,
  next,
  counts: c,
  files,
  opens,
}: Commit): string | undefined {
  const rowsOf = (role: DataFile['role']) =>
    files.reduce((sum, f) => (f.role === role ? sum + f.rows : sum), 0);
  if (kind === 'seal' ? next !== start : next <= start) return `next ${next} does not suit start ${start}`;
  if ((kind === 'seal') !== (opens !== undefined))
    return `a ${kind} record ${opens ? 'opens' : 'does not open'} a generation`;
  if (kind !== 'data' && (files.length > 0 || c.read > 0)) return `a ${kind} record names rows`;
  if (c.read !== c.data + c.lateDir + c.quarantined + c.filtered)
    return `read ${c.read} is not data ${c.data} + late ${c.lateDir} + quarantined ${c.quarantined} + filtered ${c.filtered}`;
  if (rowsOf('data') !== c.data) return `data files hold ${rowsOf('data')} rows, counts say ${c.data}`;
  if (rowsOf('late') !== c.lateDir) return `late files hold ${rowsOf('late')} rows, counts say ${c.lateDir}`;
  if (rowsOf('quarantine') !== c.quarantined)
    return `quarantine files hold ${rowsOf('quarantine')} rows, counts say ${c.quarantined}`;
  if (c.lateInHour > c.data) return `lateInHour ${c.lateInHour} is more than data ${c.data}`;
  if (c.read > next - start) return `${c.read} records were read from a range of ${next - start} offsets`;
  return undefined;
}

export function sha256Of(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}
