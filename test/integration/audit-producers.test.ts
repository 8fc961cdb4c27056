/**
 * The audit's first tier: what producers said they sent, against the log and the table, with real brokers, real ingests
 * and real loads; then with logs that lost what was acknowledged, and with producers that were killed.
 */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { KafkaClient } from '../../broker/client/client.ts';
import { Producer } from '../../broker/client/producer.ts';
import { settingsSchema } from '../../config/settings.ts';
import { CountedSink, createAuditTopic } from '../../jobs/activity-in/counted-sink.ts';
import type { AuditResult } from '../../jobs/audit.ts';
import { readProducerRuns } from '../../jobs/audit-produced.ts';
import { AUDIT_TOPIC, encodeCounts } from '../../jobs/produced-counts.ts';
import { findSchema } from '../../schemas/event-schema.ts';
import { cutLastBatch } from '../support/cut-log.ts';
import { webRequest, webRequests } from '../support/events.ts';
import { createTopic, loadTopics, sendRecords } from '../support/load-topic.ts';
import { runCli, startCli, statusOf } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let shared: Broker;
beforeAll(async () => {
  dir = new TempDir('audit-producers');
  shared = await startBroker(dir.join('shared'));
});
afterAll(async () => {
  await shared.stop();
  dir[Symbol.dispose]();
});

const COUNTING = ['--set', 'producer.auditCounts=true', '--set', 'producer.auditIntervalMs=100'];

/** A topic on a broker, and its table. */
class Place {
  readonly topic: string;
  broker: Broker;

  constructor(topic: string, broker: Broker) {
    this.topic = topic;
    this.broker = broker;
  }

  static async open(topic: string, { partitions = 2, broker = shared } = {}): Promise<Place> {
    await createTopic(addressOf(broker), topic, partitions);
    return new Place(topic, broker);
  }

  get address(): string {
    return addressOf(this.broker);
  }

  where(): string[] {
    const settings = [`topics.${this.topic}.schema=web_request`, `loader.spoolDir=${dir.join('spool')}`];
    return ['--topic', this.topic, '--broker', this.address, ...settings.flatMap((one) => ['--set', one])];
  }

  ingestArguments(counting: boolean): string[] {
    return ['ingest', '-', ...this.where(), '--format', 'ndjson', ...(counting ? COUNTING : [])];
  }

  /** Sends NDJSON by the command. */
  async ingest(lines: string[], { counting = true } = {}): Promise<void> {
    const { status, stderr } = await runCli(this.ingestArguments(counting), { input: lines.join('\n') });
    expect([status, stderr]).toEqual([0, '']);
  }

  async load(
    options: Parameters<typeof loadTopics>[2] = {},
    startPolicy: 'earliest' | 'latest' = 'earliest',
  ): Promise<void> {
    const { topic, address } = this;
    const topics = { [topic]: { schema: 'web_request' } };
    const setup = { address, warehouse: dir.join(topic), loader: { graceMs: 0, startPolicy }, topics };
    const { topics: loaded } = await loadTopics(setup, topic, options);
    expect(loaded[0]!.partitions.map(({ error }) => error)).toEqual(loaded[0]!.partitions.map(() => null));
  }

  async audit(): Promise<AuditResult & { status: number }> {
    const { status, stdout, stderr } = await runCli([
      ...['audit', '--json', ...this.where(), '--warehouse', `file:${dir.join(this.topic)}`],
    ]);
    expect(stderr).toBe('');
    return { ...(JSON.parse(stdout) as AuditResult), status };
  }

  readonly withClient = async <T>(act: (client: KafkaClient) => Promise<T>): Promise<T> => {
    const settings = settingsSchema.parse({ client: { brokers: this.address } });
    await using client = await KafkaClient.connect(settings.client);
    return await act(client);
  };

  async #offsets(at: 'earliest' | 'latest'): Promise<number> {
    return await this.withClient(async (client) => {
      const { topics } = await client.metadata([this.topic]);
      const parts = topics[0]!.partitions.map(({ partition }) => ({ topic: this.topic, partition }));
      return (await client.listOffsets(parts, at)).reduce((sum, { offset }) => sum + offset, 0);
    });
  }

  logStart = () => this.#offsets('earliest');
  /** How many records the log has, of a log that lost none. */
  records = () => this.#offsets('latest');

  /** What producers said of an hour. */
  async said(hour: string): Promise<number> {
    const warn = (line: string) => expect.unreachable(line);
    return await this.withClient(async (client) =>
      (await readProducerRuns(client, this.topic, { maxBytes: 1 << 20, warn }))
        .values()
        .reduce((sum, run) => sum + (run.said.get(hour) ?? 0), 0),
    );
  }
}

const HOUR = '2026-03-01T00';
const lines = (from: number, until: number, hours = 1) =>
  Array.from({ length: until - from }, (_, i) => webRequest(from + i, (from + i) % hours));
const tiers = ({ hours }: AuditResult) =>
  hours.map(({ produced, broker, files, verdict }) => [produced, broker, files, verdict]);

