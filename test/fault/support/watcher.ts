/**
 * Looks at the table all the while things go wrong: every visible row was produced, is there once and in its hour, in a file
 * that a record names, and an hour that bears `_SUCCESS` lacks none of the rows that were acknowledged before it was complete.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listing } from '../../support/foreign-eyes.ts';
import { readRecords } from './foreign-chain.ts';
import { hourName, keyOf, type TopicTruth } from './topic-truth.ts';
import { TableReader, type VisibleRow } from './visible-rows.ts';

const LOOK_MS = Number(process.env['FAULT_LOOK_MS'] ?? 20);
/** Problems told; more of the same say nothing new. */
const MAX_PROBLEMS = 5;

/** What is wrong with rows, apart from some that may still be missing. */
export function rowProblems(rows: readonly VisibleRow[], truth: TopicTruth): string[] {
  const problems: string[] = [];
  const seen = new Map<string, string>();
  for (const row of rows) {
    const key = keyOf(row);
    const produced = truth.produced.get(key);
    const before = seen.get(key);
    if (before !== undefined) problems.push(`row ${key} is visible twice: in ${before} and ${row.file}`);
    else if (produced === undefined || produced.hour === undefined || produced.n !== row.n)
      problems.push(`row ${key} of ${row.file} was not produced so`);
    else if (hourName(produced.hour) !== row.hour)
      problems.push(`row ${key} of ${row.file} belongs to ${hourName(produced.hour)}`);
    seen.set(key, row.file);
  }
  return problems.slice(0, MAX_PROBLEMS);
}

/** Files that were visible before any record named them. */
function unnamedProblems(root: string, rows: readonly VisibleRow[]): string[] {
  try {
    const { everNamed } = readRecords(root);
    const unnamed = [...new Set(rows.map(({ file }) => file))].filter((file) => !everNamed.has(file));
    return unnamed.map((file) => `no record names ${file}`).slice(0, MAX_PROBLEMS);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // a generation went away meanwhile
    throw error;
  }
}

/** The hours that bear a marker now, and which file it is. */
function markersOf(root: string): Map<number, string> {
  const found = new Map<number, string>();
  for (let hour = 0; hour < 24; hour++) {
    const [day, of] = hourName(hour).split('T');
    const marker = statSync(join(root, `dt=${day}/hour=${of}/_SUCCESS`), { throwIfNoEntry: false });
    if (marker !== undefined) found.set(hour, `${marker.ino} ${marker.mtimeMs}`);
  }
  return found;
}

/** The hours that bear a marker now. */
export const markedHours = (root: string): number[] => [...markersOf(root).keys()];

/** Markers on hours whose rows are not all there. */
export function markerProblems(
  marked: readonly number[],
  rows: readonly VisibleRow[],
  truth: TopicTruth,
): string[] {
  const seen = new Set(rows.map(keyOf));
  return marked.flatMap((hour) => {
    const missing = truth.dueIn(hour).filter((record) => !seen.has(keyOf(record)));
    return missing.length === 0
      ? []
      : [
          `${hourName(hour)} bears an early _SUCCESS: ${missing.length} rows are missing, ${keyOf(missing[0]!)} first`,
        ];
  });
}

/** Every record of a chain or of the log of rewrites that is there. */
const recordNames = (root: string) =>
  ['_loader/commits', '_loader/rewrites'].flatMap((log) => listing(root, log)).join(' ');

export class Watcher implements AsyncDisposable {
  readonly problems: string[] = [];
  looks = 0;
  /** False while a test has taken a record away itself. */
  namesAreKept = true;
  readonly #root: string;
  readonly #truth: TopicTruth;
  readonly #stop = new AbortController();
  readonly #looking: Promise<void>;
  #reader: TableReader | undefined;
  #seen = '';
  #looksAtOnce: Promise<void> = Promise.resolve();

  /** `root`: the topic's directory. */
  constructor(root: string, truth: TopicTruth) {
    this.#root = root;
    this.#truth = truth;
    this.#looking = this.#lookOften();
  }

  async #lookOften(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.look();
      await sleep(LOOK_MS);
    }
  }

  /** One look more, at a moment that a test holds. */
  async look(): Promise<void> {
    this.#looksAtOnce = this.#looksAtOnce.then(() => this.#lookNow());
    await this.#looksAtOnce;
  }

  async #lookNow(): Promise<void> {
    this.#reader ??= await TableReader.open(this.#root);
    this.looks++;
    // Markers first: whoever sees one may count on what he reads afterwards.
    const marked = markersOf(this.#root);
    const files = this.#reader.signature();
    // The records too: when the power goes one may be gone while the files it named are still there.
    const signature = `${[...marked].join(' ')}\n${recordNames(this.#root)}\n${files}`;
    if (signature === this.#seen || this.problems.length >= MAX_PROBLEMS) return;
    const rows = await this.#reader.rows().catch((error: unknown) => String(error));
    if (typeof rows === 'string') {
      // Else a file went away under the query; the next look sees what came of it.
      if (this.#reader.signature() !== files) return;
      this.#seen = signature;
      this.problems.push(`while it ran: ${rows.split('\n')[0]}`);
      return;
    }
    this.#seen = signature;
    // A rewrite withdraws the marker before it moves a file: only a marker that stayed says something of what was read.
    const stayed = markersOf(this.#root);
    const whole = [...marked.keys()].filter((hour) => stayed.get(hour) === marked.get(hour));
    const unnamed = this.namesAreKept ? unnamedProblems(this.#root, rows) : [];
    for (const problem of [
      ...unnamed,
      ...rowProblems(rows, this.#truth),
      ...markerProblems(whole, rows, this.#truth),
    ])
      this.problems.push(`while it ran: ${problem}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking.finally(() => this.#reader?.[Symbol.dispose]());
  }
}

/** All that lies below a topic but the history of runs, with sizes: what an idle run must not change. */
export function stateOf(root: string): string[] {
  return listing(root, '').filter((path) => !path.startsWith('_loader/runs/'));
}
