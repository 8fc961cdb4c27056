/**
 * The records of the rewrite log as plain data. Chains only ever grow; whatever changes rows that are in the table
 * already (replay, compaction, undo, expiry) is a rewrite: a numbered record that names the files it removes and the files
 * it adds. One sequence per topic, because a compaction spans partitions and two sequences could not be ordered.
 */
import { z } from 'zod';
import { BrokenRecord, dataFile, decodeRecord, iso, sha256 } from './commit.ts';

const FORMAT_VERSION = 1;
const seq = z.int().min(0);
const offset = z.int().min(0);
const hour = z.string();

/**
 * `replay`: offsets read again. `compact`: files of an hour merged. `undo`: a replay or compaction taken back. `expire`:
 * old hours deleted. `fence`: trash deleted, or only a number taken. `seal`: ends a generation of the log.
 */
const KINDS = ['replay', 'compact', 'undo', 'expire', 'fence', 'seal'] as const;

const rewrite = z.strictObject({
  v: z.literal(FORMAT_VERSION),
  kind: z.enum(KINDS),
  topic: z.string(),
  seq: z.int().min(1),
  prevSha256: sha256,
  run: z.string(),
  attempt: z.string(),
  createdAt: iso,
  /** Files live before it. The k-th goes to the trash under number k; of an expiry it is deleted. */
  removes: z.array(dataFile),
  /** What becomes live; `staged` says where it lies until then, for an undo in the trash. */
  adds: z.array(dataFile),
  /** Of a replay: what was read again. */
  ranges: z
    .array(
      z.strictObject({ partition: z.int().min(0), incarnation: z.int().min(0), from: offset, until: offset }),
    )
    .optional(),
  /** Of a replay: records in those ranges, and those of them that are in no file (deletions, expired hours). */
  counts: z.strictObject({ read: z.int().min(0), filtered: z.int().min(0) }).optional(),
  /** Of an undo: the rewrite it takes back. */
  undoes: seq.optional(),
  /** Of a fence or an expiry: rewrites whose trash it deletes. */
  trash: z.array(seq).optional(),
  /** Of an expiry: hours before this one are gone. */
  expiredBefore: hour.optional(),
});

const rewriteBase = z.strictObject({
  v: z.literal(FORMAT_VERSION),
  topic: z.string(),
  /** The last number of the generations before; the first rewrite of this one bears the next. */
  seq,
  createdAt: iso,
  attempt: z.string(),
  /** Hours before this one were deleted by earlier generations. */
  expiredBefore: hour.optional(),
  prevSha256: sha256.optional(),
});

/** A link of the rewrite log. */
export type Rewrite = z.infer<typeof rewrite>;
export type RewriteKind = Rewrite['kind'];
/** The root of a generation of it. */
export type RewriteBase = z.infer<typeof rewriteBase>;

/** Rewrites that can be taken back, while the trash holds what they removed. */
export const UNDOABLE: readonly RewriteKind[] = ['replay', 'compact'];

export const decodeRewriteBase = (path: string, body: Buffer): RewriteBase =>
  decodeRecord(rewriteBase, path, body);

export const decodeRewrite = (path: string, body: Buffer): Rewrite => decodeRecord(rewrite, path, body);

/** The bytes of a record, checked against its own format before they are written. */
export function encodeRewriteBase(record: RewriteBase): Buffer {
  return Buffer.from(`${JSON.stringify(rewriteBase.parse(record), null, 1)}\n`);
}

export function encodeRewrite(record: Rewrite): Buffer {
  const problem = rewriteProblem(record);
  if (problem) throw new BrokenRecord(`a rewrite that does not add up must not be written: ${problem}`);
  return Buffer.from(`${JSON.stringify(rewrite.parse(record), null, 1)}\n`);
}

/** What does not add up in a rewrite, or undefined. */
function rewriteProblem({ kind, removes, adds }: Rewrite): string | undefined {
  const names = [...removes, ...adds].map(({ final }) => final);
  if (new Set(names).size < names.length) return 'it names a file twice';
  if ((kind === 'fence' || kind === 'seal') && names.length > 0) return `a ${kind} names files`;
  if (kind === 'expire' && adds.length > 0) return 'an expiry adds files';
  const rows = (files: Rewrite['adds']) => files.reduce((sum, file) => sum + file.rows, 0);
  if (kind === 'compact' && rows(removes) !== rows(adds))
    return `a compaction makes ${rows(adds)} rows of ${rows(removes)}`;
  return undefined;
}