test('what was sent, refused events too, is what came, whoever else writes to the topic', async () => {
  const place = await Place.open('whole');
  await place.ingest(lines(0, 300, 3));
  await place.ingest([...lines(300, 330, 3), 'no json', '{}']);
  await place.ingest(lines(330, 360, 3), { counting: false });
  const before = { hour: new Date().toISOString().slice(0, 13) };
  await place.load();
  const result = await place.audit();
  expect(result).toMatchObject({ ok: true, status: 0 });
  const [refused, ...hours] = tiers(result).reverse();
  expect(hours.reverse()).toEqual([
    [110, 120, 120, 'OK'],
    [110, 120, 120, 'OK'],
    [110, 120, 120, 'OK'],
  ]);
  // Refused events lie in the hour of now, which is not over.
  expect([refused, result.hours.at(-1)!.hour >= before.hour]).toEqual([[2, 2, 2, 'PENDING'], true]);
});

test('a topic whose producers say nothing is audited as ever', async () => {
  const place = await Place.open('silent');
  await place.ingest(lines(0, 20), { counting: false });
  await place.load();
  const result = await place.audit();
  expect(result).toMatchObject({ ok: true, status: 0 });
  expect(Object.keys(result.hours[0]!)).not.toContain('produced');
  expect(tiers(result)).toEqual([[undefined, 20, 20, 'OK']]);
});

test('what was sent before the beginning of a table that starts at the end of the log is no hole', async () => {
  const place = await Place.open('latest');
  await place.ingest(lines(0, 20));
  await place.load({}, 'latest');
  await place.ingest(lines(20, 30));
  await place.load();
  expect(await place.audit()).toMatchObject({
    ok: true,
    hours: [{ produced: 30, broker: 10, verdict: 'OK' }],
  });
});

test('generated activity is said as well, and is not loaded beside it', async () => {
  const topic = 'activity';
  const where = ['--topic', topic, '--broker', addressOf(shared)];
  const generate = [
    'generate',
    ...where,
    '--events',
    '2000',
    '--hours',
    '2',
    '--start',
    '2026-03-01T00:00:00Z',
  ];
  expect((await runCli([...generate, ...COUNTING])).status).toBe(0);
  const table = ['--broker', addressOf(shared), '--warehouse', `file:${dir.join('generated')}`];
  const load = await runCli(['load', '--topics', '_.*|activity', '--json', ...table]);
  const loaded = (JSON.parse(load.stdout) as { topics: { topic: string }[] }).topics;
  expect(loaded.map((one) => one.topic)).toEqual([topic]);
  const { stdout, status } = await runCli(['audit', '--topic', topic, ...table]);
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^hour +produced +broker +loader +files /)]);
  for (const line of stdout.split('\n').slice(1, 3)) {
    const [, produced, broker] = /T0\d +([\d,.]+) +([\d,.]+) /.exec(line) ?? [];
    expect([line, produced]).toEqual([expect.stringMatching(/ OK$/), broker]);
  }
});

