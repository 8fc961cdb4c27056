/**
 * A week of a site that nobody looks after: hourly traffic of three topics, late events, a machine that is off for seven
 * hours, a warehouse that does not answer for five, a broker that is away for four, in a zone whose clocks change. The
 * clock is simulated; broker, loader, aggregates and warehouse are real.
 */
import pino from 'pino';
import { expect } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import type { CommandContext } from '../../cli/context.ts';
import { Output } from '../../cli/output.ts';
import { scheduleParts } from '../../cli/schedule-work.ts';
import { type Settings, settingsSchema } from '../../config/settings.ts';
import type { HookEvent } from '../../jobs/hooks.ts';
import { tellHours } from '../../jobs/hour-news.ts';
import { Scheduler } from '../../jobs/scheduler.ts';
import type { TickRecord } from '../../jobs/tick-record.ts';
import type { Store } from '../../loader/store/store.ts';
import { createTopic } from './load-topic.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { addressOf, startBroker } from './start-broker.ts';
import type { TempDir } from './temp-dir.ts';
import {
  BEGIN,
  BROKER_AWAY,
  CRON,
  END,
  FIRST_HOUR,
  HOURS,
  OFF,
  PARTITIONS,
  TOPICS,
  timeOf,
  WAREHOUSE_AWAY,
  ZONE,
} from './week-plan.ts';
import { WeekTraffic } from './week-traffic.ts';

/** The warehouse of a week. */
export interface WeekWarehouse {
  /** Its URL. */
  url: string;
  store: Store;
  webhdfs?: Partial<Settings['webhdfs']>;
  /** From now on it does not answer, or from some moment of the next run on. */
  leave: () => Promise<void>;
  comeBack: () => Promise<void>;
  /** Lines of the log that tell of its silence. */
  silence: RegExp;
  /** A new local directory with these directories of the warehouse as they are now, for readers; each may end with a `*`. */
  copyOf: (directories: readonly string[]) => Promise<string>;
}

export class SimulatedWeek implements AsyncDisposable {
  /** Topics of the schema `web_request`, whose hours are aggregated; others are raw. */
  readonly events: readonly string[];
  readonly warehouse: WeekWarehouse;
  /** The warehouse with the times of the simulated clock. */
  readonly store: Store;
  readonly context: CommandContext;
  readonly traffic = new WeekTraffic();
  readonly warnings: string[] = [];
  readonly ticks: TickRecord[] = [];
  readonly told: HookEvent[] = [];
  readonly #dataDir: string;
  readonly #clock = new SimulatedClock(BEGIN);
  readonly #zone = process.env['TZ'];
  #broker: Broker;
  #isBrokerThere = true;

  private constructor(
    dir: TempDir,
    broker: Broker,
    warehouse: WeekWarehouse,
    { events }: { events: readonly string[] },
  ) {
    this.events = events;
    this.warehouse = warehouse;
    this.#dataDir = dir.join('data');
    this.#broker = broker;
    this.store = this.#clock.timesOf(warehouse.store);
    this.context = this.#contextOf(warehouse);
  }

  /** A week that has not begun. The caller owns directory and warehouse. */
  static async open(
    dir: TempDir,
    warehouse: WeekWarehouse,
    options: { events: readonly string[] },
  ): Promise<SimulatedWeek> {
    const broker = await startBroker(dir.join('data'));
    for (const topic of TOPICS) await createTopic(addressOf(broker), topic, PARTITIONS[topic]!);
    return new SimulatedWeek(dir, broker, warehouse, options);
  }

  get address(): string {
    return addressOf(this.#broker);
  }

  #contextOf({ url, webhdfs = {} }: WeekWarehouse): CommandContext {
    const { stdout, stderr, stdin } = process;
    return {
      settings: settingsSchema.parse({
        client: { brokers: this.address, retries: 1 },
        loader: { warehouse: url, workers: 2 },
        webhdfs,
        topics: Object.fromEntries(this.events.map((topic) => [topic, { schema: 'web_request' }])),
        schedule: { cron: CRON, retries: 2, hooks: { command: 'in the test' }, compactCron: '0 12 * * 5' },
      }),
      origins: new Map(),
      log: pino({ level: 'warn' }, { write: (line: string) => void this.warnings.push(line) }),
      out: new Output(stdout, false),
      progress: stderr,
      stdin,
      signal: new AbortController().signal,
      now: () => this.#clock.now(),
    };
  }

  /** A process of the schedule, from now until a time. */
  async #runUntil(time: string): Promise<void> {
    const { context, store } = this;
    const tell = async (event: HookEvent) => void this.told.push(event);
    const parts = {
      ...scheduleParts(context, store, this.#clock),
      tell,
      tellHours: (topic: string) => tellHours(store, topic, tell),
      onTick: (record: TickRecord) => this.ticks.push(record),
    };
    await expect(new Scheduler(parts, 1).run(this.#clock.stopAt(time))).rejects.toThrow('stopped at');
  }

  async play(): Promise<void> {
    process.env['TZ'] = ZONE;
    const clock = this.#clock;
    for (let hour = FIRST_HOUR; hour < FIRST_HOUR + HOURS; hour++)
      clock.at(timeOf(hour, 50), () =>
        this.traffic.send(hour, this.#isBrokerThere ? this.address : undefined),
      );
    const { port } = this.#broker;
    clock.at(BROKER_AWAY.from, async () => {
      this.#isBrokerThere = false;
      await this.#broker.stop();
    });
    clock.at(BROKER_AWAY.until, async () => {
      this.#broker = await startBroker(this.#dataDir, { port });
      this.#isBrokerThere = true;
    });
    clock.at(WAREHOUSE_AWAY.from, this.warehouse.leave);
    clock.at(WAREHOUSE_AWAY.until, this.warehouse.comeBack);
    await this.#runUntil(OFF.from);
    await clock.sleep(OFF.hours * 3_600_000, this.context.signal);
    await this.#runUntil(END);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = this.#zone;
    await this.#broker.stop();
  }
}
