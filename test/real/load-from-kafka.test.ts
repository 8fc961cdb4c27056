/**
 * The loader against Apache Kafka itself: the same call as for our own broker, with what only Kafka has — batches that
 * the broker made anew, compacted topics, transactions, leaders that change, topics that were cut or made again.
 */
import { Kafka as KafkaJs, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webRequest, webRequests } from '../support/events.ts';
import { queryTable, visibleOffsets } from '../support/foreign-eyes.ts';
import { loadTopics, sendRecords } from '../support/load-topic.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Kafka, startKafka } from './bed/kafka.ts';

let dir: TempDir;
beforeAll(() => {
  dir = new TempDir('real-kafka');
});
afterAll(() => dir[Symbol.dispose]());

const setupOf = (kafka: Kafka, ...topics: string[]) => ({
  address: kafka.bootstrap,
  warehouse: dir.join(`warehouse-${topics[0]}`),
  topics: Object.fromEntries(topics.map((topic) => [topic, { schema: 'web_request' }])),
});

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what} did not happen in a minute`);
}

describe('the loader, on one broker of Apache Kafka', () => {
  let kafka: Kafka;
  beforeAll(async () => {
    kafka = await startKafka();
  });
  afterAll(() => kafka[Symbol.asyncDispose]());

  it.each(['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'loads batches that Kafka made with %s',
    async (codec) => {
      const topic = `codec-${codec}`;
      await kafka.createTopic(topic, { partitions: 2, configs: { 'compression.type': codec } });
      await sendRecords(kafka.bootstrap, topic, webRequests(0, 2_000, { partitions: 2, hours: 3 }), {
        compression: codec === 'gzip' ? 'lz4' : 'gzip',
      });
      const setup = setupOf(kafka, topic);
      expect(await loadTopics(setup, topic)).toMatchObject({ rows: 2_000, quarantined: 0 });
      expect(await loadTopics(setup, topic)).toMatchObject({ rows: 0 });
      const rows = await queryTable(
        setup.warehouse,
        topic,
        'SELECT count(*) AS n, count(DISTINCT bytes) AS d, sum(bytes) AS s FROM TABLE',
      );
      expect(rows).toEqual([{ n: '2000', d: '2000', s: String((1999 * 2000) / 2) }]);
    },
  );

  it('loads a compacted topic with the gaps it has, and passes over deletions', async () => {
    const topic = 'compacted';
    const configs = {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.01',
      'delete.retention.ms': '3600000',
    };
    await kafka.createTopic(topic, { configs });
    const round = (from: number) =>
      Array.from({ length: 50 }, (_, key) => ({
        key: `k${key}`,
        value: webRequest(from + key),
        partition: 0,
      }));
    for (let i = 0; i < 4; i++) await sendRecords(kafka.bootstrap, topic, round(i * 100));
    await sendRecords(kafka.bootstrap, topic, [{ key: 'k7', value: null, partition: 0 }]);
    // A segment is rolled when something is appended after its time.
    await until('compaction', async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await sendRecords(kafka.bootstrap, topic, [{ key: 'last', value: webRequest(999), partition: 0 }]);
      const setup = { ...setupOf(kafka, topic), warehouse: dir.join(`probe-${Math.random()}`) };
      return (await loadTopics(setup, topic)).rows < 120;
    });
    const setup = setupOf(kafka, topic);
    const result = await loadTopics(setup, topic);
    expect(result.quarantined).toBe(0);
    const [partition] = result.topics[0]!.partitions;
    expect(partition).toMatchObject({ caughtUp: true, error: null });
    expect(partition!.nextOffset).toBeGreaterThan(200);
    const rows = await queryTable(
      setup.warehouse,
      topic,
      "SELECT count(*) FILTER (WHERE decode(_key) LIKE 'k%') AS n, count(DISTINCT decode(_key)) AS d FROM TABLE WHERE decode(_key) <> 'last'",
    );
    expect(rows).toEqual([{ n: '49', d: '49' }]);
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 0, quarantined: 0 });
  });

  it('loads what was committed, never what was aborted, and waits for what is open', async () => {
    const topic = 'transactions';
    await kafka.createTopic(topic, { partitions: 1 });
    const client = new KafkaJs({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING });
    const producer = client.producer({ transactionalId: 'tx', idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const send = async (from: number, end: 'commit' | 'abort' | undefined) => {
      const transaction = await producer.transaction();
      await transaction.send({
        topic,
        messages: Array.from({ length: 10 }, (_, i) => ({ value: webRequest(from + i), partition: 0 })),
      });
      await (end && transaction[end]());
      return transaction;
    };
    for (let i = 0; i < 6; i++) await send(100 * i, i % 2 === 0 ? 'commit' : 'abort');
    const open = await send(600, undefined);
    const setup = setupOf(kafka, topic);
    const first = await loadTopics(setup, topic);
    expect(first.rows).toBe(30);
    expect(first.topics[0]!.partitions[0]).toMatchObject({ caughtUp: false });
    expect(first.topics[0]!.marked).toEqual([]);
    await open.commit();
    await send(700, 'abort');
    expect((await loadTopics(setup, topic)).rows).toBe(10);
    await producer.disconnect();
    const rows = await queryTable(
      setup.warehouse,
      topic,
      'SELECT list(DISTINCT bytes // 100 ORDER BY bytes // 100) AS l, count(*) AS n, max(_offset) AS o FROM TABLE',
    );
    // Each transaction's ten records are followed by one marker, which has an offset of its own.
    expect(rows).toEqual([{ l: ['0', '2', '4', '6'], n: '40', o: String(6 * 11 + 9) }]);
  });

  it('loads fifty partitions', async () => {
    const topic = 'fifty';
    await kafka.createTopic(topic, { partitions: 50 });
    await sendRecords(kafka.bootstrap, topic, webRequests(0, 5_000, { partitions: 50 }));
    const setup = setupOf(kafka, topic);
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 5_000, files: 50 });
    const offsets = await visibleOffsets(setup.warehouse, topic);
    expect(offsets).toEqual(
      Array.from({ length: 50 }, (_, partition) => ({
        partition,
        rows: 100,
        distinct: 100,
        min: 0,
        max: 99,
      })),
    );
  });

  it('refuses a topic that was made again, and one whose records were deleted before they were loaded', async () => {
    for (const topic of ['again', 'cut']) {
      await kafka.createTopic(topic);
      await sendRecords(kafka.bootstrap, topic, webRequests(0, 100));
    }
    const setup = setupOf(kafka, 'again', 'cut');
    await loadTopics(setup, ['again', 'cut']);
    await kafka.deleteTopic('again');
    await kafka.createTopic('again');
    await sendRecords(kafka.bootstrap, 'again', webRequests(0, 200));
    await sendRecords(kafka.bootstrap, 'cut', webRequests(100, 200));
    await kafka.deleteRecords('cut', 0, 150);
    const refused = await loadTopics(setup, ['again', 'cut']);
    const [again, cut] = refused.topics.map(({ partitions }) => partitions[0]!.error);
    expect(again).toMatch(/again-0: the topic was deleted and created anew/);
    expect(cut).toMatch(/cut-0: the log begins at offset 150, above 100.*offsets 100 to 149 were deleted/);
    expect(refused.rows).toBe(0);
    expect(await visibleOffsets(setup.warehouse, 'again')).toEqual([
      { partition: 0, rows: 100, distinct: 100, min: 0, max: 99 },
    ]);
  });
});

describe('the loader, on three brokers of Apache Kafka', () => {
  it('goes on when the leader it reads from is killed', async () => {
    await using kafka = await startKafka({ brokers: 3 });
    const topic = 'failover';
    await kafka.createTopic(topic, { partitions: 2, configs: { 'min.insync.replicas': '2' } });
    await sendRecords(kafka.bootstrap, topic, webRequests(0, 240_000, { partitions: 2, hours: 2 }));
    const leader = await kafka.leaderOf(topic, 0);
    const setup = { ...setupOf(kafka, topic), loader: { fetchBytes: 64 * 1024 } };
    let killed: Promise<unknown> | undefined;
    const result = await loadTopics(setup, topic, {
      onProgress: (read) => {
        if (read > 20_000) killed ??= leader.kill();
      },
    });
    expect(killed).toBeDefined();
    await killed;
    expect(result.topics[0]!.partitions.map(({ error }) => error)).toEqual([null, null]);
    expect(result.rows).toBe(240_000);
    expect(await visibleOffsets(setup.warehouse, topic)).toMatchObject([
      { rows: 120_000, distinct: 120_000 },
      { rows: 120_000, distinct: 120_000 },
    ]);
  });
});
