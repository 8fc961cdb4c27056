/**
 * One compaction of one log: the offsets of the last record of each key are gathered from what was not compacted before,
 * then every segment is rewritten without the records that have a later one, group by group, each swapped in as a whole.
 * Memory is bounded by the table of keys and one batch, besides the list of what was aborted since the pass before; where
 * the table is full, the rest is left for the next pass.
 *
 * The records of aborted transactions are taken out, those of committed ones count like any others, and a marker goes like a
 * tombstone once nothing of its transaction is left (`CleanedTransactions`).
 */
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  type CompactableRecord,
  compactBatch,
  deleteHorizonOf,
  eachKey,
} from '../protocol/compacted-batch.ts';
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchSizeAt,
  isCrcValid,
  readBatchHeader,
} from '../protocol/record-batch.ts';
import type { Offset } from '../topic-partition.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import { type CompactionPlan, groupSegments } from './compaction-plan.ts';
import { CLEANED_SUFFIX } from './file-names.ts';
import { KeyOffsets } from './key-offsets.ts';
import type { Log } from './log.ts';
import { oldestSnapshot } from './producer-snapshots.ts';
import { abortedWithin, Segment } from './segment.ts';
import { installCleaned } from './segment-swap.ts';

const fdatasync = promisify(fs.fdatasync);
/** Read and written at once; between two chunks others have their turn. */
const CHUNK_BYTES = 256 * 1024;

/** Ends a pass whose log is closed, deleted, or changed meanwhile; nothing is wrong. */
export class CompactionStopped extends Error {
  override name = 'CompactionStopped';
}

export interface PassInput {
  log: Log;
  plan: CompactionPlan<Segment>;
  /** Memory of the table of keys. */
  mapBytes: number;
  /** Largest batch, decompressed. */
  batchBytes: number;
  now: () => number;
  /** Notes durably, before segments are swapped, up to where the log is compacted. */
  note(cleanedOffset: Offset): Promise<void>;
  /** Throws CompactionStopped when it is to end. */
  check(): void;
}

/** What a pass did. */
export interface PassResult {
  /** Everything below is compacted now. */
  cleanedOffset: Offset;
  bytesBefore: number;
  bytesAfter: number;
}

interface Batch {
  bytes: Buffer;
  header: BatchHeader;
}

/** Whole, verified batches of a segment; damage throws an Error that names the place. */
async function* readBatches(segment: Segment, check: () => void): AsyncGenerator<Batch> {
  await using file = await open(segment.file, 'r');
  let wanted = CHUNK_BYTES;
  for (let position = 0; position < segment.sizeBytes; ) {
    check();
    const chunk = Buffer.allocUnsafe(Math.min(wanted, segment.sizeBytes - position));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    let at = 0;
    while (bytesRead - at >= BATCH_HEADER_BYTES && at + batchSizeAt(chunk, at) <= bytesRead) {
      const header = readBatchHeader(chunk, at);
      const bytes = chunk.subarray(at, at + header.sizeBytes);
      if (!isCrcValid(bytes, 0, header)) {
        throw new Error(`${segment.file}: the checksum at offset ${header.baseOffset} is wrong`);
      }
      yield { bytes, header };
      at += header.sizeBytes;
    }
    if (at === 0 && bytesRead < BATCH_HEADER_BYTES) throw new Error(`${segment.file} is cut at ${position}`);
    wanted = at === 0 ? Math.max(CHUNK_BYTES, batchSizeAt(chunk, 0)) : CHUNK_BYTES;
    if (at === 0 && chunk.length >= wanted) throw new Error(`${segment.file} is cut at ${position}`);
    position += at;
  }
}

/** Runs a pass. Throws CompactionStopped, or what is wrong with the log or the disk; the log is whole either way. */
export async function compactLog(input: PassInput): Promise<PassResult> {
  const { log, plan } = input;
  await synced(input, log.logEndOffset);
  const aborted = abortedWithin(log.segments, 0, plan.segments.at(-1)?.endOffset ?? 0);
  const { keys, end } = await gatherKeys(input, new CleanedTransactions(aborted));
  if (end <= plan.firstDirty) {
    throw new Error(
      `${log.name}: the keys of the batch at offset ${end} do not fit into broker.log.cleanerMapBytes (${input.mapBytes}): raise it`,
    );
  }
  const taken = plan.segments.filter(({ baseOffset }) => baseOffset < end);
  const markersUntil = oldestSnapshot(path.dirname(log.segments[0]?.file ?? ''));
  const rules = { keys, end, markersUntil, transactions: new CleanedTransactions(aborted) };
  const result: PassResult = { cleanedOffset: plan.firstDirty, bytesBefore: 0, bytesAfter: 0 };
  for (const group of groupSegments(taken, log.config)) {
    const replaced = await rewriteGroup(input, group, rules);
    result.bytesBefore += group.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    result.bytesAfter += replaced.sizeBytes;
    result.cleanedOffset = Math.max(plan.firstDirty, Math.min(replaced.endOffset, end));
  }
  input.check();
  await input.note(result.cleanedOffset);
  return result;
}

/** Waits for the markers behind the plan's segments: what they decided must not become undecided after it was acted upon. */
async function synced({ log, check }: PassInput, end: Offset): Promise<void> {
  while (log.recoveryPoint < end) {
    check();
    const { promise, resolve } = Promise.withResolvers<void>();
    const unsubscribe = log.onChange(resolve);
    void log.sync();
    await promise;
    unsubscribe();
  }
  check();
}

