/**
 * What the doctor finds in the directories that readers see, and in the markers that speak of them.
 */
import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path/posix';
import type { DataFile } from '../loader/commit.ts';
import type { LiveFile } from '../loader/fold.ts';
import { type Hour, hourDirectory } from '../loader/hour.ts';
import { listMarkedHours, newestMarker } from '../loader/hour-marker.ts';
import { successPath } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { liveFilesByHour, type TopicState } from '../loader/table-state.ts';
import type { DoctorOptions, Finding } from './finding.ts';

const PARQUET_MAGIC = 'PAR1';

/** Missing, truncated and unnamed files, and markers that don't speak of what is there. */
export async function findInHours(options: DoctorOptions, state: TopicState): Promise<Finding[]> {
  const { store, topic, signal } = options;
  const findings: Finding[] = [];
  const named = Map.groupBy(state.live.values(), ({ final }) => dirname(final));
  for (const directory of await directoriesOf(store, topic, named.keys())) {
    signal?.throwIfAborted();
    findings.push(...(await findInDirectory(store, state, directory, named.get(directory) ?? [])));
  }
  const damaged = new Set(findings.map(({ path }) => hourOf(path)));
  for (const hour of await listMarkedHours(store, topic)) {
    signal?.throwIfAborted();
    if (hour >= (state.log.expiredBefore ?? ''))
      findings.push(...(await findInMarker(store, state, hour, damaged)));
  }
  findings.push(...(await findFalseMarks(store, state)));
  return findings;
}

/** Directories of hours: those there are, and those that records name files in. */
async function directoriesOf(store: Store, topic: string, named: Iterable<string>): Promise<string[]> {
  const found = new Set(named);
  for (const root of ['', '_late/', '_quarantine/'])
    for (const { name: dt } of await store.list(root === '' ? topic : `${topic}/${root.slice(0, -1)}`))
      if (dt.startsWith('dt='))
        for (const { name: hour } of await store.list(`${topic}/${root}${dt}`))
          found.add(`${root}${dt}/${hour}`);
  return [...found].sort();
}

async function findInDirectory(
  store: Store,
  { topic, log }: TopicState,
  directory: string,
  files: readonly LiveFile[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const entries = new Map((await store.list(`${topic}/${directory}`)).map((entry) => [entry.name, entry]));
  const removed = new Set(log.rewrites.flatMap(({ removes }) => removes.map(({ final }) => final)));
  for (const file of files) {
    const entry = entries.get(basename(file.final));
    entries.delete(basename(file.final));
    findings.push(...(await findInFile(store, topic, file, entry?.size)));
  }
  for (const { name } of entries.values())
    if (!/^[_.]/.test(name))
      findings.push(unnamed(`${topic}/${directory}/${name}`, removed.has(`${directory}/${name}`)));
  return findings;
}

async function findInFile(
  store: Store,
  topic: string,
  { role, final, bytes, rows }: DataFile,
  size: number | undefined,
): Promise<Finding[]> {
  const path = `${topic}/${final}`;
  const damaged = (kind: string, problem: string): Finding[] => [
    {
      kind,
      severity: 'error',
      path,
      problem,
      remedy: 'restore it from a copy, or replay its offsets',
      fixable: false,
    },
  ];
  if (size === undefined)
    return damaged('missing file', `a record names it with ${rows} rows, and it is not there`);
  if (size !== bytes) return damaged('truncated file', `it has ${size} bytes, its record says ${bytes}`);
  if (role === 'quarantine') return [];
  const tail = await store.readRange(path, bytes - PARQUET_MAGIC.length, PARQUET_MAGIC.length);
  return tail.toString('latin1') === PARQUET_MAGIC
    ? []
    : damaged('damaged file', 'it does not end as a Parquet file does');
}

const unnamed = (path: string, isRemoved: boolean): Finding =>
  isRemoved
    ? {
        kind: 'retired file',
        severity: 'error',
        path,
        problem: 'a rewrite has removed it, and it is still where readers see it',
        remedy: 'run the load; if it stays, somebody put it back: move it away',
        fixable: false,
      }
    : {
        kind: 'unnamed file',
        severity: 'error',
        path,
        problem: 'readers see it and no record names it: its rows count twice, or never were events',
        remedy: 'move it out of the table',
        fixable: false,
      };

/** A marked hour must have its `_SUCCESS`, and the marker must speak of the files that are live now. */
async function findInMarker(
  store: Store,
  state: TopicState,
  hour: Hour,
  damaged: ReadonlySet<Hour | undefined>,
): Promise<Finding[]> {
  const { topic } = state;
  const marker = await newestMarker(store, topic, hour);
  if (marker === undefined) return [];
  const path = successPath(topic, hour);
  const stale = (problem: string): Finding[] => [
    {
      kind: 'marker',
      severity: 'warning',
      path,
      problem,
      remedy: 'doctor --fix writes it again, and so does a load that changes the hour',
      fixable: !damaged.has(hour),
    },
  ];
  const files = [
    ...(liveFilesByHour(state).get(hour) ?? []),
    ...(liveFilesByHour(state, 'late').get(hour) ?? []),
  ];
  const names = files.map(({ final }) => final).sort();
  if (createHash('sha256').update(names.join('\n')).digest('hex') !== marker.filesSha256)
    return stale('the newest marker speaks of other files than those that are live now');
  const success = await store.read(path);
  if (success === undefined) return stale('the hour is marked complete, and its _SUCCESS is not there');
  const { version } = JSON.parse(success.toString('utf8')) as { version?: number };
  return version === marker.version
    ? []
    : stale(`it is version ${version} of the marker, not ${marker.version}`);
}

/** A `_SUCCESS` of an hour that was never marked promises what nobody has judged. */
async function findFalseMarks(store: Store, { topic }: TopicState): Promise<Finding[]> {
  const marked = new Set(await listMarkedHours(store, topic));
  const findings: Finding[] = [];
  for (const { name: dt } of await store.list(topic)) {
    if (!dt.startsWith('dt=')) continue;
    for (const { name } of await store.list(`${topic}/${dt}`)) {
      const hour = `${dt.slice(3)}T${name.slice(5)}`;
      if (marked.has(hour) || (await store.stat(`${topic}/${hourDirectory(hour)}/_SUCCESS`)) === undefined)
        continue;
      findings.push({
        kind: 'false marker',
        severity: 'error',
        path: successPath(topic, hour),
        problem: 'the hour bears _SUCCESS and was never found complete',
        remedy: 'delete it; a load marks the hour when it is complete',
        fixable: false,
      });
    }
  }
  return findings;
}

const hourOf = (path: string): Hour | undefined => {
  const [, date, hour] = /dt=(\d{4}-\d{2}-\d{2})\/hour=(\d{2})/.exec(path) ?? [];
  return date && `${date}T${hour}`;
};
