/**
 * A week of a site that nobody looks after: hourly traffic of three topics, late events, a machine that is off for seven
 * hours, a warehouse that does not answer for five, a broker that is away for four, in a zone whose clocks change. The clock is simulated, broker, loader,
 * aggregates and warehouse are real.
 */
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { KafkaClient } from '../../broker/client/client.ts';
import { Producer } from '../../broker/client/producer.ts';
import { runAggregate } from '../../cli/aggregate.ts';
import type { CommandContext } from '../../cli/context.ts';
import { Output } from '../../cli/output.ts';
import { scheduleParts } from '../../cli/schedule-work.ts';
import { type Settings, settingsSchema } from '../../config/settings.ts';
import type { HookEvent } from '../../jobs/hooks.ts';
import { tellHours } from '../../jobs/hour-news.ts';
import { readQueries } from '../../jobs/query-file.ts';
import { Scheduler } from '../../jobs/scheduler.ts';
import type { TickRecord } from '../../jobs/tick-record.ts';
import { listMarkedHours, newestMarker } from '../../loader/hour-marker.ts';
import { queryRecordsDirectory } from '../../loader/paths.ts';
import { DirectoryStore } from '../../loader/store/directory-store.ts';
import { type Store, StoreError } from '../../loader/store/store.ts';
import { webRequest } from '../support/events.ts';
import { queryAggregate, queryTable, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { SimulatedClock } from '../support/simulated-clock.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const HOUR_MS = 3_600_000;
const MINUTES_MS = 600_000;
/** `webRequest` counts its hours from here. */
const MONTH_MS = Date.parse('2026-03-01T00:00:00Z');
/** Clocks in New York change on the 8th at 7:00 UTC. */
const FIRST_HOUR = 4 * 24;
const HOURS = 7 * 24;
const PARTITIONS: Record<string, number> = { app: 2, raw: 1, site: 1 };
const TOPICS = Object.keys(PARTITIONS);
const EVENTS_PER_HOUR = 20;
/** A run every eight hours: 21 of them, and not 168, for the sake of whoever waits for this test. */
const CRON = '7 */8 * * *';

const timeOf = (hour: number, minutes = 0) =>
  new Date(MONTH_MS + hour * HOUR_MS + minutes * 60_000).toISOString();
const nameOf = (hour: number) => timeOf(hour).slice(0, 13);

const OUTAGE = { from: FIRST_HOUR + 100, until: FIRST_HOUR + 104 };
const AWAY = { from: timeOf(FIRST_HOUR + 70), until: timeOf(FIRST_HOUR + 75) };
const HOUR_NAMES = Array.from({ length: HOURS }, (_, i) => nameOf(FIRST_HOUR + i));
const ROWS = HOURS * EVENTS_PER_HOUR;

let dir: TempDir;
let broker: Broker;
let address: string;
let warehouse: string;
let context: CommandContext;
let real: Store;
/** The same with the times of the simulated clock. */
let store: Store;
const clock = new SimulatedClock(timeOf(FIRST_HOUR));
const traffic = { sent: 0 };
const warnings: string[] = [];
const ticks: TickRecord[] = [];
const told: HookEvent[] = [];
const zone = process.env['TZ'];

beforeAll(async () => {
  process.env['TZ'] = 'America/New_York';
  dir = new TempDir('week');
  warehouse = dir.join('warehouse');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
  for (const topic of TOPICS) await createTopic(address, topic, PARTITIONS[topic]!);
  real = await DirectoryStore.open(warehouse);
  store = clock.timesOf(sometimesAway(real, () => clock.iso >= AWAY.from && clock.iso < AWAY.until));
  context = contextOf(
    settingsSchema.parse({
      client: { brokers: address, retries: 1 },
      loader: { warehouse: `file:${warehouse}`, workers: 2 },
      topics: { app: { schema: 'web_request' }, site: { schema: 'web_request' } },
      schedule: { cron: CRON, retries: 2, hooks: { command: 'in the test' }, compactCron: '0 12 * * 5' },
    }),
  );
  await playWeek();
}, MINUTES_MS);
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

/** A warehouse that does not answer for some time. */
function sometimesAway(store: Store, isAway: () => boolean): Store {
  const refuse = () => Promise.reject(new StoreError('ask', '', 'it does not answer'));
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return isAway() ? refuse : value.bind(target);
    },
  });
}

/** The traffic of one hour, some of it of hours before; what could not be sent waits for the next hour. */
class Traffic {
  #number = 0;
  #waiting: number[] = [];