/** The last offset of each key from the first dirty one on, and where the table was full. */
async function gatherKeys(
  { plan, mapBytes, batchBytes, check }: PassInput,
  transactions: CleanedTransactions,
) {
  const last = plan.segments.at(-1)?.endOffset ?? plan.firstDirty;
  const keys = new KeyOffsets(mapBytes, last - plan.firstDirty);
  for (const segment of plan.segments) {
    if (segment.endOffset <= plan.firstDirty) continue;
    for await (const { bytes, header } of readBatches(segment, check)) {
      if (header.lastOffset < plan.firstDirty || header.isControl || transactions.isAborted(header)) continue;
      let fits = true;
      eachKey(
        bytes,
        header,
        ({ offset, key }) => {
          if (key !== null) fits &&= keys.put(key, offset);
        },
        batchBytes,
      );
      if (!fits) return { keys, end: header.baseOffset };
    }
  }
  return { keys, end: last };
}

interface Rules {
  keys: KeyOffsets;
  /** The keys of all records below are in the table. */
  end: Offset;
  /** No marker from here on goes: a snapshot may have its transaction open, and be what the next start begins with. */
  markersUntil: Offset;
  transactions: CleanedTransactions;
}

/** Which records of a batch stay, and whether it is a marker that has nothing left to decide; undefined: as it is. */
function choice(header: BatchHeader, rules: Rules, isDue: boolean) {
  if (header.isControl) {
    const isSpentMarker = rules.transactions.isSpent(header);
    const mayGo = isSpentMarker && isDue && header.baseOffset < rules.markersUntil;
    return { keeps: () => !mayGo, isSpentMarker };
  }
  if (rules.transactions.isAborted(header)) return { keeps: () => false, isSpentMarker: false };
  if (header.baseOffset >= rules.end) return undefined;
  // Records without a key have no place in a compacted topic: they are taken out, as in Kafka.
  const keeps = ({ offset, key, isTombstone }: CompactableRecord) =>
    key !== null && rules.keys.get(key) <= offset && !(isTombstone && isDue);
  return { keeps, isSpentMarker: false };
}

/** What stays of a batch; undefined: nothing. */
function rewritten(
  { bytes, header }: Batch,
  rules: Rules,
  { log, now, batchBytes }: PassInput,
  groupEnd: Offset,
): Buffer | undefined {
  const nowMs = now();
  const dueMs = deleteHorizonOf(header);
  const chosen = choice(header, rules, dueMs !== undefined && nowMs >= dueMs);
  if (chosen === undefined) return bytes;
  const horizonMs = nowMs + log.config.deleteRetentionMs;
  const compacted = compactBatch(bytes, header, { ...chosen, horizonMs, maxBytes: batchBytes });
  if (readBatchHeader(compacted, 0).recordCount > 0) return compacted;
  // Empty, it still says where the segment ends, and what the producer sent last.
  const isNeeded = header.lastOffset + 1 === groupEnd || log.producers.isLastOf(header);
  return isNeeded ? compacted : undefined;
}

async function rewriteGroup(input: PassInput, group: readonly Segment[], rules: Rules): Promise<Segment> {
  const { log, check, note, now } = input;
  const [first, last] = [group[0] as Segment, group.at(-1) as Segment];
  const directory = path.dirname(first.file);
  const { indexIntervalBytes } = log.config;
  const make = (suffix = '') => new Segment(directory, first.baseOffset, indexIntervalBytes, now(), suffix);
  const target = make(CLEANED_SUFFIX);
  fs.rmSync(target.file, { force: true });
  target.create();
  try {
    const writer = new BatchWriter(target, now);
    for (const segment of group) {
      for await (const batch of readBatches(segment, check)) {
        const bytes = rewritten(batch, rules, input, last.endOffset);
        if (bytes !== undefined) writer.add(bytes);
      }
    }
    writer.flush();
    target.saveIndexes();
    await fdatasync(target.descriptor());
    fs.utimesSync(target.file, last.lastAppendMs / 1000, last.lastAppendMs / 1000);
  } finally {
    target.close();
  }
  check();
  // From here on a start-up must expect gaps in the segment; everything before it is compacted.
  await note(first.baseOffset);
  check();
  const compacted = make();
  compacted.hasGaps = true;
  const isDone = log.replaceSegments(group, () => {
    installCleaned(directory, first.baseOffset, last.endOffset);
    const { reason } = compacted.load();
    const isWhole = reason === undefined && compacted.endOffset === last.endOffset;
    if (!isWhole)
      throw new Error(`${compacted.file} was compacted, and ends at ${compacted.endOffset}: ${reason}`);
    compacted.lastAppendMs = last.lastAppendMs;
    return compacted;
  });
  if (!isDone) throw new CompactionStopped(`${log.name}: its segments changed meanwhile`);
  return compacted;
}

/** Collects batches and appends them a chunk at a time. */
class BatchWriter {
  readonly #target: Segment;
  readonly #now: () => number;
  #batches: Buffer[] = [];
  #bytes = 0;

  constructor(target: Segment, now: () => number) {
    this.#target = target;
    this.#now = now;
  }

  add(batch: Buffer): void {
    this.#batches.push(batch);
    this.#bytes += batch.length;
    if (this.#bytes >= CHUNK_BYTES) this.flush();
  }

  flush(): void {
    const placed = this.#batches.map((bytes) => {
      const { baseOffset, lastOffset, maxTimestamp } = readBatchHeader(bytes, 0);
      return { bytes, baseOffset, lastOffset, maxTimestamp };
    });
    this.#target.append(placed, this.#now());
    this.#batches = [];
    this.#bytes = 0;
  }
}
