/**
 * What the files hold, counted from the files themselves: each is opened and its rows are counted and digested, whatever
 * the records say of it. Files are found by plain listings, so one that no record names is counted too.
 */
import type { DataFile } from '../loader/commit.ts';
import type { LiveFile } from '../loader/fold.ts';
import { type Hour, hourDirectory } from '../loader/hour.ts';
import { parseFinalName } from '../loader/paths.ts';
import { lineOrigin, linesOf } from '../loader/refused-lines.ts';
import type { RowCopier } from '../loader/row-copier.ts';
import { RowDigest } from '../loader/row-digest.ts';
import type { Store } from '../loader/store/store.ts';
import { FetchedFiles } from './fetched-files.ts';

export interface FilesAuditOptions {
  store: Store;
  topic: string;
  copier: RowCopier;
  localDirectory: string;
  signal?: AbortSignal | undefined;
}

/** What one hour's files hold. */
export interface HourFilesCount {
  rows: Record<DataFile['role'], number>;
  /** Whether every file's rows are the very ones its record names. */
  isSame: boolean;
  problems: string[];
}

const PLACES: Record<DataFile['role'], string> = { data: '', late: '_late/', quarantine: '_quarantine/' };
const ENDINGS: Record<DataFile['role'], string> = {
  data: '.parquet',
  late: '.parquet.late',
  quarantine: '.jsonl',
};

/** Counts the files of an hour; `live` are those that records name there. */
export async function countFiles(
  options: FilesAuditOptions,
  hour: Hour,
  live: readonly LiveFile[],
): Promise<HourFilesCount> {
  const { store, topic, localDirectory, signal } = options;
  const found: HourFilesCount = { rows: { data: 0, late: 0, quarantine: 0 }, isSame: true, problems: [] };
  const named = new Map(live.map((file) => [file.final, file]));
  await using local = await FetchedFiles.open(store, localDirectory);
  for (const role of Object.keys(PLACES) as DataFile['role'][]) {
    const directory = `${PLACES[role]}${hourDirectory(hour)}`;
    for (const { name } of await store.list(`${topic}/${directory}`)) {
      if (!name.endsWith(ENDINGS[role]) || /^[_.]/.test(name)) continue;
      const final = `${directory}/${name}`;
      signal?.throwIfAborted();
      const { rows, digest } = await countFile(options, local, final, role);
      found.rows[role] += rows;
      const file = named.get(final);
      named.delete(final);
      if (file === undefined) found.problems.push(unnamed(topic, final, rows));
      else if (rows !== file.rows || digest !== file.digest) {
        found.isSame = false;
        found.problems.push(
          `${topic}/${final} holds ${rows} rows, its record says ${file.rows}${rows === file.rows ? ', but other ones' : ''}; restore it from a copy or replay its offsets`,
        );
      }
      await local.keep(new Set());
    }
  }
  for (const { final, rows } of named.values()) {
    found.isSame = false;
    found.problems.push(
      `${topic}/${final} with ${rows} rows is not there; restore it from a copy or replay its offsets`,
    );
  }
  return found;
}

const unnamed = (topic: string, final: string, rows: number) =>
  `${topic}/${final} with ${rows} rows is named by no record${parseFinalName(final) ? '' : ' and bears a name that is not ours'}; readers see it, move it away`;

async function countFile(
  { store, topic, copier, localDirectory: _ }: FilesAuditOptions,
  local: FetchedFiles,
  final: string,
  role: DataFile['role'],
): Promise<{ rows: number; digest: string }> {
  const path = `${topic}/${final}`;
  await local.fetch([path]);
  if (role !== 'quarantine')
    return await copier.count(local.at(path), '_timestamp').catch((error: unknown) => {
      throw new Error(
        `${store.url}: ${path} can't be read as Parquet (${String(error).split('\n')[0]}); restore it from a copy or replay its offsets`,
        { cause: error },
      );
    });
  const { partition } = parseFinalName(final) ?? { partition: 0 };
  const digest = new RowDigest(partition);
  let rows = 0;
  for await (const line of linesOf(local.at(path))) {
    digest.add(lineOrigin(line).offset);
    rows++;
  }
  return { rows, digest: digest.toString() };
}