  async send(hour: number, isBrokerThere: boolean): Promise<void> {
    this.#waiting.push(hour);
    if (!isBrokerThere) return;
    const { client: settings, producer: by } = settingsSchema.parse({
      client: { brokers: address },
    });
    await using client = await KafkaClient.connect(settings);
    const producer = await Producer.open(client, by);
    for (const of of this.#waiting.splice(0))
      for (const topic of TOPICS)
        for (let i = 0; i < EVENTS_PER_HOUR; i++) {
          // One in ten comes an hour late, one in twenty six hours: their hours bear markers by then.
          const back = i === 0 ? 6 : i <= 2 ? 1 : 0;
          const value = webRequest(this.#number++, Math.max(FIRST_HOUR, of - back));
          await producer.send(topic, {
            key: null,
            value: Buffer.from(value),
            timestampMs: MONTH_MS + of * HOUR_MS + 1,
            partition: i % PARTITIONS[topic]!,
          });
          traffic.sent++;
        }
    await producer.close();
  }
}

function contextOf(settings: Settings): CommandContext {
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
  const { stdout, stderr, stdin } = process;
  const signal = new AbortController().signal;
  return {
    settings,
    origins: new Map(),
    log,
    out: new Output(stdout, false),
    progress: stderr,
    stdin,
    signal,
    now: () => clock.now(),
  };
}

const tell = async (event: HookEvent) => void told.push(event);

/** A process of the schedule, from now until a time. */
async function runUntil(time: string): Promise<void> {
  const parts = {
    ...scheduleParts(context, store, clock),
    tell,
    tellHours: (topic: string) => tellHours(store, topic, tell),
    onTick: (record: TickRecord) => ticks.push(record),
  };
  await expect(new Scheduler(parts, 1).run(clock.stopAt(time))).rejects.toThrow('stopped at');
}

async function playWeek(): Promise<void> {
  const site = new Traffic();
  for (let hour = FIRST_HOUR; hour < FIRST_HOUR + HOURS; hour++)
    clock.at(timeOf(hour, 50), () => site.send(hour, hour < OUTAGE.from || hour >= OUTAGE.until));
  const { port } = broker;
  clock.at(timeOf(OUTAGE.from, 10), () => broker.stop());
  clock.at(timeOf(OUTAGE.until, 10), async () => {
    broker = await startBroker(dir.join('data'), { port });
  });
  await runUntil(timeOf(FIRST_HOUR + 40, 30));
  await clock.sleep(7 * HOUR_MS, context.signal); // the machine of the schedule is off
  await runUntil(timeOf(FIRST_HOUR + HOURS + 4));
}

describe('a week that nobody looks after ends with', () => {
  it('every event there once, in its hour', async () => {
    expect(traffic.sent).toBe(ROWS * TOPICS.length);
    for (const topic of TOPICS) {
      const share = ROWS / PARTITIONS[topic]!;
      const found = await visibleOffsets(warehouse, topic);
      expect(found.map((one) => [one.rows, one.distinct, one.max + 1])).toEqual(
        Array.from({ length: PARTITIONS[topic]! }, () => [share, share, share]),
      );
    }
    const misplaced = await queryTable(
      warehouse,
      'site',
      "SELECT count(*) AS n FROM TABLE WHERE strftime(event_time, '%Y-%m-%d %H') <> dt || ' ' || hour",
    );
    expect(misplaced).toEqual([{ n: '0' }]);
  });

  it.each(TOPICS)(
    'every hour of %s complete and told, the last word being what its marker says',
    async (topic) => {
      const marked = await listMarkedHours(store, topic);
      expect(marked.filter((hour) => HOUR_NAMES.includes(hour))).toEqual(HOUR_NAMES);
      const ofTopic = told.flatMap((one) =>
        one.event === 'hour-complete' && one.topic === topic ? one : [],
      );
      for (const hour of HOUR_NAMES) {
        const versions = ofTopic.filter((one) => one.hour === hour).map(({ version }) => version);
        expect([hour, versions.at(-1)]).toEqual([hour, (await newestMarker(store, topic, hour))?.version]);
      }
      expect(new Set(ofTopic.map(({ id }) => id)).size).toBe(ofTopic.length);
    },
  );

  it('each failure and its end told once, and nothing failing', () => {
    const news = told.flatMap((one) => (one.event === 'hour-complete' ? [] : `${one.event} ${one.job}`));
    const loads = (event: string) => TOPICS.map(() => `${event} load`);
    expect(news).toEqual([...loads('failed'), ...loads('recovered'), 'failed topics', 'recovered topics']);
    expect(ticks.filter(({ state }) => state === 'failed')).toHaveLength(2);
    expect(ticks.at(-1)?.failing).toEqual([]);
    expect(ticks.length).toBeGreaterThan(20);
    expect(warnings.filter((line) => !/tried 127\.0\.0\.1|it does not answer/.test(line))).toEqual([]);
  });

  it.each(TOPICS)('an audit of %s that finds nothing wrong', async (topic) => {
    const schemas = ['app', 'site'].flatMap((name) => ['--set', `topics.${name}.schema=web_request`]);
    const places = ['--broker', address, '--warehouse', `file:${warehouse}`];
    const { status, stdout, stderr } = await runCli([
      'audit',
      '--topic',
      topic,
      '--json',
      ...places,
      ...schemas,
    ]);
    expect([status, stderr]).toEqual([0, '']);
    const answer = JSON.parse(stdout) as { hours: { hour: string; verdict: string }[] };
    const within = answer.hours.filter(({ hour }) => HOUR_NAMES.includes(hour));
    expect(within.filter(({ verdict }) => verdict !== 'OK')).toEqual([]);
    expect(within).toHaveLength(HOURS);
  });

  it.each(['app', 'site'])(
    'aggregates of %s, grown hour by hour, that equal those made from scratch',
    async (topic) => {
      const names = (await readQueries()).map(({ name }) => name);
      const answers = async () => {
        const all = names.map((name) =>
          queryAggregate(warehouse, name, topic, 'SELECT * FROM TABLE ORDER BY ALL'),
        );
        return Object.fromEntries((await Promise.all(all)).map((rows, i) => [names[i], rows]));
      };
      const grown = await answers();
      expect(grown['traffic_by_hour']).toHaveLength(HOURS);
      for (const name of names) {
        await real.remove(queryRecordsDirectory(topic, name));
        await real.remove(`_aggregates/${name}/topic=${topic}`);
      }
      await runAggregate(context, store, { topic });
      expect(await answers()).toEqual(grown);
    },
  );
});
