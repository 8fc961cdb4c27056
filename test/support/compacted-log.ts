/**
 * What tests of compaction look at: the records of a log, the values a reader ends with, and copies of a data directory as
 * a kill at each step of its compaction leaves them.
 */
import fs from 'node:fs';
import { vi } from 'vitest';
import { committedBatches } from '../../broker/client/committed-batches.ts';
import type { Log } from '../../broker/log/log.ts';
import { abortedWithin } from '../../broker/log/segment.ts';
import { batchesOf, isCrcValid, type ReadRecord, recordsOf } from '../../broker/protocol/record-batch.ts';
import { copyAsKilled } from './open-logs.ts';
import type { TempDir } from './temp-dir.ts';

export type Entry = Pick<ReadRecord, 'offset' | 'timestampMs'> & { key: string | null; value: string | null };

/** The records of batches, each with a right checksum. */
function recordsOfBatches(bytes: Buffer, isWanted: (isControl: boolean) => boolean): Entry[] {
  const text = (part: Buffer | null) => (part === null ? null : String(part));
  return [...batchesOf(bytes)].flatMap(({ at, header }) => {
    if (!isCrcValid(bytes, at, header)) throw new Error(`checksum at ${header.baseOffset}`);
    if (!isWanted(header.isControl)) return [];
    return recordsOf(bytes, at, header).map(({ offset, timestampMs, key, value }) => {
      return { offset, timestampMs, key: text(key), value: text(value) };
    });
  });
}

/** Every record of a log, or every marker. */
export function recordsIn(log: Log, { markers = false } = {}): Entry[] {
  const all: Entry[] = [];
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const read = log.read(offset, 1 << 20);
    if (read === undefined) break;
    all.push(...recordsOfBatches(read.bytes, (isControl) => isControl === markers));
    offset = read.endOffset;
    read.release();
  }
  return all;
}

/** One answer to a read_committed consumer: the records from an offset on, and where it reads on; undefined at the end. */
export function readCommitted(log: Log, from: number, maxBytes: number) {
  const until = log.lastStableOffset;
  const read = log.read(from, maxBytes, true, until);
  if (read === undefined) return undefined;
  const aborted = abortedWithin(log.segments, from, read.endOffset);
  const { bytes } = committedBatches(read.bytes, { from, until, aborted });
  const records = recordsOfBatches(bytes, () => true).filter(({ offset }) => offset >= from);
  read.release();
  return { records, next: read.endOffset };
}

/** All that a read_committed consumer takes from a log, beginning at an offset. */
export function committedIn(log: Log, from: number, maxBytes: number): Entry[] {
  const seen: Entry[] = [];
  let read = readCommitted(log, from, maxBytes);
  for (; read !== undefined; read = readCommitted(log, read.next, maxBytes)) seen.push(...read.records);
  return seen;
}

/** What a reader of the whole log ends with. */
export function valuesOf(records: readonly Entry[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { key, value } of records) {
    if (key === null) continue;
    if (value === null) values.delete(key);
    else values.set(key, value);
  }
  return values;
}

/** Copies the directory before every call that changes a file's name, as a kill there would leave it. */
export function copyAtEachStep(dataDir: string, copies: TempDir): { stop(): number } {
  let isCopying = false;
  let count = 0;
  const spies = (['renameSync', 'rmSync', 'writevSync', 'writeFileSync', 'utimesSync'] as const).map(
    (name) => {
      const original = fs[name] as (...args: unknown[]) => unknown;
      const copying = (...args: unknown[]) => {
        if (!isCopying) {
          isCopying = true;
          copyAsKilled(dataDir, copies.join(String(count)));
          count += 1;
          isCopying = false;
        }
        return original.apply(fs, args);
      };
      // One function stands for several of node:fs, whose types have no common one; it passes on what it was given.
      return vi.spyOn(fs, name).mockImplementation(copying as never);
    },
  );
  return {
    stop() {
      for (const spy of spies) spy.mockRestore();
      return count;
    },
  };
}
