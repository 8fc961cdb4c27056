import { expect, test } from 'vitest';
import { Producer } from '../../broker/client/producer.ts';
import { ClientHarness, producerSettings, readAll } from '../support/client-harness.ts';
import { CuttingProxy, PROXY_HOST } from '../support/cutting-proxy.ts';
import { startBroker } from '../support/start-broker.ts';

const numbered = (value: number) => Buffer.from(String(value));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
/** Many attempts close together: what is tested is their order and number, not the wait. */
const PATIENT = { retries: 50, retryBackoffMs: 1 };

/** Small numbers from a seed. */
function seeded(seed: number, min: number, max: number): () => number {
  let state = seed;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return min + (state % (max - min + 1));
  };
}

test.each([1, 2, 3])(
  'answers lost on the way neither lose nor double nor reorder a record (seed %i)',
  async (seed) => {
    await using harness = await ClientHarness.start({ advertisedHost: PROXY_HOST });
    const proxy = harness.use(await CuttingProxy.start(harness, seeded(seed, 2, 8)));
    const client = await harness.connect(PATIENT, PROXY_HOST);
    await client.createTopic('cut', { partitions: 2, replication: 1 });
    const producer = await Producer.open(client, producerSettings({ batchBytes: 1024, compression: 'none' }));
    const count = 10_000;
    for (let index = 0; index < count; index++) {
      await producer.send('cut', {
        key: null,
        value: numbered(index),
        timestampMs: index,
        partition: index % 2,
      });
      if (index % 100 === 0) await new Promise((resume) => setImmediate(resume));
    }
    await producer.flush();
    proxy.cutting = false;
    expect(proxy.cuts).toBeGreaterThan(10);
    expect(producer.acknowledged).toBe(count);
    for (const partition of [0, 1]) {
      const records = await readAll(client, { topic: 'cut', partition });
      expect(records.map(({ value }) => Number(value))).toEqual(
        upTo(count / 2).map((index) => index * 2 + partition),
      );
    }
  },
);

test('reading goes on where it was when connections are cut', async () => {
  await using harness = await ClientHarness.start({ advertisedHost: PROXY_HOST });
  const proxy = harness.use(await CuttingProxy.start(harness, () => 4));
  proxy.cutting = false;
  const client = await harness.connect(PATIENT, PROXY_HOST);
  const producer = await Producer.open(client, producerSettings({ batchBytes: 1024, compression: 'none' }));
  for (const index of upTo(20_000)) {
    await producer.send('read', { key: null, value: numbered(index), timestampMs: index, partition: 0 });
  }
  await producer.flush();
  proxy.cutting = true;
  const records = await readAll(client, { topic: 'read', partition: 0 });
  expect(records.map(({ offset }) => offset)).toEqual(upTo(20_000));
  expect(proxy.cuts).toBeGreaterThan(3);
});

test('a producer outlives a restart of the broker, without loss or repetition', async () => {
  await using harness = await ClientHarness.start();
  const client = await harness.connect({ retries: 50, retryBackoffMs: 10 });
  await client.createTopic('restarted', { partitions: 1, replication: 1 });
  const producer = await Producer.open(client, producerSettings({ batchBytes: 1024 }));
  for (const index of upTo(4000)) {
    await producer.send('restarted', { key: null, value: numbered(index), timestampMs: index });
    if (index === 2000) {
      await harness.broker.stop();
      harness.use(await startBroker(harness.dataDir, { port: harness.port }));
    }
  }
  await producer.flush();
  const records = await readAll(client, { topic: 'restarted', partition: 0 });
  expect(records.map(({ value }) => Number(value))).toEqual(upTo(4000));
});
