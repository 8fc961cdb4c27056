/**
 * A clock that passes only when somebody sleeps by it: days of a schedule in a moment. Things can be set to happen at
 * times; they happen in order, before the sleeper that passed them wakes.
 */
import type { Clock } from '../../jobs/schedule-clock.ts';
import type { Store, StoreEntry } from '../../loader/store/store.ts';

/** A file system's times lag the machine's clock by up to a tick of the kernel. */
const COARSE_MS = 10;

export class SimulatedClock implements Clock {
  #nowMs: number;
  readonly #events: { atMs: number; act: () => Promise<void> | void }[] = [];
  /** When, by the clock of the machine, this one came to which time. */
  readonly #steps: { realMs: number; simulatedMs: number }[] = [];

  /** `start`: ISO time. */
  constructor(start: string) {
    this.#nowMs = Date.parse(start);
    this.#stepTo(this.#nowMs);
  }

  #stepTo(simulatedMs: number): void {
    this.#nowMs = simulatedMs;
    this.#steps.push({ realMs: Date.now() - COARSE_MS, simulatedMs });
  }

  /** What this clock showed when the machine's showed `realMs`, and the time that has really passed since. */
  simulated(realMs: number): number {
    const step = this.#steps.findLast((one) => one.realMs <= realMs) ?? this.#steps[0]!;
    return step.simulatedMs + realMs - step.realMs;
  }

  /** A store whose files bear this clock's times. */
  timesOf(store: Store): Store {
    const shown = (entry: StoreEntry) => ({ ...entry, modifiedMs: this.simulated(entry.modifiedMs) });
    const own: Partial<Store> = {
      stat: async (path) => {
        const entry = await store.stat(path);
        return entry && shown(entry);
      },
      list: async (path) => (await store.list(path)).map(shown),
    };
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  now(): number {
    return this.#nowMs;
  }

  get iso(): string {
    return new Date(this.#nowMs).toISOString();
  }

  /** Lets something happen when the clock comes to a time. */
  at(time: string, act: () => Promise<void> | void): void {
    this.#events.push({ atMs: Date.parse(time), act });
    this.#events.sort((a, b) => a.atMs - b.atMs);
  }

  /** A signal that aborts at a time. */
  stopAt(time: string): AbortSignal {
    const controller = new AbortController();
    this.at(time, () => controller.abort(new DOMException(`stopped at ${time}`, 'AbortError')));
    return controller.signal;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const untilMs = this.#nowMs + ms;
    for (let next = this.#events[0]; next && next.atMs <= untilMs; next = this.#events[0]) {
      this.#events.shift();
      this.#stepTo(Math.max(this.#nowMs, next.atMs));
      await next.act();
      signal.throwIfAborted();
    }
    this.#stepTo(untilMs);
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
}
