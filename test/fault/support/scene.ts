/**
 * One case of the fault matrix at work: a warehouse of its own, the processes that load into it, the one checker for the
 * end, and the watcher meanwhile. What it finds wrong it collects as sentences; a case passes when there are none.
 */
import { cpSync, existsSync, linkSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listing, quarantineLines } from '../../support/foreign-eyes.ts';
import type { Ended } from '../../support/run-cli.ts';
import { loseUnsynced } from './disk-loss.ts';
import type { Failpoint, FaultPlan } from './fault-plan.ts';
import { FaultyProcess } from './faulty-process.ts';
import { fileProblems, readRecords } from './foreign-chain.ts';
import { idleLoad } from './idle-load.ts';
import type { MutantName } from './mutants.ts';
import { hourName, keyOf, MIDNIGHT_MS, MINUTE_MS, type TopicTruth } from './topic-truth.ts';
import { TableReader } from './visible-rows.ts';
import { markedHours, markerProblems, rowProblems, stateOf, Watcher } from './watcher.ts';

/** Loads after the fault, until one finds nothing to do. */
const MAX_RESTARTS = 5;
export const KILLED = 137;
/** When the faulted loads run, by the tests' clock: hours 0 and 1 have just become complete. */
export const LOAD_MS = MIDNIGHT_MS + 126 * MINUTE_MS;
/** And by how much each further process sees a later clock: longer than any of them runs, or time would go backwards. */
const STEP_MS = 20_000;

export interface SceneOptions {
  /** A directory of the scene's own; the warehouse is made in it. */
  directory: string;
  /** A warehouse to begin with. */
  template?: string | undefined;
  address: string;
  truth: TopicTruth;
  mutants?: readonly MutantName[];
  /** Whether what a killed process had not fsynced is lost. */
  losesPower?: boolean;
  loadMs?: number;
}

export interface LoadOptions {
  /** `load`, unless another. */
  command?: string;
  points?: readonly Failpoint[];
  argv?: readonly string[];
  /** The time this machine shows, if it is not that of the store. */
  nowMs?: number;
  jitter?: FaultPlan['jitter'];
}

export class Scene implements AsyncDisposable {
  readonly truth: TopicTruth;
  readonly warehouse: string;
  /** The topic's directory. */
  readonly root: string;
  readonly problems: string[] = [];
  readonly watcher: Watcher;
  readonly #options: SceneOptions;
  readonly #processes: FaultyProcess[] = [];
  /** Hours that must bear a marker in the end. */
  complete: readonly number[] = [0, 1];
  address: string;
  restarts = 0;
  undone = 0;

  constructor(options: SceneOptions) {
    const { directory, template, truth, address } = options;
    this.#options = options;
    this.truth = truth;
    this.address = address;
    this.warehouse = join(directory, 'warehouse');
    this.root = join(this.warehouse, truth.topic);
    if (template !== undefined) cpSync(template, this.warehouse, { recursive: true });
    this.watcher = new Watcher(this.root, truth);
  }

  /** Notes a problem unless something holds. */
  expect(isSo: boolean, otherwise: string): void {
    if (!isSo) this.problems.push(otherwise);
  }

  /** Starts a load, or another command. */
  start({ command = 'load', points = [], argv = [], nowMs, jitter }: LoadOptions = {}): FaultyProcess {
    const { directory, truth, mutants = [], losesPower = false, loadMs = LOAD_MS } = this.#options;
    const number = this.#processes.length;
    const storeMs = loadMs + number * STEP_MS;
    const plan: FaultPlan = {
      points,
      mutants,
      scratch: join(directory, `process-${number}`),
      root: this.warehouse,
      isJournalled: losesPower,
      clock: { nowMs: nowMs ?? storeMs, storeMs },
      ...(jitter && { jitter }),
    };
    const at = ['--broker', this.address, '--warehouse', `file:${this.warehouse}`, '--json'];
    const set = ['--set', `topics.${truth.topic}.schema=web_request`, '--set', 'loader.workers=1'];
    const process = new FaultyProcess([command, ...argv, '--topic', truth.topic, ...at, ...set], plan);
    this.#processes.push(process);
    return process;
  }