test('a producer that is killed before its last count is no hole, and is named', async () => {
  const place = await Place.open('killed');
  const child = startCli(place.ingestArguments(true), { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin!.on('error', () => {}); // it is killed while it reads
  let sent = 0;
  const feed = async () => {
    child.stdin!.write(`${lines(sent, sent + 2_000).join('\n')}\n`);
    sent += 2_000;
    return await place.said(HOUR);
  };
  await expect.poll(feed, { timeout: 120_000, interval: 100 }).toBeGreaterThan(0);
  // And some that is in the log, and in no count.
  const untold = async () => {
    await feed();
    return (await place.records()) - (await place.said(HOUR));
  };
  await expect.poll(untold, { timeout: 120_000, interval: 20 }).toBeGreaterThan(0);
  child.kill('SIGKILL');
  expect(await statusOf(child)).toBe(137);
  const said = await place.said(HOUR);
  await place.load();
  const result = await place.audit();
  expect(result).toMatchObject({ ok: true, status: 0 });
  const [hour] = result.hours;
  expect(hour).toMatchObject({ produced: said, verdict: 'OK' });
  const more = hour!.broker! - said;
  expect(more).toBeGreaterThan(0);
  expect(hour!.problems).toEqual([
    expect.stringMatching(
      `killed: producer \\d+ \\(ingest\\) has not said its last counts, ${more} of its events`,
    ),
  ]);
});

test('a producer that is asked to stop says what it sent', async () => {
  const place = await Place.open('stopped');
  const child = startCli(place.ingestArguments(true), { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin!.write(`${lines(0, 50).join('\n')}\n`);
  await expect.poll(place.records, { timeout: 120_000, interval: 50 }).toBe(50);
  child.kill('SIGTERM');
  await once(child, 'exit');
  await place.load();
  expect(tiers(await place.audit())).toEqual([[50, 50, 50, 'OK']]);
});

test('events that the log lost, though they were acknowledged, make their hour SHORT once it is over', async () => {
  const data = dir.join('lost-data');
  const place = await Place.open('lost', { partitions: 1, broker: await startBroker(data) });
  await place.ingest(lines(0, 20));
  await place.load();
  await place.ingest([...lines(20, 30), ...lines(0, 10).map((_, n) => webRequest(n, 5))]);
  await place.broker.stop();
  expect(cutLastBatch(data, { topic: place.topic })).toBe(20);
  await using broker = await startBroker(data);
  place.broker = broker;
  // The others fill the place of what was lost, to the number.
  await place.ingest(lines(100, 110), { counting: false });
  const open = await place.audit();
  expect(tiers(open)).toEqual([
    [30, 20, 20, 'SHORT'],
    [10, 0, 0, 'PENDING'],
  ]);
  await place.ingest([webRequest(1, 6)], { counting: false });
  await place.load();
  const result = await place.audit();
  expect(result).toMatchObject({ ok: false, status: 1 });
  const found = Object.fromEntries(tiers(result).map((tier, i) => [result.hours[i]!.hour, tier]));
  expect(found).toMatchObject({
    '2026-03-01T00': [30, 30, 30, 'SHORT'],
    '2026-03-01T04': [undefined, 0, 0, 'OK'],
    '2026-03-01T05': [10, 0, 0, 'SHORT'],
  });
  expect(result.hours[0]!.problems).toEqual([
    expect.stringMatching(
      `lost: producers sent 30 events of ${HOUR}, 10 of them are not there; .*send them again`,
    ),
  ]);
});

test('a log that retention cut is held against the table: loaded before is well, lost before is SHORT', async () => {
  const [topic, data] = ['retention', dir.join('retention-data')];
  const small = { segmentBytes: 64 * 1024, retentionCheckIntervalMs: 100 };
  const place = await Place.open(topic, {
    partitions: 1,
    broker: await startBroker(data, { log: { ...small, retentionBytes: -1 } }),
  });
  const events = 1_800;
  const send = async (producerId: number) => {
    for (let n = 0; n < events; n += 300)
      await sendRecords(place.address, topic, webRequests(n, n + 300), { compression: 'none' });
    await place.withClient(createAuditTopic);
    const [at, hours] = [new Date().toISOString(), { [HOUR]: events }];
    const value = encodeCounts({ v: 1, topic, producerId, seq: 0, by: 'test', at, hours, last: true });
    await sendRecords(place.address, AUDIT_TOPIC, [{ value }]);
  };
  await send(1_000_001);
  await place.load();
  await place.broker.stop();
  await using broker = await startBroker(data, { log: { ...small, retentionBytes: 64 * 1024 } });
  place.broker = broker;
  await retentionIsDone(place, 300);
  expect(tiers(await place.audit())).toEqual([[events, null, events, 'OK']]);
  await send(1_000_002);
  await retentionIsDone(place, events);
  await place.load({ accepted: { gap: true, recreated: false, by: 'test' } });
  const result = await place.audit();
  expect(result).toMatchObject({ ok: false, status: 1, hours: [{ produced: 2 * events, verdict: 'SHORT' }] });
});

/** Waits until a log has lost what lies up to an offset, and loses nothing more: a load that meets it at work stops. */
async function retentionIsDone({ logStart }: Place, lost: number): Promise<void> {
  let before = -1;
  const looks = { timeout: 120_000, interval: 500 }; // several looks of the broker in between
  await expect
    .poll(async () => {
      const now = await logStart();
      const isDone = now > lost && now === before;
      before = now;
      return isDone;
    }, looks)
    .toBe(true);
}

/** Sends 40 events by a producer that counts; what goes to `doubled` is sent twice. */
async function sendDoubled({ topic, withClient }: Place, doubled: string): Promise<void> {
  const settings = settingsSchema.parse({});
  const schema = await findSchema('web_request', settings);
  await withClient(async (client) => {
    await createAuditTopic(client);
    await using producer = await Producer.open(client, settings.producer);
    const { producerId } = producer;
    const send: Producer['send'] = (to, record) => {
      if (to === doubled) producer.send(to, record)?.catch(() => {}); // the second says the same
      return producer.send(to, record);
    };
    const options = { topic, schema, loader: settings.loader, by: 'test', intervalMs: 100, now: Date.now };
    const sink = new CountedSink({ producerId, send, flush: () => producer.flush() }, options);
    for (const value of lines(0, 40))
      await sink.send(topic, { key: null, value: Buffer.from(value), timestampMs: Date.now() });
    await sink.close();
  });
}

test('events that stand in the log twice make their hour OVER; counts that do are not added twice', async () => {
  const place = await Place.open('twice');
  await sendDoubled(place, AUDIT_TOPIC);
  await place.load();
  expect(tiers(await place.audit())).toEqual([[40, 40, 40, 'OK']]);
  await sendDoubled(place, place.topic);
  await place.load();
  const result = await place.audit();
  expect(result).toMatchObject({ ok: false, status: 1 });
  expect(tiers(result)).toEqual([[80, 120, 120, 'OVER']]);
});
