/**
 * Every name inside a warehouse is made and parsed here and nowhere else (docs/formats.md, "Warehouse"). Numbers are
 * padded so that a listing sorted by name is sorted by number; a larger number just grows longer and stays unique.
 * Nothing below `_loader` ends in `.parquet`, nor do late files: engines that glob recursively must not see them.
 */
import { type Hour, hourDirectory } from './hour.ts';

const digits = (value: number, width: number) => String(value).padStart(width, '0');

const PARTITION_DIGITS = 5;
const GENERATION_DIGITS = 6;
const OFFSET_DIGITS = 20;
const REWRITE_DIGITS = 8;
const PART_DIGITS = 3;
const TRASH_DIGITS = 5;
const VERSION_DIGITS = 6;

/** Role of a file that a commit record names: rows of the table, rows too late for it, or refused records. */
export type FileRole = 'data' | 'late' | 'quarantine';

/** What a file's final name says; `from`/`next` are the record's range, `part` counts over the whole record. */
export interface FileIdentity {
  partition: number;
  incarnation: number;
  from: number;
  next: number;
  rewrite: number;
  part: number;
}

const ROLE_PLACE: Record<FileRole, { prefix: string; suffix: string }> = {
  data: { prefix: '', suffix: '.parquet' },
  late: { prefix: '_late/', suffix: '.parquet.late' },
  quarantine: { prefix: '_quarantine/', suffix: '.jsonl' },
};

const loaderRoot = (topic: string) => `${topic}/_loader`;
const commitsRoot = (topic: string) => `${loaderRoot(topic)}/commits`;

/** Directory of all chains of one partition: one directory per generation. */
export function partitionDirectory(topic: string, partition: number): string {
  return `${commitsRoot(topic)}/p=${digits(partition, PARTITION_DIGITS)}`;
}
/** Directory whose entries are the partitions that have a chain. */
export const chainsDirectory = commitsRoot;

export const generationName = (generation: number) => `g=${digits(generation, GENERATION_DIGITS)}`;
export function generationDirectory(topic: string, partition: number, generation: number): string {
  return `${partitionDirectory(topic, partition)}/${generationName(generation)}`;
}

/** Path, relative to the topic, of a file's final name. */
export function finalName(role: FileRole, hour: Hour, id: FileIdentity): string {
  const { prefix, suffix } = ROLE_PLACE[role];
  const name =
    `p${digits(id.partition, PARTITION_DIGITS)}-i${digits(id.incarnation, 3)}` +
    `-o${digits(id.from, OFFSET_DIGITS)}-${digits(id.next, OFFSET_DIGITS)}` +
    `-r${digits(id.rewrite, REWRITE_DIGITS)}-${digits(id.part, PART_DIGITS)}`;
  return `${prefix}${hourDirectory(hour)}/${name}${suffix}`;
}

const FINAL =
  /^(?:(_late|_quarantine)\/)?dt=(\d{4}-\d{2}-\d{2})\/hour=(\d{2})\/p(\d{5,})-i(\d{3,})-o(\d{20})-(\d{20})-r(\d{8,})-(\d{3,})\.(parquet|parquet\.late|jsonl)$/;

/** The reverse of `finalName`; undefined for a name this module did not make. */
export function parseFinalName(path: string): ({ role: FileRole; hour: Hour } & FileIdentity) | undefined {
  const m = FINAL.exec(path);
  if (!m) return undefined;
  const [partition, incarnation, from, next, rewrite, part] = m.slice(4, 10).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const role = (Object.keys(ROLE_PLACE) as FileRole[]).find(
    (r) => ROLE_PLACE[r].prefix === (m[1] ? `${m[1]}/` : '') && ROLE_PLACE[r].suffix === `.${m[10]}`,
  );
  return role && { role, hour: `${m[2]}T${m[3]}`, partition, incarnation, from, next, rewrite, part };
}

/** Names inside a generation: the root of the chain, and a record named by the offset it starts at. */
export const BASE_NAME = 'base.json';
export const recordName = (start: number) => `${digits(start, OFFSET_DIGITS)}.json`;
export function parseRecordName(name: string): number | undefined {
  return /^\d{20}\.json$/.test(name) ? Number(name.slice(0, OFFSET_DIGITS)) : undefined;
}

