/**
 * One run of a model under a schedule: actors that run the product's own code, each in a process of its own as far as the
 * store can tell, and a schedule that says whose next store operation happens. Between two choices every actor waits for
 * an operation or is done, so a list of choices determines a run entirely, and a state can be told by the store's contents
 * and by what each actor has seen so far.
 */
import { createHash } from 'node:crypto';
import { type Store, StoreError } from '../../loader/store/store.ts';
import {
  type MemoryFiles,
  MemoryStore,
  type StoreFaults,
  type StoreOperation,
} from '../support/memory-store.ts';
import { drawFor, type IdSource } from './attempt-ids.ts';
import type { World, WorldOptions } from './world.ts';

/**
 * `A`: the next operation of actor A happens. `A#2`: the one after the next two that it has under way. `A?`: it is sent, A
 * is told of a time-out, it may land later. `A!`: A is killed and started anew. `+0`: the first operation that was sent lands.
 */
export type Choice = string;

/** What an actor's program may use. */
export interface Context {
  name: string;
  store: Store;
  world: World;
  /** A step outside the store: it happens when it is scheduled, like any operation. */
  act: <T>(what: string, step: () => T) => Promise<T>;
  now: () => number;
}

/** What one process does, from its start to its end. Started anew after a kill. */
export type Program = (context: Context) => Promise<void>;

export interface Model {
  name: string;
  actors: Record<string, Program>;
  world?: WorldOptions;
  /** Makes the contents the run begins with. */
  prepare?: (store: Store, world: World) => Promise<void>;
  faults?: StoreFaults;
  /** The store as every process sees it, also the one that recovers when all are dead; for mutants. */
  view?: (store: Store) => Store;
  /** How often each actor may be killed and started anew, and how many operations may time out in all. Default 0. */
  restarts?: number;
  timeouts?: number;
  /** Whether generations may be removed. Without, a record that is there stays as it is, and reading it needs no choice. */
  forgets?: boolean;
  /** Which operations may time out. Default: those that publish a name. */
  mayTimeOut?: (operation: StoreOperation) => boolean;
  /** Whether every operation is a choice, also those whose moment nobody else can tell. */
  isFine?: boolean;
}

interface Waiting {
  operation: StoreOperation;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

interface Actor extends IdSource {
  actor: string;
  life: number;
  waiting: Waiting[];
  isDone: boolean;
  /** Digest of all it has asked and was answered in this life. */
  seen: string;
}

const isPublish = ({ verb }: StoreOperation) => verb === 'publish';
const labelOf = ({ verb, path, from }: StoreOperation) => `${verb} ${from ? `${from} → ` : ''}${path}`;
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

export class Execution {
  readonly model: Model;
  readonly files: MemoryFiles;
  readonly world: World;
  /** Every choice so far, with what happened. */
  readonly trace: string[] = [];
  readonly late: StoreOperation[] = [];
  /** What no actor may end with. */
  problem: string | undefined;
  readonly #actors: Actor[] = [];
  #timeouts: number;

  private constructor(model: Model, files: MemoryFiles, world: World) {
    this.model = model;
    this.world = world;
    this.files = files;
    this.#timeouts = model.timeouts ?? 0;
  }

  /** Starts the actors on a copy of what `prepare` made. */
  static async start(
    model: Model,
    { files, world }: { files: MemoryFiles; world: World },
  ): Promise<Execution> {
    const own = world.clone();
    const execution = new Execution(
      model,
      files.clone(model.faults ?? {}, () => own.clockMs),
      own,
    );
    for (const name of Object.keys(model.actors)) await execution.#begin(name, 1);
    return execution;
  }

  /** Who acted last, if it still can. */
  current: string | undefined;

  async #begin(name: string, life: number): Promise<void> {
    const actor: Actor = {
      actor: name,
      name: `${name}${life}`,
      drawn: 0,
      life,
      waiting: [],
      isDone: false,
      seen: '',
    };
    const index = this.#actors.findIndex((other) => other.actor === name);
    if (index < 0) this.#actors.push(actor);
    else this.#actors[index] = actor;
    const perform = (operation: StoreOperation) =>
      new Promise<unknown>((resolve, reject) => actor.waiting.push({ operation, resolve, reject }));
    const context: Context = {
      name: actor.name,
      store: this.model.view?.(new MemoryStore(perform)) ?? new MemoryStore(perform),
      world: this.world,
      act: async <T>(what: string, step: () => T) =>
        // What `perform` answers is what the operation's own act returned.
        (await perform({ verb: 'does', path: what, isChange: true, act: step })) as T,
      now: () => this.world.clockMs,
    };
    drawFor(actor);
    this.model.actors[name]!(context).then(
      () => {
        actor.isDone = true;
      },
      (error: unknown) => {
        actor.isDone = true;
        if (isExpected(error)) this.trace.push(`   ${actor.name} ends: ${(error as Error).message}`);
        else
          this.problem = `${actor.name} failed: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`;
      },
    );
    await this.#settle(actor);
  }

  /** Lets an actor go on until it waits for an operation whose moment matters. */
  async #settle(actor: Actor): Promise<void> {
    for (;;) {
      drawFor(actor);
      await settled();
      const quiet = actor.waiting.find(({ operation }) => this.#isQuiet(operation));
      if (quiet === undefined) break;
      this.#answer(actor, quiet);
    }
    drawFor(undefined);
    if (!actor.isDone && actor.waiting.length === 0)
      this.problem = `${actor.name} waits for nothing: a fault of the model`;
  }

