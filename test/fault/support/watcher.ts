/**
 * Looks at the table all the while things go wrong: every visible row was produced, is there once and in its hour, and an
 * hour that bears `_SUCCESS` lacks none of the rows that were acknowledged before it was complete.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listing } from '../../support/foreign-eyes.ts';
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

/** The hours that bear a marker now. */
export function markedHours(root: string): number[] {
  return Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => {
    const [day, of] = hourName(hour).split('T');
    return existsSync(join(root, `dt=${day}/hour=${of}/_SUCCESS`));
  });
}

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

export class Watcher implements AsyncDisposable {
  readonly problems: string[] = [];
  looks = 0;
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
    const marked = markedHours(this.#root);
    const signature = `${marked.join(' ')}\n${this.#reader.signature()}`;
    if (signature === this.#seen || this.problems.length >= MAX_PROBLEMS) return;
    const rows = await this.#reader.rows().catch((error: unknown) => {
      if (this.#reader?.signature() === signature.slice(signature.indexOf('\n') + 1)) throw error;
      return undefined; // a file went away under the query; the next look sees what came of it
    });
    if (rows === undefined) return;
    this.#seen = signature;
    for (const problem of [...rowProblems(rows, this.#truth), ...markerProblems(marked, rows, this.#truth)])
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
