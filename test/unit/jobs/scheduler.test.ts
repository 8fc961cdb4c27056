import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsSchema } from '../../../config/settings.ts';
import type { HookEvent } from '../../../jobs/hooks.ts';
import { type ScheduleParts, Scheduler } from '../../../jobs/scheduler.ts';
import type { TopicLoad } from '../../../jobs/tick.ts';
import type { TickRecord } from '../../../jobs/tick-record.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const HOUR_MS = 3_600_000;
const START = '2026-03-28T00:30:00.000Z';
const PER_HOUR = 10;
const MINUTE_MS = 60_000;

type Span = readonly [from: string, until: string];
const isWithin = (at: string, spans: readonly Span[]) =>
  spans.some(([from, until]) => at >= from && at < until);

/**
 * A broker and a warehouse as the schedule sees them: topics whose logs grow every hour, chains whose heads say what is
 * loaded, and what was loaded, offset by offset.
 */
class World {
  readonly clock = new SimulatedClock(START);
  readonly heads = new Map<string, number>();
  readonly loaded: string[] = [];
  readonly starts: string[] = [];
  readonly ticks: TickRecord[] = [];
  readonly told: HookEvent[] = [];
  readonly warnings: string[] = [];
  readonly done: string[] = [];
  topics = ['a', 'b', 'c'];
  brokerDown: Span[] = [];
  storeDown: Span[] = [];
  hookDown: Span[] = [];
  /** Topic → when its loads fail. */
  failing = new Map<string, Span[]>();
  /** How long the load at this time takes. */
  slow = new Map<string, number>();
  record: TickRecord | undefined;

  logEnd(): number {
    return Math.floor((this.clock.now() - Date.parse(START)) / HOUR_MS) * PER_HOUR;
  }

  #check(spans: Span[], what: string): void {
    if (isWithin(this.clock.iso, spans)) throw new Error(`${what} is down`);
  }

  #load(topic: string): TopicLoad {
    const none = { topic, rows: 0, quarantined: 0, hoursMarked: 0, isBehind: false };
    if (isWithin(this.clock.iso, this.failing.get(topic) ?? []))
      return { ...none, error: `${topic} is broken` };
    const from = this.heads.get(topic) ?? 0;
    for (let offset = from; offset < this.logEnd(); offset++) this.loaded.push(`${topic} ${offset}`);
    this.heads.set(topic, this.logEnd());
    return { ...none, rows: this.logEnd() - from, error: null };
  }

  parts(schedule: object = {}): ScheduleParts {
    const { clock } = this;
    const note = (job: string) => async (topic: string) => {
      this.#check(this.storeDown, 'the store');
      this.done.push(`${job} ${topic} ${clock.iso}`);
    };
    return {
      settings: settingsSchema.parse({ schedule: { hooks: { command: 'told' }, ...schedule } }).schedule,
      clock,
      work: {
        topics: async () => {
          this.starts.push(clock.iso);
          this.#check(this.brokerDown, 'the broker');
          return this.topics;
        },
        load: async (topics, signal) => {
          this.#check(this.brokerDown, 'the broker');
          this.#check(this.storeDown, 'the store');
          const slow = [...this.slow].find(([at]) => clock.iso.startsWith(at));
          await clock.sleep(slow?.[1] ?? MINUTE_MS, signal);
          return topics.map((topic) => this.#load(topic));
        },
        aggregate: note('aggregate'),
        compact: note('compact'),
        expire: note('expire'),
      },
      history: {
        newest: async () => {
          this.#check(this.storeDown, 'the store');
          return this.record;
        },
        write: async (record) => {
          this.#check(this.storeDown, 'the store');
          this.record = record;
        },
      },
      tell: async (event) => {
        this.#check(this.hookDown, 'the hook');
        this.told.push(event);
      },
      tellHours: async () => {},
      warn: (message) => this.warnings.push(message),
      onTick: (record) => this.ticks.push(record),
    };
  }

  /** A process that runs the schedule from now until a time, and is gone then. */
  async run(until: string, schedule?: object): Promise<void> {
    const scheduler = new Scheduler(this.parts(schedule), 1);
    await expect(scheduler.run(this.clock.stopAt(until))).rejects.toThrow('stopped at');
  }

  get news(): string[] {
    return this.told.map((one) => `${one.event} ${'job' in one ? one.job : ''} ${one.topic ?? '*'}`);
  }

  /** Every offset of every topic that the logs had at the last load, once. */
  expectAllOnce(): void {
    expect(new Set(this.loaded).size).toBe(this.loaded.length);
    for (const topic of this.topics) expect([topic, this.heads.get(topic)]).toEqual([topic, this.logEnd()]);
  }
}

