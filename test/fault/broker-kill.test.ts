/**
 * `kill -9` of a broker process under load: what it acknowledged is there afterwards, at the offset it named, and what a
 * cut write left behind is not.
 */
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { initProducerId } from '../../broker/protocol/apis/init-producer-id.ts';
import { metadata } from '../../broker/protocol/apis/metadata.ts';
import { offsetForLeaderEpoch } from '../../broker/protocol/apis/offset-for-leader-epoch.ts';
import { batchOf, fetchFrom, produceBatch, valuesIn } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'load';
const PRODUCERS = 4;
const SETTINGS = { numPartitions: 1, log: { segmentBytes: 64 * 1024, flushIntervalMs: 50 } };

/** Produces batch after batch until the connection breaks; notes each acknowledged value with its offset. */
async function produceUntilKilled(
  port: number,
  name: string,
  acknowledged: Map<string, number>,
): Promise<void> {
  try {
    using client = await RawClient.connect({ host: '127.0.0.1', port });
    const { producerId } = await client.request(initProducerId, 4, {});
    for (let sequence = 0; ; sequence += 3) {
      const values = [0, 1, 2].map((i) => `${name}-${sequence + i}-${'x'.repeat(200)}`);
      const batch = batchOf(values, { producerId, producerEpoch: 0, baseSequence: sequence });
      const { errorCode, baseOffset } = await produceBatch(client, batch, { topic: TOPIC });
      if (errorCode !== 0) throw new Error(`produce was answered with ${errorCode}`);
      for (const [i, value] of values.entries()) acknowledged.set(value, baseOffset + i);
    }
  } catch (error) {
    if (!/the connection was closed|ECONN/.test((error as Error).message)) throw error;
  }
}

/** Every record of the topic, by offset. */
async function readAll(client: RawClient): Promise<Map<number, string>> {
  const all = new Map<number, string>();
  for (let offset = 0; ; ) {
    const { records, highWatermark, errorCode } = await fetchFrom(client, { topic: TOPIC, offset });
    expect(errorCode).toBe(0);
    const found = valuesIn(records);
    for (const [at, value] of found) {
      expect(all.has(at)).toBe(false);
      all.set(at, value);
    }
    if (found.length === 0) {
      expect(all.size).toBe(highWatermark);
      return all;
    }
    offset = (found.at(-1)?.[0] ?? 0) + 1;
  }
}

function lastSegment(dir: TempDir): string {
  const names = fs.readdirSync(dir.join(`${TOPIC}-0`)).filter((name) => name.endsWith('.log'));
  return dir.join(`${TOPIC}-0`, names.sort().at(-1) ?? '');
}

describe('kill -9 under produce load', () => {
  test('every acknowledged record is there after each restart, at its offset, once', {
    timeout: 120_000,
  }, async () => {
    using dir = new TempDir('kill');
    const acknowledged = new Map<string, number>();
    for (let round = 0; round < 5; round++) {
      await using broker = await BrokerProcess.start(dir.path, SETTINGS);
      using client = await RawClient.connect(broker);
      await client.request(metadata, 12, { topics: [{ name: TOPIC }] });
      const load = Array.from({ length: PRODUCERS }, (_, i) =>
        produceUntilKilled(broker.port, `r${round}p${i}`, acknowledged),
      );
      const wanted = acknowledged.size + 200 + 137 * round;
      await expect.poll(() => acknowledged.size, { timeout: 120_000, interval: 5 }).toBeGreaterThan(wanted);
      await broker.kill();
      await Promise.all(load);
      // What a write that was cut off leaves: the first half of a batch.
      fs.appendFileSync(
        lastSegment(dir),
        batchOf(['never acknowledged', 'nor whole']).subarray(0, 70 + round),
      );
    }
    await using broker = await BrokerProcess.start(dir.path, SETTINGS);
    using client = await RawClient.connect(broker);
    const all = await readAll(client);
    for (const [value, offset] of acknowledged) expect(all.get(offset)).toBe(value);
    expect(new Set(all.values()).size).toBe(all.size);
    const answer = await client.request(offsetForLeaderEpoch, 4, {
      topics: [{ topic: TOPIC, partitions: [{ partition: 0, leaderEpoch: 5 }] }],
    });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({
      errorCode: 0,
      leaderEpoch: 5,
      endOffset: all.size,
    });
  });

  test('a retry after the restart is recognised and not written twice', async () => {
    using dir = new TempDir('kill');
    const batch = () => batchOf(['once'], { producerId: 77, producerEpoch: 0, baseSequence: 0 });
    let offset = -1;
    {
      await using broker = await BrokerProcess.start(dir.path, SETTINGS);
      using client = await RawClient.connect(broker);
      await client.request(metadata, 12, { topics: [{ name: TOPIC }] });
      await produceBatch(client, batchOf(['before']), { topic: TOPIC });
      offset = (await produceBatch(client, batch(), { topic: TOPIC })).baseOffset;
      await broker.kill();
    }
    await using broker = await BrokerProcess.start(dir.path, SETTINGS);
    using client = await RawClient.connect(broker);
    const again = await produceBatch(client, batch(), { topic: TOPIC });
    expect(again).toMatchObject({ errorCode: 0, baseOffset: offset });
    expect((await readAll(client)).size).toBe(2);
  });

  test('a second broker is kept off the directory of a live one, and takes over that of a killed one', async () => {
    using dir = new TempDir('kill');
    await using first = await BrokerProcess.start(dir.path, SETTINGS);
    await expect(BrokerProcess.start(dir.path, SETTINGS)).rejects.toThrow(/ended before it listened/);
    await first.kill();
    await using second = await BrokerProcess.start(dir.path, SETTINGS);
    expect(second.port).toBeGreaterThan(0);
  });
});
