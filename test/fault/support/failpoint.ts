/**
 * Preloaded into a process under test (`node --import …/failpoint.ts cli/main.ts load …`), and by inheritance into its
 * worker threads: wraps the stores' operations, and where a step is none of theirs the sorter, so that the plan in the
 * environment comes true. Without a plan it does nothing.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rmdir, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, threadId } from 'node:worker_threads';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { EventSorter } from '../../../loader/event-sorter.ts';
import { DirectoryStore } from '../../../loader/store/directory-store.ts';
import { type StoreEntry, StoreError } from '../../../loader/store/store.ts';
import { watchDisk } from './disk-journal.ts';
import {
  type Failpoint,
  type FaultPlan,
  goName,
  hitName,
  hungName,
  lateName,
  NOTES_NAME,
  PLAN_VARIABLE,
} from './fault-plan.ts';
import {
  CHANGES,
  type Mutant,
  type Operation,
  STORE_OPERATIONS,
  type StoreMethods,
  type StoreOperation,
} from './mutant.ts';
import { MUTANTS } from './mutants.ts';

/** How often a process that hangs looks whether it may go on. */
const HANG_LOOK_MS = 5;

/** The operation in question, what it was called with, and how it is done. */
interface Call {
  op: string;
  path: string;
  args: readonly unknown[];
  run: () => Promise<unknown>;
}

const kill = () => process.kill(process.pid, 'SIGKILL');
/** Never answers: the process is dying. */
const never = () => new Promise<never>(() => {});

class Faults {
  readonly #plan: FaultPlan;
  readonly #patterns: readonly RegExp[];
  readonly #random: SeededRandom;

  constructor(plan: FaultPlan) {
    this.#plan = plan;
    this.#patterns = plan.points.map(({ path = '' }) => new RegExp(path));
    this.#random = new SeededRandom((plan.jitter?.seed ?? 0) + threadId);
  }