  /** A load to its end, or to its kill; then, if the scene is so, the power goes too. Unmet failpoints are a problem. */
  async load(options: LoadOptions = {}): Promise<Ended> {
    const process = this.start(options);
    const ended = await process.ended;
    for (const { op, path = '' } of process.unmet()) this.problems.push(`nothing came by ${op} ${path}`);
    if (ended.status === KILLED && this.#options.losesPower)
      this.undone += loseUnsynced(this.warehouse, process.plan.scratch);
    return ended;
  }

  /** The publish that a process gave up arrives at last; what came of it. */
  land(process: FaultyProcess, point = 0): 'landed' | 'refused' {
    const [from, to] = process.late(point) as [string, string];
    try {
      linkSync(join(this.warehouse, from), join(this.warehouse, to));
      return 'landed';
    } catch {
      return 'refused';
    }
  }

  /** Loads until a load ends well; then one more must find nothing to do and change nothing. */
  async settle({ argv = [], nowMs }: Pick<LoadOptions, 'argv' | 'nowMs'> = {}): Promise<void> {
    let ended: Ended | undefined;
    while (ended?.status !== 0 && this.restarts < MAX_RESTARTS) {
      ended = await this.start({ argv, ...(nowMs !== undefined && { nowMs }) }).ended;
      this.restarts++;
    }
    this.expect(ended?.status === 0, `it is not well after ${this.restarts} loads: ${ended?.stderr.trim()}`);
    await this.check();
    const before = stateOf(this.root).join('\n');
    const { directory, truth, loadMs = LOAD_MS } = this.#options;
    const { rows, complaints } = await idleLoad(
      {
        address: this.address,
        warehouse: this.warehouse,
        loader: { workers: 1, spoolDir: join(directory, 'spool') },
        topics: { [truth.topic]: { schema: 'web_request' } },
      },
      truth.topic,
      loadMs + this.#processes.length * STEP_MS,
    );
    this.expect(rows === 0, `a load that had nothing to do loaded ${rows} rows`);
    this.problems.push(...complaints);
    this.expect(stateOf(this.root).join('\n') === before, 'a load that had nothing to do changed the table');
  }

  /** The checker: the whole table against what was produced. */
  async check(): Promise<void> {
    await this.watcher.look();
    using reader = await TableReader.open(this.root);
    const rows = await reader.rows();
    const records = readRecords(this.root);
    const seen = new Set(rows.map(keyOf));
    const expected = [...this.truth.produced.values()];
    const missing = expected.filter((record) => record.hour !== undefined && !seen.has(keyOf(record)));
    this.expect(
      missing.length === 0,
      `${missing.length} rows are lost, ${missing[0] && keyOf(missing[0])} first`,
    );
    this.problems.push(...rowProblems(rows, this.truth), ...this.#quarantineProblems());
    this.problems.push(...records.problems, ...fileProblems(this.root, records));
    this.problems.push(...markerProblems(markedHours(this.root), rows, this.truth));
    // A rewrite that was killed before its publish may still land: its number is free, so its staging stays.
    const staged = listing(this.root, '_loader/staging').filter((path) => !/^(?:h-markers|w-)/.test(path));
    this.expect(staged.length === 0, `staging is left: ${staged[0]}`);
    for (const hour of this.complete)
      this.#checkMarker(hour, rows.filter((row) => row.hour === hourName(hour)).length);
    const marked = markedHours(this.root);
    this.expect(
      marked.every((hour) => this.complete.includes(hour)),
      `an hour is marked that is not over: ${marked}`,
    );
  }

  #quarantineProblems(): string[] {
    const refused = quarantineLines(this.warehouse, this.truth.topic).map(
      ({ partition, offset }) => `${partition}/${offset}`,
    );
    const expected = [...this.truth.produced.values()].filter(({ hour }) => hour === undefined);
    const wanted = new Set(expected.map(({ partition, offset }) => `${partition}/${offset}`));
    const isRight = refused.length === expected.length && refused.every((key) => wanted.has(key));
    return isRight
      ? []
      : [`the quarantine holds ${refused.length} records, of ${expected.length} refused ones`];
  }

  /** `_SUCCESS` is whole, is the newest version, and knows all rows of its hour. */
  #checkMarker(hour: number, rows: number): void {
    const name = hourName(hour);
    const [day, of] = name.split('T');
    const path = join(this.root, `dt=${day}/hour=${of}/_SUCCESS`);
    if (!existsSync(path)) {
      this.problems.push(`${name} bears no _SUCCESS in the end`);
      return;
    }
    const body = readFileSync(path, 'utf8');
    const versions = listing(this.root, `_loader/hours/${name}`);
    const newest = readFileSync(join(this.root, `_loader/hours/${name}`, versions.at(-1)!), 'utf8');
    this.expect(body === newest, `_SUCCESS of ${name} is not its newest version`);
    const told = (JSON.parse(body) as { rows: number }).rows;
    this.expect(told === rows, `_SUCCESS of ${name} tells of ${told} rows, there are ${rows}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#processes) child.kill('SIGKILL');
    await Promise.all(this.#processes.map(({ ended }) => ended));
    await this.watcher[Symbol.asyncDispose]().catch((error: unknown) => this.problems.push(String(error)));
    this.problems.push(...this.watcher.problems);
  }
}