  /**
   * Operations that need no choice of their own: what is created in an attempt's staging before its publish is sent, and
   * what is read or made that is there and stays, is the same at any moment.
   */
  #isQuiet({ verb, path }: StoreOperation): boolean {
    if (verb === 'sync') return true;
    if (this.model.isFine) return false;
    if (verb === 'create') return path.includes('/_loader/staging/');
    const isThere = this.files.stat(path)?.kind;
    if (this.model.forgets) return false;
    return (
      (verb === 'read' && isThere === 'file' && path.endsWith('.json')) ||
      (verb === 'makeDirectory' && isThere !== undefined)
    );
  }

  #perform(operation: StoreOperation): unknown {
    const result = operation.act(this.files);
    if (operation.verb === 'publish' && result === 'published')
      this.world.notePublished(operation.path, this.files);
    return result;
  }

  #answer(actor: Actor, waiting: Waiting): string {
    actor.waiting.splice(actor.waiting.indexOf(waiting), 1);
    const { operation, resolve, reject } = waiting;
    let answer: string | Uint8Array;
    try {
      const result = this.#perform(operation);
      answer = result instanceof Uint8Array ? result : (JSON.stringify(result) ?? '');
      resolve(result);
    } catch (error) {
      answer = String(error);
      reject(error);
    }
    actor.seen = createHash('sha1')
      .update(actor.seen)
      .update(labelOf(operation))
      .update(answer)
      .digest('base64');
    return shortly(answer);
  }

  /** What may happen next; the actor that acted last comes first. */
  choices(): Choice[] {
    const able = this.#actors.filter(({ waiting }) => waiting.length > 0);
    const first = able.filter(({ actor }) => actor === this.current);
    const found = [...first, ...able.filter((actor) => !first.includes(actor))].map(({ actor }) => actor);
    const mayTimeOut = this.model.mayTimeOut ?? isPublish;
    for (const { actor, waiting, life, seen } of able) {
      if (this.#timeouts > 0 && waiting[0]!.operation.isChange && mayTimeOut(waiting[0]!.operation))
        found.push(`${actor}?`);
      if (life <= (this.model.restarts ?? 0) && seen !== '') found.push(`${actor}!`);
    }
    return [...found, ...this.late.map((_, index) => `+${index}`)];
  }

  /** Whether the actor that acted last has more to do. */
  get canGoOn(): boolean {
    return this.#actors.some(({ actor, waiting }) => actor === this.current && waiting.length > 0);
  }

  /** How many operations an actor has under way. */
  underWay(name: string): number {
    return this.#actors.find(({ actor }) => actor === name)?.waiting.length ?? 0;
  }

  async take(choice: Choice): Promise<void> {
    if (choice.startsWith('+')) {
      const [operation] = this.late.splice(Number(choice.slice(1)), 1);
      this.trace.push(`${choice} late: ${labelOf(operation!)} → ${this.#land(operation!)}`);
      return;
    }
    const [, name = '', what] = /^([^?!#]+)(.*)$/.exec(choice) ?? [];
    const actor = this.#actors.find((other) => other.actor === name)!;
    if (what === '!') {
      this.trace.push(`${choice} ${actor.name} is killed before ${labelOf(actor.waiting[0]!.operation)}`);
      await this.#begin(name, actor.life + 1);
      return;
    }
    const waiting = actor.waiting[what?.startsWith('#') ? Number(what.slice(1)) : 0]!;
    this.current = name;
    if (what === '?') this.#timeOut(actor, waiting);
    else this.trace.push(`${choice} ${labelOf(waiting.operation)} → ${this.#answer(actor, waiting)}`);
    await this.#settle(actor);
  }

  #land(operation: StoreOperation): string {
    try {
      return String(this.#perform(operation));
    } catch (error) {
      return String(error); // nobody hears of it
    }
  }

  #timeOut(actor: Actor, waiting: Waiting): void {
    const { operation } = waiting;
    this.trace.push(`${actor.actor}? ${labelOf(operation)} → sent, answered by a time-out`);
    this.#timeouts--;
    actor.waiting.splice(actor.waiting.indexOf(waiting), 1);
    actor.seen = createHash('sha1')
      .update(actor.seen)
      .update(`${labelOf(operation)} timed out`)
      .digest('base64');
    this.late.push(operation);
    waiting.reject(new StoreError(operation.verb, operation.path, 'timed out', { retriable: true }));
  }

  /** Equal for equal states: contents, what each actor has seen, what is on its way, the world outside. */
  key(): string {
    const actors = this.#actors.map(({ life, seen, isDone }) => `${life}${isDone ? '.' : seen}`);
    return [this.files.key, ...actors, ...this.late.map(labelOf).sort(), this.#timeouts, this.world.key].join(
      '\n',
    );
  }
}

/** An answer as a trace tells it: of a listing the names. */
function shortly(answer: string | Uint8Array): string {
  if (typeof answer !== 'string') return `${answer.length} bytes`;
  if (answer === '') return 'nothing';
  if (!answer.startsWith('[') && !answer.startsWith('{')) return answer;
  const names = [...answer.matchAll(/"name":"([^"]*)"/g)].map(([, name]) => name);
  return `[${names.join(' ')}]`;
}

/** How an actor may end when others are faster, or when an outcome can't be learnt: a later run goes on. */
export function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /timed out|it is not there$|run (it|this|the load) again|another (loader|process)/i.test(
    error.message,
  );
}