const numbered = (prefix: string) => (name: string) => {
  const m = /^([a-z]+)=(\d+)$/.exec(name);
  return m?.[1] === prefix ? Number(m[2]) : undefined;
};
export const parsePartitionName = numbered('p');
export const parseGenerationName = numbered('g');

/** Staging: one directory per wanted name, in it one per attempt, so that anyone can tell whether an attempt is outbid. */
export const stagingDirectory = (topic: string) => `${loaderRoot(topic)}/staging`;
export const RECORD_STAGED_NAME = 'record.json.tmp';
/** A staged file: which sub-range of the record wrote it, and its number there. */
export const stagedName = (task: number, part: number) =>
  `${digits(task, PART_DIGITS)}-${digits(part, PART_DIGITS)}.staged`;

/** The name an attempt wants: a record of a chain or of the rewrite log, or the root of a generation of either. */
export type WantedName =
  | { kind: 'commit'; partition: number; generation: number; start: number }
  | { kind: 'base'; partition: number; generation: number }
  | { kind: 'rewrite'; generation: number; seq: number }
  | { kind: 'rewrite-base'; generation: number };

export function wantedName(want: WantedName): string {
  const generation = `g${digits(want.generation, GENERATION_DIGITS)}`;
  switch (want.kind) {
    case 'commit':
      return `c-p${digits(want.partition, PARTITION_DIGITS)}-${generation}-${digits(want.start, OFFSET_DIGITS)}`;
    case 'base':
      return `b-p${digits(want.partition, PARTITION_DIGITS)}-${generation}`;
    case 'rewrite':
      return `w-${generation}-${digits(want.seq, REWRITE_DIGITS)}`;
    case 'rewrite-base':
      return `wb-${generation}`;
  }
}

const WANTED =
  /^(?:b-p(?<bp>\d{5,})-g(?<bg>\d{6,})|c-p(?<cp>\d{5,})-g(?<cg>\d{6,})-(?<start>\d{20})|w-g(?<wg>\d{6,})-(?<seq>\d{8,})|wb-g(?<wbg>\d{6,}))$/;

export function parseWantedName(name: string): WantedName | undefined {
  const { bp, bg, cp, cg, start, wg, seq, wbg } = WANTED.exec(name)?.groups ?? {};
  if (bp) return { kind: 'base', partition: Number(bp), generation: Number(bg) };
  if (cp) return { kind: 'commit', partition: Number(cp), generation: Number(cg), start: Number(start) };
  if (wg) return { kind: 'rewrite', generation: Number(wg), seq: Number(seq) };
  if (wbg) return { kind: 'rewrite-base', generation: Number(wbg) };
  return undefined;
}

export function attemptDirectory(topic: string, want: WantedName, attempt: string): string {
  return `${stagingDirectory(topic)}/${wantedName(want)}/${attempt}`;
}

/** Where the wanted name is: taken as soon as a file stands there. */
export function wantedPath(topic: string, want: WantedName): string {
  switch (want.kind) {
    case 'commit':
      return `${generationDirectory(topic, want.partition, want.generation)}/${recordName(want.start)}`;
    case 'base':
      return `${generationDirectory(topic, want.partition, want.generation)}/${BASE_NAME}`;
    case 'rewrite':
      return `${rewriteGenerationDirectory(topic, want.generation)}/${rewriteName(want.seq)}`;
    case 'rewrite-base':
      return `${rewriteGenerationDirectory(topic, want.generation)}/${BASE_NAME}`;
  }
}

/** The log of rewrites: one per topic, its generations beside each other as a chain's are. */
export const rewritesDirectory = (topic: string) => `${loaderRoot(topic)}/rewrites`;
export function rewriteGenerationDirectory(topic: string, generation: number): string {
  return `${rewritesDirectory(topic)}/${generationName(generation)}`;
}
export const rewriteName = (seq: number) => `${digits(seq, REWRITE_DIGITS)}.json`;
export function parseRewriteName(name: string): number | undefined {
  return /^\d{8,}\.json$/.test(name) ? Number(name.slice(0, -'.json'.length)) : undefined;
}

/** Where the files that a rewrite removed lie until they are deleted: one directory per rewrite. */
export const trashRoot = (topic: string) => `${loaderRoot(topic)}/trash`;
export const trashDirectory = (topic: string, seq: number) =>
  `${trashRoot(topic)}/${digits(seq, REWRITE_DIGITS)}`;