  /** Does an operation, or what the plan makes of it. */
  async reach(call: Call): Promise<unknown> {
    const { jitter } = this.#plan;
    if (jitter && CHANGES.has(call.op)) await sleep(this.#random.below(jitter.maxMs));
    for (const [index, point] of this.#plan.points.entries())
      if (point.op === call.op && this.#patterns[index]!.test(call.path) && this.#isDue(index, point))
        return await this.#act(index, point, call);
    return await call.run();
  }

  /** The same for what can't wait. */
  reachNow(op: string, path: string): void {
    for (const [index, point] of this.#plan.points.entries())
      if (point.op === op && this.#patterns[index]!.test(path) && this.#isDue(index, point)) {
        if (point.act === 'end thread' && !isMainThread) process.exit(1);
        if (point.act.startsWith('kill')) kill();
      }
  }

  /** Whether this is the hit that counts. All threads count together, by files of which each can be made once. */
  #isDue(index: number, { nth = 1 }: Failpoint): boolean {
    for (let hit = 1; ; hit++)
      try {
        writeFileSync(this.#scratch(hitName(index, hit)), '', { flag: 'wx' });
        return nth === 0 || hit === nth;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        if (nth !== 0 && hit >= nth) return false; // it is over
      }
  }

  #scratch(name: string): string {
    return join(this.#plan.scratch, name);
  }

  async #hang(index: number): Promise<void> {
    writeFileSync(this.#scratch(hungName(index)), '');
    while (!existsSync(this.#scratch(goName(index)))) await sleep(HANG_LOOK_MS);
    putForward(Number(readFileSync(this.#scratch(goName(index)), 'utf8')));
  }

  async #act(index: number, point: Failpoint, { op, path, args, run }: Call): Promise<unknown> {
    const timeOut = () => new StoreError(op, path, 'timed out', { retriable: true });
    const target = () => (this.#plan.root ? join(this.#plan.root, path) : path);
    switch (point.act) {
      case 'kill before':
        kill();
        return await never();
      case 'kill after':
        await run();
        kill();
        return await never();
      case 'kill halfway':
        await run();
        await truncate(target(), Math.floor(readFileSync(target()).length / 2));
        kill();
        return await never();
      case 'hang before':
        await this.#hang(index);
        return await run();
      case 'hang after': {
        const result = await run();
        await this.#hang(index);
        return result;
      }
      case 'drop answer':
        await run();
        throw timeOut();
      case 'lands later':
        writeFileSync(this.#scratch(lateName(index)), JSON.stringify(args));
        throw timeOut();
      case 'error':
        throw new StoreError(op, path, 'refused by the test');
      case 'delay':
        await sleep(point.ms ?? 0);
        return await run();
      case 'twice':
        await run();
        return await run();
      case 'without parent':
        await rmdir(dirname(target()));
        return await run();
      case 'cut': {
        const size = (await run()) as number;
        await truncate(target(), size - 7);
        return size - 7;
      }
      case 'end thread':
        return process.exit(1);
      case 'note':
        appendFileSync(
          this.#scratch(NOTES_NAME),
          `${JSON.stringify({ point: index, op, path, startedMs: performance.timeOrigin, atMs: performance.timeOrigin + performance.now() })}\n`,
        );
        return await run();
    }
  }
}

/** What a failpoint's pattern is held against. */
function pathOf(op: string, args: readonly unknown[]): string {
  const [first, second] = args;
  if (op === 'sync') return (first as string[]).join(' ');
  return String(['upload', 'publish', 'move', 'overwrite'].includes(op) ? second : first);
}

function mutate(
  original: Operation,
  op: StoreOperation,
  side: 'store' | 'caller',
  plan: FaultPlan,
): Operation {
  return plan.mutants.reduce<Operation>((inner, name) => {
    const mutant: Mutant = MUTANTS[name];
    const change = mutant[side]?.[op];
    if (change === undefined) return inner;
    return function (this: StoreMethods, ...args) {
      return change(
        this,
        args,
        (...changed) => inner.apply(this, changed.length > 0 ? changed : args),
        plan.root ?? '',
      );
    };
  }, original);
}

/** Puts mutants, failpoints, and those mutants that are the caller's mistakes into a class of store. */
function wrapStore(methods: StoreMethods, plan: FaultPlan, faults: Faults): void {
  for (const op of STORE_OPERATIONS) {
    const mutated = mutate(methods[op]!, op, 'store', plan);
    const failing: Operation = function (this: StoreMethods, ...args) {
      return faults.reach({ op, path: pathOf(op, args), args, run: () => mutated.apply(this, args) });
    };
    methods[op] = mutate(failing, op, 'caller', plan);
  }
}

/** How far the clocks that a process sees are from those there are. */
const shifts = { nowMs: 0, storeMs: 0 };

function putForward(byMs: number): void {
  shifts.nowMs += byMs;
  shifts.storeMs += byMs;
}

/** The clocks of machine and store, set before anything reads them. */
function setClocks({ clock }: FaultPlan): void {
  if (clock === undefined) return;
  const realNow = Date.now;
  const startedMs = Math.floor(performance.timeOrigin);
  shifts.nowMs = clock.nowMs - startedMs;
  shifts.storeMs = clock.storeMs - startedMs;
  Date.now = () => realNow() + shifts.nowMs;
  const { stat } = DirectoryStore.prototype;
  // `list` asks `stat`, so this is all.
  DirectoryStore.prototype.stat = async function (
    this: DirectoryStore,
    path,
  ): Promise<StoreEntry | undefined> {
    const entry = await stat.call(this, path);
    return entry && { ...entry, modifiedMs: entry.modifiedMs + shifts.storeMs };
  };
}

function watchSorter(faults: Faults): void {
  const { add } = EventSorter.prototype;
  EventSorter.prototype.add = function (this: EventSorter, batches) {
    faults.reachNow('read batch', '');
    add.call(this, batches);
  };
}

/** Preloads are run as modules of their own: nobody calls this but the last line. */
async function install(plan: FaultPlan): Promise<void> {
  const faults = new Faults(plan);
  setClocks(plan);
  // A class's methods, looked at as a table of functions: that is what wrapping replaces.
  wrapStore(DirectoryStore.prototype as unknown as StoreMethods, plan, faults);
  if (process.argv.some((word) => /^s?webhdfs:/.test(word))) {
    const { WebHdfsStore } = await import('../../../loader/store/webhdfs-store.ts');
    // As above.
    wrapStore(WebHdfsStore.prototype as unknown as StoreMethods, plan, faults);
  }
  watchSorter(faults);
  if (plan.root !== undefined)
    watchDisk({ ...plan, root: plan.root }, (op, path, run) => faults.reach({ op, path, args: [path], run }));
}

const text = process.env[PLAN_VARIABLE];
if (text !== undefined) await install(JSON.parse(text) as FaultPlan);
