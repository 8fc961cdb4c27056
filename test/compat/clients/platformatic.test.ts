/**
 * @platformatic/kafka as a foreign witness: a client that speaks the newest versions the broker has.
 */
import { Admin, ListOffsetTimestamps, Producer, stringSerializers } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { fetchFrom, valuesIn } from '../../support/batches.ts';
import { RawClient } from '../../support/raw-client.ts';
import { SeenApis } from '../../support/seen-apis.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

describe('@platformatic/kafka', () => {
  const dir = new TempDir('platformatic');
  let broker: Broker;
  const seen = new SeenApis();

  beforeAll(async () => {
    broker = await startBroker(dir.path, {}, seen.log);
  });
  afterAll(async () => {
    await broker.stop();
    seen.expectTold('@platformatic/kafka', /^platformatic$/);
    dir[Symbol.dispose]();
  });

  const options = () => ({ clientId: 'platformatic', bootstrapBrokers: [addressOf(broker)] });

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'produces with codec %s',
    async (compression) => {
      const producer = new Producer({
        ...options(),
        serializers: stringSerializers,
        autocreateTopics: true,
        idempotent: true,
      });
      const messages = Array.from({ length: 50 }, (_, i) => ({
        topic: `codec-${compression}`,
        partition: 2,
        value: `message ${i}`,
      }));
      await producer.send({ messages, compression });
      await producer.close();
      using client = await RawClient.connect(broker);
      const { records } = await fetchFrom(client, { topic: `codec-${compression}`, partition: 2, offset: 0 });
      expect(valuesIn(records)).toEqual(messages.map(({ value }, i) => [i, value]));
    },
  );

  test('creates and deletes topics, and lists offsets', async () => {
    const admin = new Admin(options());
    const [created] = await admin.createTopics({ topics: ['made'], partitions: 2, replicas: 1 });
    expect(created).toMatchObject({ name: 'made', partitions: 2 });
    expect(created?.id).toMatch(/^[0-9a-f-]{36}$/);
    const partitions = [{ partitionIndex: 0, timestamp: ListOffsetTimestamps.LATEST }];
    const [listed] = await admin.listOffsets({ topics: [{ name: 'made', partitions }] });
    expect(Number(listed?.partitions[0]?.offset)).toBe(0);
    await admin.deleteTopics({ topics: ['made'] });
    expect(await admin.listTopics()).not.toContain('made');
    await admin.close();
  });
});
