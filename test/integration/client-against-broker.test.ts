import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { KafkaClient } from '../../broker/client/client.ts';
import { fetchRange } from '../../broker/client/fetch-range.ts';
import { partitionOf } from '../../broker/client/partitioner.ts';
import { Producer } from '../../broker/client/producer.ts';
import { CODECS, type CodecName } from '../../broker/protocol/compression.ts';
import { batchesOf, recordsOf } from '../../broker/protocol/record-batch.ts';
import type { TopicPartition } from '../../broker/topic-partition.ts';
import { settingsSchema } from '../../config/settings.ts';
import { ClientHarness, producerSettings, readAll } from '../support/client-harness.ts';

const defaults = settingsSchema.parse({});
const codecs = Object.keys(CODECS) as CodecName[];
const text = (value: string) => Buffer.from(value);

test.each(codecs)(
  'what is sent with codec %s comes back, each key in the partition that Kafka gives it',
  async (codec) => {
    await using harness = await ClientHarness.start();
    const client = await harness.connect();
    await client.createTopic('events', { partitions: 3, replication: 1 });
    await using producer = await Producer.open(
      client,
      producerSettings({ compression: codec, batchBytes: 4096 }),
    );
    for (let index = 0; index < 3000; index++) {
      const headers = index % 10 === 0 ? [{ key: 'n', value: text(String(index)) }] : [];
      await producer.send('events', {
        key: text(`key ${index % 50}`),
        value: text(`value ${index} ${'x'.repeat(index % 100)}`),
        timestampMs: 1_700_000_000_000 + index,
        headers,
      });
    }
    await producer.flush();
    expect(producer.acknowledged).toBe(3000);
    const seen = new Set<string>();
    for (const partition of [0, 1, 2]) {
      const records = await readAll(client, { topic: 'events', partition });
      records.forEach(({ offset, key, value, timestampMs, headers }, position) => {
        const index = timestampMs - 1_700_000_000_000;
        expect([offset, partitionOf(key as Buffer, 3)]).toEqual([position, partition]);
        expect(value?.toString()).toBe(`value ${index} ${'x'.repeat(index % 100)}`);
        expect(headers).toHaveLength(index % 10 === 0 ? 1 : 0);
        seen.add(`${index}`);
      });
    }
    expect(seen.size).toBe(3000);
  },
);

test('keyless records are spread over all partitions, batch by batch', async () => {
  await using harness = await ClientHarness.start({ numPartitions: 4 });
  const client = await harness.connect();
  await using producer = await Producer.open(client, producerSettings({ batchBytes: 1024, lingerMs: 1000 }));
  for (let index = 0; index < 2000; index++) {
    await producer.send('made-by-sending', { key: null, value: text(`value ${index}`), timestampMs: index });
  }
  await producer.flush();
  const parts = [0, 1, 2, 3].map((partition) => ({ topic: 'made-by-sending', partition }));
  const ends = await client.listOffsets(parts, 'latest');
  expect(ends.reduce((sum, { offset }) => sum + offset, 0)).toBe(2000);
  for (const { offset } of ends) expect(offset).toBeGreaterThan(300);
});

async function filledTopic(client: KafkaClient, count: number): Promise<TopicPartition> {
  await client.createTopic('filled', { partitions: 1, replication: 1 });
  await using producer = await Producer.open(
    client,
    producerSettings({ compression: 'none', batchBytes: 1024 }),
  );
  for (let index = 0; index < count; index++) {
    await producer.send('filled', { key: null, value: text(`value ${index}`), timestampMs: 1000 + index });
  }
  return { topic: 'filled', partition: 0 };
}

test('a range is read whole, its first and last batch may overlap it, and nextOffset reaches its end', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  const part = await filledTopic(client, 1000);
  const inside = (await readAll(client, part, 333, 777)).filter(
    ({ offset }) => offset >= 333 && offset < 777,
  );
  expect(inside.map(({ offset }) => offset)).toEqual(Array.from({ length: 444 }, (_, index) => index + 333));
  let last = 0;
  for await (const { nextOffset } of fetchRange(
    client,
    part,
    { from: 0, until: 1000 },
    { maxBytes: 5000, isolation: 'read_committed' },
  )) {
    expect(nextOffset).toBeGreaterThan(last);
    last = nextOffset;
  }
  expect(last).toBe(1000);
  expect(await readAll(client, part, 500, 500)).toEqual([]);
});

test('what a reader still holds stays as it was, whatever of the rest it has released', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  const part = await filledTopic(client, 5000);
  const held: Array<{ bytes: Buffer; copy: Buffer }> = [];
  const releases: Array<() => void> = [];
  let [next, item] = [0, 0];
  const options = { maxBytes: 8_000, isolation: 'read_committed' } as const;
  for await (const { bytes, release } of fetchRange(client, part, { from: 0, until: 5000 }, options)) {
    const copy = Buffer.from(bytes);
    // Long enough for the next answer to come, which must not come into this one's memory.
    await wait(2);
    for (const { at, header } of batchesOf(bytes))
      for (const { offset, value } of recordsOf(bytes, at, header)) {
        expect([offset, String(value)]).toEqual([next, `value ${next}`]);
        next += 1;
      }
    if (item++ % 3 === 0) held.push({ bytes, copy });
    else releases.push(release);
    // Each is called again and again: only the first call may count.
    for (const each of releases) each();
  }
  expect([next, held.length > 3]).toEqual([5000, true]);
  for (const { bytes, copy } of held) expect(bytes.equals(copy)).toBe(true);
});

