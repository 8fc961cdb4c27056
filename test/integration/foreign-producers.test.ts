/**
 * Events that other people's clients produced, with every codec they know: the loader brings in their keys, headers and
 * values to the byte, at the offsets the broker gave them.
 */
import { Producer, stringSerializers } from '@platformatic/kafka';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { webRequest } from '../support/events.ts';
import { queryTable } from '../support/foreign-eyes.ts';
import { hasKcat, kcat } from '../support/kcat.ts';
import { createTopic, loadTopics } from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const EVENTS = 500;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

let dir: TempDir;
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('foreign');
  broker = await startBroker(dir.join('data'));
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

/** What is sent, in order, into partition 1 of 2. Every client adds the header `from`, with bytes that are no ASCII. */
const PARTITION = 1;
const HEADER = 'dörfer';
const sent = Array.from({ length: EVENTS }, (_, n) => ({
  key: `schlüssel ${n % 50}`,
  value: webRequest(n).replace('"test"', `"täst ${n} ${'x'.repeat(n % 97)}"`),
}));

/** Loads the topic and compares all of its rows with what was sent. */
async function expectLoaded(topic: string): Promise<void> {
  const warehouse = dir.join(`warehouse-${topic}`);
  const setup = { address: addressOf(broker), warehouse, topics: { [topic]: { schema: 'web_request' } } };
  expect(await loadTopics(setup, topic)).toMatchObject({ rows: EVENTS, quarantined: 0 });
  const rows = await queryTable(
    warehouse,
    topic,
    `SELECT _partition AS partition, _offset::INTEGER AS "offset", hex(_key) AS key,
      list_transform(_headers, h -> [h.key, hex(h.value)]) AS headers, _extra AS extra,
      strftime(event_time, '%Y-%m-%dT%H:%M:%S.%gZ') AS event_time, host, path, status, bytes::INTEGER AS bytes, user_agent
      FROM TABLE ORDER BY ALL`,
  );
  const hex = (text: string) => Buffer.from(text).toString('hex').toUpperCase();
  expect(rows).toEqual(
    sent.map(({ key, value }, offset) => {
      const { event_time, host, path, status, bytes, user_agent } = JSON.parse(value) as Record<
        string,
        unknown
      >;
      return {
        ...{ partition: PARTITION, offset, key: hex(key), headers: [['from', hex(HEADER)]], extra: null },
        ...{ event_time, host, path, status, bytes, user_agent },
      };
    }),
  );
}

describe.runIf(hasKcat())('kcat', () => {
  test.each(CODECS)('with codec %s', async (codec) => {
    const topic = `kcat-${codec}`;
    await createTopic(addressOf(broker), topic, 2);
    const input = sent.map(({ key, value }) => `${key}\t${value}\n`).join('');
    const how = ['-K', '\t', '-z', codec, '-H', `from=${HEADER}`, '-X', 'batch.num.messages=37'];
    await kcat(addressOf(broker), ['-P', '-t', topic, '-p', String(PARTITION), ...how], input);
    await expectLoaded(topic);
  });
});

describe('kafkajs', () => {
  test.each([
    ['none', CompressionTypes.None],
    ['gzip', CompressionTypes.GZIP],
  ])('with codec %s', async (codec, compression) => {
    const topic = `kafkajs-${codec}`;
    await createTopic(addressOf(broker), topic, 2);
    const kafka = new Kafka({ brokers: [addressOf(broker)], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ idempotent: true });
    await producer.connect();
    const messages = sent.map((event) => ({ ...event, partition: PARTITION, headers: { from: HEADER } }));
    await producer.send({ topic, messages: messages.slice(0, 300), compression });
    await producer.send({ topic, messages: messages.slice(300), compression });
    await producer.disconnect();
    await expectLoaded(topic);
  });
});

describe('@platformatic/kafka', () => {
  test.each(CODECS)('with codec %s', async (compression) => {
    const topic = `platformatic-${compression}`;
    await createTopic(addressOf(broker), topic, 2);
    const producer = new Producer({
      clientId: 'foreign',
      bootstrapBrokers: [addressOf(broker)],
      serializers: stringSerializers,
    });
    const headers = new Map([['from', HEADER]]);
    const messages = sent.map((event) => ({ ...event, topic, partition: PARTITION, headers }));
    await producer.send({ messages: messages.slice(0, 300), compression });
    await producer.send({ messages: messages.slice(300), compression });
    await producer.close();
    await expectLoaded(topic);
  });
});
