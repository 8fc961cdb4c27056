/**
 * Puts a compacted segment in the place of those it was made from, so that a crash at any moment leaves the old ones or
 * the new one. It is written as `BASE.log.cleaned`; renamed to `BASE.log.swap` it counts, and whatever is left to do is
 * done again at the next start: the old segments after the first are removed, then it takes the first one's name. It
 * ends where the last of them ended, which says which they are. The lists of aborted transactions go with the old
 * segments: no record of those is left, here or before.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Offset } from '../topic-partition.ts';
import { scanBatches } from './batch-scan.ts';
import { syncDirectory } from './durable-file.ts';
import { CLEANED_SUFFIX, parseSegmentFileName, SWAP_SUFFIX, segmentFileName } from './file-names.ts';

const INDEXES = ['index', 'timeindex'] as const;
const INDEXES_OF_SOURCES: ReadonlySet<string> = new Set([...INDEXES, 'txnindex']);

/** Has a cleaned segment, written and synced, replace its sources. Throws the system's error; see `completeSwaps`. */
export function installCleaned(directory: string, baseOffset: Offset, endOffset: Offset): void {
  const file = path.join(directory, segmentFileName(baseOffset, 'log'));
  fs.renameSync(`${file}${CLEANED_SUFFIX}`, `${file}${SWAP_SUFFIX}`);
  syncDirectory(directory);
  finishSwap(directory, baseOffset, endOffset);
  for (const kind of INDEXES) {
    const index = path.join(directory, segmentFileName(baseOffset, kind));
    fs.renameSync(`${index}${CLEANED_SUFFIX}`, index);
  }
}

/** Removes what a crash left of a segment being compacted, and ends the replacing that had begun. */
export function completeSwaps(directory: string): void {
  for (const name of fs.readdirSync(directory)) {
    if (name.endsWith(CLEANED_SUFFIX)) fs.rmSync(path.join(directory, name));
  }
  for (const name of fs.readdirSync(directory).sort()) {
    if (!name.endsWith(SWAP_SUFFIX)) continue;
    const base = parseSegmentFileName(name.slice(0, -SWAP_SUFFIX.length))?.offset;
    if (base !== undefined) finishSwap(directory, base, endOf(path.join(directory, name), base));
  }
}

function endOf(file: string, base: Offset): Offset {
  const fd = fs.openSync(file, 'r');
  try {
    let end = base;
    const scan = scanBatches(fd, {
      from: 0,
      until: fs.fstatSync(fd).size,
      checkCrc: false,
      mayHaveGaps: true,
    });
    let step = scan.next();
    for (; !step.done; step = scan.next()) end = step.value.header.lastOffset + 1;
    if (step.value.reason === undefined) return end;
    throw new Error(`${file} is damaged (${step.value.reason}): restore it from a copy, or delete the topic`);
  } finally {
    fs.closeSync(fd);
  }
}

function finishSwap(directory: string, base: Offset, end: Offset): void {
  for (const name of fs.readdirSync(directory)) {
    const parsed = parseSegmentFileName(name);
    if (parsed === undefined || parsed.offset < base || parsed.offset >= end) continue;
    const isIndex = INDEXES_OF_SOURCES.has(parsed.kind);
    if (isIndex || (parsed.kind === 'log' && parsed.offset > base)) fs.rmSync(path.join(directory, name));
  }
  const file = path.join(directory, segmentFileName(base, 'log'));
  fs.renameSync(`${file}${SWAP_SUFFIX}`, file);
  syncDirectory(directory);
}
