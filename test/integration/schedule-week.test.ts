/**
 * A week of a site that nobody looks after: hourly traffic of three topics, late events, a machine that is off for seven
 * hours, a warehouse that does not answer for five, a broker that is away for four, in a zone whose clocks change. The clock is simulated, broker, loader,
 * aggregates and warehouse are real.
 */
import { rmSync } from 'node:fs';
import pino from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

let dir: TempDir;
let broker: Broker;
let port: number;
const zone = process.env['TZ'];
beforeAll(async () => {
  process.env['TZ'] = 'America/New_York';
  dir = new TempDir('week');
  broker = await startBroker(dir.join('data'));
  port = broker.port;
  for (const topic of TOPICS) await createTopic(addressOf(broker), topic, PARTITIONS[topic]!);
});
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
  sent = 0;
  #number = 0;
  #waiting: number[] = [];

  async send(hour: number, isBrokerThere: boolean): Promise<void> {
    this.#waiting.push(hour);
    if (!isBrokerThere) return;
    const { client: settings, producer: by } = settingsSchema.parse({
      client: { brokers: `127.0.0.1:${port}` },
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
          this.sent++;
        }
    await producer.close();
  }
}

function contextOf(settings: Settings, clock: SimulatedClock, warnings: string[]): CommandContext {
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

it(
  'a week without care ends with every hour complete, told and aggregated, and every event there once',
  async () => {
    const warehouse = dir.join('warehouse');
    const settings = settingsSchema.parse({
      client: { brokers: `127.0.0.1:${port}`, retries: 1 },
      loader: { warehouse: `file:${warehouse}`, workers: 2 },
      topics: { app: { schema: 'web_request' }, site: { schema: 'web_request' } },
      schedule: { cron: CRON, retries: 2, hooks: { command: 'in the test' }, compactCron: '0 12 * * 5' },
    });
    const clock = new SimulatedClock(timeOf(FIRST_HOUR));
    const warnings: string[] = [];
    const context = contextOf(settings, clock, warnings);
    await using real = await DirectoryStore.open(warehouse);
    const store = clock.timesOf(sometimesAway(real, () => clock.iso >= away.from && clock.iso < away.until));
    const away = { from: timeOf(FIRST_HOUR + 70), until: timeOf(FIRST_HOUR + 75) };
    const ticks: TickRecord[] = [];
    const told: HookEvent[] = [];
    const tell = async (event: HookEvent) => void told.push(event);

    /** A process of the schedule, from now until a time. */
    const runUntil = async (time: string): Promise<void> => {
      const parts = {
        ...scheduleParts(context, store, clock),
        tell,
        tellHours: (topic: string) => tellHours(store, topic, tell),
        onTick: (record: TickRecord) => ticks.push(record),
      };
      const run = new Scheduler(parts, 1).run(clock.stopAt(time));
      await expect(run).rejects.toThrow('stopped at');
    };

    const traffic = new Traffic();
    const outage = { from: FIRST_HOUR + 100, until: FIRST_HOUR + 104 };
    for (let hour = FIRST_HOUR; hour < FIRST_HOUR + HOURS; hour++)
      clock.at(timeOf(hour, 50), () => traffic.send(hour, hour < outage.from || hour >= outage.until));
    clock.at(timeOf(outage.from, 10), () => broker.stop());
    clock.at(timeOf(outage.until, 10), async () => {
      broker = await startBroker(dir.join('data'), { port });
    });

    await runUntil(timeOf(FIRST_HOUR + 40, 30));
    await clock.sleep(7 * HOUR_MS, context.signal); // the machine of the schedule is off
    await runUntil(timeOf(FIRST_HOUR + HOURS + 4));

    expect(traffic.sent).toBe(HOURS * TOPICS.length * EVENTS_PER_HOUR);
    const hours = Array.from({ length: HOURS }, (_, i) => nameOf(FIRST_HOUR + i));
    const rows = HOURS * EVENTS_PER_HOUR;
    for (const topic of TOPICS) {
      const marked = await listMarkedHours(store, topic);
      expect(marked.filter((hour) => hours.includes(hour))).toEqual(hours);
      const found = await visibleOffsets(warehouse, topic);
      const share = rows / PARTITIONS[topic]!;
      expect(found.map((one) => [one.rows, one.distinct, one.max + 1])).toEqual(
        Array.from({ length: PARTITIONS[topic]! }, () => [share, share, share]),
      );
      // Every hour was told when it was complete, and the last thing told of it is what its marker says.
      for (const hour of hours) {
        const versions = told.flatMap((one) =>
          one.event === 'hour-complete' && one.topic === topic && one.hour === hour ? one.version : [],
        );
        const newest = await newestMarker(store, topic, hour);
        expect([topic, hour, versions[0], versions.at(-1)]).toEqual([
          topic,
          hour,
          expect.any(Number),
          newest?.version,
        ]);
      }
    }
    const events = await queryTable(
      warehouse,
      'site',
      "SELECT count(*) AS n FROM TABLE WHERE strftime(event_time, '%Y-%m-%d %H') <> dt || ' ' || hour",
    );
    expect(events).toEqual([{ n: '0' }]);
    const news = told.flatMap((one) => (one.event === 'hour-complete' ? [] : `${one.event} ${one.job}`));
    const loads = (event: string) => TOPICS.map(() => `${event} load`);
    expect(news).toEqual([...loads('failed'), ...loads('recovered'), 'failed topics', 'recovered topics']);
    expect(ticks.filter(({ state }) => state === 'failed')).toHaveLength(2);
    expect(ticks.at(-1)?.failing).toEqual([]);
    expect(ticks.length).toBeGreaterThan(20);

    for (const topic of TOPICS) {
      const argv = [
        'audit',
        '--topic',
        topic,
        '--json',
        '--broker',
        `127.0.0.1:${port}`,
        '--warehouse',
        `file:${warehouse}`,
      ];
      const audit = await runCli([
        ...argv,
        '--set',
        'topics.app.schema=web_request',
        '--set',
        'topics.site.schema=web_request',
      ]);
      expect([topic, audit.status, audit.stderr]).toEqual([topic, 0, '']);
      const answer = JSON.parse(audit.stdout) as {
        hours: { hour: string; verdict: string; files: number }[];
      };
      const within = answer.hours.filter(({ hour }) => hours.includes(hour));
      expect(within.filter(({ verdict }) => verdict !== 'OK')).toEqual([]);
      expect(within).toHaveLength(HOURS);
    }

    // Aggregates grown hour by hour, late rows and all, are those that one look at everything gives.
    const aggregated = async () => {
      const answers: Record<string, unknown> = {};
      for (const topic of ['app', 'site'])
        for (const { name } of await readQueries())
          answers[`${name} of ${topic}`] = await queryAggregate(
            warehouse,
            name,
            topic,
            'SELECT * FROM TABLE ORDER BY ALL',
          );
      return answers;
    };
    const grown = await aggregated();
    for (const topic of ['app', 'site']) expect(grown[`traffic_by_hour of ${topic}`]).toHaveLength(HOURS);
    for (const topic of ['app', 'site'])
      for (const { name } of await readQueries()) await real.remove(queryRecordsDirectory(topic, name));
    rmSync(`${warehouse}/_aggregates`, { recursive: true });
    for (const topic of ['app', 'site']) await runAggregate(context, store, { topic });
    expect(await aggregated()).toEqual(grown);
    expect(warnings.filter((line) => !/tried 127\.0\.0\.1|it does not answer/.test(line))).toEqual([]);
  },
  MINUTES_MS,
);
