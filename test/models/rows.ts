/**
 * Rows of a model's table: a file's body is the list of the rows it holds, one `partition:offset` a line, so that whoever
 * reads the directories sees at once which offsets are visible. Also staging such files, the stand-in for fetch and Parquet.
 */
import type { DataFile, FilePart } from '../../loader/commit.ts';
import { type Hour, parseHour } from '../../loader/hour.ts';
import { finalName, stagedName } from '../../loader/paths.ts';
import type { StagedFile } from '../../loader/stage-files.ts';
import type { Store } from '../../loader/store/store.ts';
import type { MemoryFiles } from '../support/memory-store.ts';
import { type Row, rowsOf, TOPIC } from './world.ts';

const bodyOf = (rows: readonly Row[]) =>
  rows.map(([partition, offset]) => `${partition}:${offset}\n`).join('');

export const compareRows = (a: Row, b: Row) => a[0] - b[0] || a[1] - b[1];

/** Writes one file per hour into a staging directory (relative to the topic); hours and rows ascend. */
export async function stageRows(
  store: Store,
  {
    rows,
    hourOf,
    staging,
    task,
  }: { rows: readonly Row[]; hourOf: (row: Row) => Hour; staging: string; task: number },
): Promise<StagedFile[]> {
  const files: StagedFile[] = [];
  const byHour = Map.groupBy([...rows].sort(compareRows), hourOf);
  for (const [part, [hour, of]] of [...byHour].sort(([a], [b]) => (a < b ? -1 : 1)).entries()) {
    const staged = `${staging}/${stagedName(task, part)}`;
    const body = bodyOf(of);
    await store.create(`${TOPIC}/${staged}`, body);
    const owned = of.filter(([partition]) => partition === of[0]![0]).map(([, offset]) => offset);
    const parts = partsOf(of);
    files.push({
      role: 'data',
      staged,
      hour,
      rows: of.length,
      bytes: body.length,
      minOffset: owned[0]!,
      maxOffset: owned.at(-1)!,
      minTime: parseHour(hour)!,
      maxTime: parseHour(hour)!,
      digest: '0'.repeat(16),
      ...(parts.length > 1 && { parts }),
    });
  }
  return files;
}

const partsOf = (rows: readonly Row[]): FilePart[] =>
  [...Map.groupBy(rows, ([partition]) => partition)].map(([partition, of]) => ({
    partition,
    incarnation: 0,
    rows: of.length,
    minOffset: of[0]![1],
    maxOffset: of.at(-1)![1],
  }));

/** Gives a staged file the name under which a rewrite adds it. */
export function addedFile(file: StagedFile, partition: number, rewrite: number, part: number): DataFile {
  const { minOffset: from, maxOffset } = file;
  const id = { partition, incarnation: 0, from, next: maxOffset + 1, rewrite, part };
  return { ...file, final: finalName('data', file.hour, id) };
}

/** What a reader's glob `dt=*\/hour=*\/*.parquet` finds: final name → rows. */
export function visibleFiles(files: MemoryFiles): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const path of files.paths())
    if (/^t\/dt=[^/]+\/hour=[^/]+\/[^/]+\.parquet$/.test(path))
      found.set(path.slice(TOPIC.length + 1), rowsOf(files.read(path)!));
  return found;
}