export function parseTrashName(name: string): number | undefined {
  return /^\d{8,}$/.test(name) ? Number(name) : undefined;
}
/** Path, relative to the topic, of the `index`-th file that a rewrite removed. */
export const trashName = (seq: number, index: number) =>
  `_loader/trash/${digits(seq, REWRITE_DIGITS)}/${digits(index, TRASH_DIGITS)}.retired`;

/** History of runs: three files per run, written when it starts, when its plan is fixed, and when it ends. */
export const runsDirectory = (topic: string) => `${loaderRoot(topic)}/runs`;
export type RunStage = 'started' | 'plan' | 'outcome';
export function runPath(topic: string, startedAt: string, run: string, stage: RunStage): string {
  return `${runsDirectory(topic)}/${startedAt.replaceAll(':', '-')}-${run}.${stage}.json`;
}
export function runStage(name: string): RunStage | undefined {
  return /\.(started|plan|outcome)\.json$/.exec(name)?.[1] as RunStage | undefined;
}

/** Markers: numbered versions per hour, and the copy of the newest that readers wait for. */
export const hoursDirectory = (topic: string) => `${loaderRoot(topic)}/hours`;
export const hourMarkersDirectory = (topic: string, hour: Hour) => `${hoursDirectory(topic)}/${hour}`;
export const versionName = (version: number) => `${digits(version, VERSION_DIGITS)}.json`;
export function parseVersionName(name: string): number | undefined {
  return /^\d{6,}\.json$/.test(name) ? Number(name.slice(0, -'.json'.length)) : undefined;
}
/** Staging of a marker. A marker is derived, so a dead one is harmless and swept after an hour. */
export const markersStagingDirectory = (topic: string) => `${stagingDirectory(topic)}/h-markers`;
export const markerStagingDirectory = (topic: string, attempt: string) =>
  `${markersStagingDirectory(topic)}/${attempt}`;
export const successPath = (topic: string, hour: Hour) => `${topic}/${hourDirectory(hour)}/_SUCCESS`;

/** Aggregates: numbered records beside the topic's other state, result files in a table of their own. */
export const AGGREGATES_ROOT = '_aggregates';
export const queryRecordsDirectory = (topic: string, query: string) =>
  `${loaderRoot(topic)}/queries/${query}`;
export function aggregateDirectory(query: string, topic: string, hour: Hour): string {
  return `${AGGREGATES_ROOT}/${query}/topic=${topic}/${hourDirectory(hour)}`;
}

/** What belongs to the warehouse as a whole and not to one topic. Readers pass over names that begin with "_". */
const MILLRACE_ROOT = '_millrace';
/** Who runs the schedule: a record per runner under a number that must not exist, and beside it its sign of life. */
export const RUNNERS_DIRECTORY = `${MILLRACE_ROOT}/runners`;
export const runnerPath = (n: number) => `${RUNNERS_DIRECTORY}/${versionName(n)}`;
export const heartbeatPath = (n: number) =>
  `${RUNNERS_DIRECTORY}/${digits(n, VERSION_DIGITS)}.heartbeat.json`;
/** The number in the name of a runner's record or of its sign of life. */
export function parseRunnerName(name: string): number | undefined {
  return parseVersionName(name.replace('.heartbeat.json', '.json'));
}
/** How each run of the schedule ended. Names sort by time. */
export const TICKS_DIRECTORY = `${MILLRACE_ROOT}/ticks`;
export const tickPath = (startedAt: string, tick: string) =>
  `${TICKS_DIRECTORY}/${startedAt.replaceAll(':', '-')}-${tick}.json`;
/** Up to where a reader of markers has come: aggregates, hooks. */
export const hourCursorPath = (reader: string, topic: string) =>
  `${MILLRACE_ROOT}/hours/${reader}/${topic}.json`;
export const MILLRACE_STAGING = `${MILLRACE_ROOT}/staging`;
export const millraceStagedPath = (attempt: string) => `${MILLRACE_STAGING}/${attempt}.json.tmp`;

/** The beginning and the id of the run that a file of its history belongs to. */
export function parseRunName(name: string): { startedAt: string; run: string } | undefined {
  const m = /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-([\d.]+Z)-(.+)\.(?:started|plan|outcome)\.json$/.exec(name);
  return m ? { startedAt: `${m[1]}${m[2]}:${m[3]}:${m[4]}`, run: m[5]! } : undefined;
}