test('a batch larger than the bytes asked for comes whole', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  await client.createTopic('large', { partitions: 1, replication: 1 });
  await using producer = await Producer.open(client, producerSettings({ compression: 'none' }));
  await producer.send('large', { key: null, value: Buffer.alloc(500_000, 1), timestampMs: 1 });
  await producer.flush();
  const records = await readAll(client, { topic: 'large', partition: 0 });
  expect(records.map(({ value }) => value?.length)).toEqual([500_000]);
});

test('reading past the end of the log ends there; a start beyond it is out of range', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  const part = await filledTopic(client, 100);
  const records = await readAll(client, part, 90, 500);
  expect(records.at(-1)?.offset).toBe(99);
  await expect(readAll(client, part, 101, 500)).rejects.toThrow(
    /filled-0, offset 101: .*OFFSET_OUT_OF_RANGE/,
  );
});

test('a reader that stops early leaves nothing behind', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  const part = await filledTopic(client, 1000);
  for (let turn = 0; turn < 20; turn++) {
    for await (const { bytes } of fetchRange(
      client,
      part,
      { from: 0, until: 1000 },
      { maxBytes: 2000, isolation: 'read_committed' },
    )) {
      expect(bytes.length).toBeGreaterThan(0);
      break;
    }
  }
  await client.close();
  await expect(client.metadata(null)).rejects.toThrow(/closed/);
});

test('offsets are found by place and by time; epochs have their ends', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  const part = await filledTopic(client, 100);
  const offsetAt = async (at: 'earliest' | 'latest' | number) =>
    (await client.listOffsets([part], at))[0]?.offset;
  expect(await offsetAt('earliest')).toBe(0);
  expect(await offsetAt('latest')).toBe(100);
  expect(await offsetAt(1042)).toBe(42);
  expect(await offsetAt(99_999)).toBe(-1);
  const [found] = await client.listOffsets([part], 'latest');
  expect(await client.endOfEpoch(part, found?.leaderEpoch ?? -1)).toMatchObject({ endOffset: 100 });
});

test('topics are created, described and deleted; an unknown one is an error in one line', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  await client.createTopic('first', { partitions: 2, replication: 1 });
  await expect(client.createTopic('first', { partitions: 2, replication: 1 })).rejects.toThrow(
    /TOPIC_ALREADY_EXISTS/,
  );
  const described = await client.metadata(['first', 'absent']);
  expect(described.topics.find(({ name }) => name === 'first')).toMatchObject({ internal: false });
  expect(described.topics.find(({ name }) => name === 'first')?.partitions).toHaveLength(2);
  expect(described.topics.find(({ name }) => name === 'absent')?.error).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  await client.deleteTopic('first');
  expect((await client.metadata(null)).topics).toEqual([]);
  await expect(client.listOffsets([{ topic: 'absent', partition: 0 }], 'latest')).rejects.toThrow(
    /topic absent/,
  );
});

test('a broker that cannot be reached is an error in one line that names every address tried', async () => {
  const unused = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => unused.once('listening', listening));
  const { port } = unused.address() as { port: number };
  await new Promise((closed) => unused.close(closed));
  const brokers = `127.0.0.1:${port},localhost:${port}`;
  const failure = await KafkaClient.connect({ ...defaults.client, brokers }).catch(
    (error: Error) => error.message,
  );
  expect(failure).toContain(`127.0.0.1:${port} (ECONNREFUSED), localhost:${port} (`);
  expect(failure).not.toContain('\n');
  await expect(KafkaClient.connect({ ...defaults.client, brokers: 'nonsense' })).rejects.toThrow(
    /"nonsense" is not HOST:PORT/,
  );
});

test('a record that the broker refuses stops the producer with a clear error, at flush and at the next send', async () => {
  await using harness = await ClientHarness.start({ log: { maxMessageBytes: 2000 } });
  const client = await harness.connect();
  await client.createTopic('small', { partitions: 1, replication: 1 });
  const producer = await Producer.open(client, producerSettings({ compression: 'none' }));
  const record = { key: null, value: Buffer.alloc(5000), timestampMs: 1 };
  await producer.send('small', record);
  await expect(producer.flush()).rejects.toThrow(
    /small-0 failed, 1 records were not acknowledged: .*MESSAGE_TOO_LARGE/,
  );
  expect(() => producer.send('small', record)).toThrow(/MESSAGE_TOO_LARGE/);
});

test('a sender waits while the buffer is full, and every record arrives', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect();
  await client.createTopic('full', { partitions: 2, replication: 1 });
  await using producer = await Producer.open(
    client,
    producerSettings({ maxBufferedBytes: 50_000, lingerMs: 10_000 }),
  );
  let waits = 0;
  for (let index = 0; index < 5000; index++) {
    const wait = producer.send('full', {
      key: text(`${index}`),
      value: Buffer.alloc(100),
      timestampMs: index,
    });
    if (wait) waits++;
    await wait;
  }
  await producer.flush();
  expect(waits).toBeGreaterThan(10);
  expect(producer.acknowledged).toBe(5000);
});