const hourly = (from: string, count: number) =>
  Array.from({ length: count }, (_, i) => new Date(Date.parse(from) + i * HOUR_MS).toISOString());

describe('72 hours in a zone whose clocks change', () => {
  const zone = process.env['TZ'];
  beforeAll(() => {
    process.env['TZ'] = 'Europe/Berlin';
  });
  afterAll(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  it('has one run at the start and one in every hour', async () => {
    const world = new World();
    await world.run('2026-03-31T00:29:00.000Z');
    expect(world.starts).toEqual([START, ...hourly('2026-03-28T01:07:00.000Z', 72)]);
    expect(world.ticks.every(({ state }) => state === 'done')).toBe(true);
    expect(world.news).toEqual([]);
    world.expectAllOnce();
  });

  it('loads everything once through restarts, outages of broker and warehouse, a broken topic and a long run', async () => {
    const world = new World();
    world.brokerDown = [['2026-03-29T00:30:00.000Z', '2026-03-29T07:30:00.000Z']];
    world.storeDown = [['2026-03-30T03:00:00.000Z', '2026-03-30T05:30:00.000Z']];
    world.failing.set('b', [['2026-03-28T10:00:00.000Z', '2026-03-28T13:30:00.000Z']]);
    world.slow.set('2026-03-28T20:07', 3.2 * HOUR_MS);
    await world.run('2026-03-28T15:08:30.000Z');
    await world.run('2026-03-29T03:20:00.000Z');
    // The machine is off for two hours.
    await world.clock.sleep(2 * HOUR_MS, new AbortController().signal);
    await world.run('2026-03-30T04:10:00.000Z');
    await world.run('2026-03-31T00:29:00.000Z');
    world.expectAllOnce();
    expect(world.news).toEqual([
      'failed load b',
      'recovered load b',
      'failed topics *',
      'recovered topics *',
      ...['a', 'b', 'c'].map((topic) => `failed load ${topic}`),
      // The run that was to write down that it had told was gone with the warehouse: told again by the next process.
      ...['a', 'b', 'c'].map((topic) => `failed load ${topic}`),
      ...['a', 'b', 'c'].map((topic) => `recovered load ${topic}`),
    ]);
    // The long run was followed by the next at once, not by three.
    const late = world.starts.filter((at) => at >= '2026-03-28T20' && at < '2026-03-29T00:30');
    expect(late).toEqual([
      '2026-03-28T20:07:00.000Z',
      '2026-03-28T23:19:00.000Z',
      '2026-03-29T00:07:00.000Z',
    ]);
    expect(world.record?.failing).toEqual([]);
  });
});

describe('a run', () => {
  it('loads the other topics when one fails, tries that one again with growing waits, and gives up when the next is due', async () => {
    const world = new World();
    world.failing.set('b', [[START, '2026-03-28T05:00:00.000Z']]);
    await world.run('2026-03-28T00:59:00.000Z', { retries: 100, retryBackoffMs: 4 * MINUTE_MS });
    expect(world.ticks).toEqual([]);
    expect([world.heads.get('a'), world.heads.get('b'), world.heads.get('c')]).toEqual([0, undefined, 0]);
    await world.run('2026-03-28T02:06:30.000Z', { retries: 100, retryBackoffMs: 4 * MINUTE_MS });
    const [first, second] = world.ticks;
    expect(first).toMatchObject({ startedAt: '2026-03-28T00:59:00.000Z', state: 'failed', quiet: 2 });
    // Each attempt takes a minute: 0:59, 1:04; then 1:07, 1:12, 1:21 and every 11 minutes to 2:05.
    expect(first?.topics).toMatchObject([{ topic: 'b', state: 'failed', attempts: 2, error: 'b is broken' }]);
    expect(second?.topics.find(({ topic }) => topic === 'b')).toMatchObject({ state: 'failed', attempts: 7 });
    expect(second?.topics.find(({ topic }) => topic === 'a')).toBeUndefined();
    expect(second?.failing).toEqual([
      { job: 'load', topic: 'b', error: 'b is broken', since: first?.failing[0]?.since },
    ]);
  });

  it('tries again what a load threw at, says nothing of, or could not aggregate', async () => {
    const world = new World();
    const parts = world.parts();
    const { work } = parts;
    let loads = 0;
    let aggregates = 0;
    const troubled: ScheduleParts = {
      ...parts,
      work: {
        ...work,
        load: async (topics, signal) => {
          if (++loads === 1) throw new Error('out of memory\n  at some place');
          const all = await work.load(topics, signal);
          return loads === 2 ? all.filter(({ topic }) => topic !== 'c') : all;
        },
        aggregate: async (topic) => {
          if (topic === 'b' && ++aggregates === 1) throw new Error('no column');
        },
      },
    };
    const signal = new AbortController().signal;
    const record = await new Scheduler(troubled, 1).tick(world.clock.now(), signal);
    expect(record).toMatchObject({ state: 'done', failing: [] });
    expect(record.topics.map(({ topic, state, attempts }) => [topic, state, attempts])).toEqual([
      ['a', 'done', 2],
      ['b', 'done', 3],
      ['c', 'done', 3],
    ]);
    expect(world.warnings.map((line) => line.split(';')[0])).toEqual([
      ...['a', 'b', 'c'].map((topic) => `load of ${topic}: out of memory`),
      'load of c: the load says nothing of it',
      'aggregate of b: no column',
    ]);
  });

  it('asks for the topics again each time: new ones are loaded', async () => {
    const world = new World();
    await world.run('2026-03-28T01:30:00.000Z');
    world.topics.push('new');
    await world.run('2026-03-28T03:30:00.000Z');
    expect(world.heads.get('new')).toBe(20);
  });

  it('compacts and expires once in the first run that they are due in, also after a restart', async () => {
    const world = new World();
    world.topics = ['a'];
    const settings = { compactCron: '0 */6 * * *', expireCron: '37 3 * * *' };
    await world.run('2026-03-28T03:00:00.000Z', settings);
    await world.clock.sleep(HOUR_MS, new AbortController().signal);
    await world.run('2026-03-29T00:30:00.000Z', settings);
    const of = (job: string) =>
      world.done.filter((line) => line.startsWith(job)).map((line) => line.slice(-24, -8));
    expect(of('expire')).toEqual(['2026-03-28T04:01']);
    expect(of('compact')).toEqual([
      '2026-03-28T06:08',
      '2026-03-28T12:08',
      '2026-03-28T18:08',
      '2026-03-29T00:08',
    ]);
  });

  it('keeps what no hook took for the next run, in order', async () => {
    const world = new World();
    world.failing.set('a', [[START, '2026-03-28T02:30:00.000Z']]);
    world.hookDown = [[START, '2026-03-28T05:30:00.000Z']];
    await world.run('2026-03-28T04:30:00.000Z');
    expect(world.record?.untold.map(({ event }) => event)).toEqual(['failed', 'recovered']);
    await world.run('2026-03-28T08:30:00.000Z');
    expect(world.news).toEqual(['failed load a', 'recovered load a']);
    expect(world.record?.untold).toEqual([]);
  });

  it('does not wait for a time long past when the clock is set back', async () => {
    const world = new World();
    const { clock } = world;
    let shiftMs = 0;
    const parts = world.parts();
    const back: ScheduleParts = {
      ...parts,
      clock: { now: () => clock.now() + shiftMs, sleep: (ms, signal) => clock.sleep(ms, signal) },
    };
    clock.at('2026-03-28T05:30:00.000Z', () => {
      shiftMs = -48 * HOUR_MS;
    });
    const run = new Scheduler(back, 1).run(clock.stopAt('2026-03-28T10:30:00.000Z'));
    await expect(run).rejects.toThrow('stopped');
    expect(world.starts).toEqual([START, ...hourly('2026-03-28T01:07:00.000Z', 10)]);
  });
});
