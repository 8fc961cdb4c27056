/**
 * A log that is no longer the one that was loaded: made anew under its name, shortened and filled again, or deleted before
 * it was loaded. Two logs are never mixed: that partition stops with one line, everything else goes on.
 */
import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KafkaClient } from '../../broker/client/client.ts';
import { settingsSchema } from '../../config/settings.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { cutLastBatch } from '../support/cut-log.ts';
import { webRequests } from '../support/events.ts';
import { listing, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
beforeAll(() => {
  dir = new TempDir('same-log');
});
afterAll(() => dir[Symbol.dispose]());

/** A broker with a directory and a warehouse of its own; it can be stopped, killed and started again. */
async function startPlace(name: string, log: Parameters<typeof BrokerProcess.start>[1] = {}) {
  const dataDir = dir.join(name, 'data');
  fs.mkdirSync(dataDir, { recursive: true });
  return { dataDir, warehouse: dir.join(name, 'warehouse'), broker: await BrokerProcess.start(dataDir, log) };
}
type Place = Awaited<ReturnType<typeof startPlace>>;

interface Outcome {
  topic: string;
  partitions: { partition: number; rows: number; error: string | null }[];
}

/** One load of topics as the command; its status, the lines it complains in, and its outcome by partition. */
async function runLoad({ broker, warehouse }: Place, ...topics: string[]) {
  const where = ['--broker', addressOf(broker), '--warehouse', `file:${warehouse}`];
  const schemas = topics.flatMap((topic) => ['--set', `topics.${topic}.schema=web_request`]);
  const chosen = topics.flatMap((topic) => ['--topic', topic]);
  const { status, stdout, stderr } = await runCli(['load', ...chosen, '--json', ...where, ...schemas]);
  return {
    status,
    lines: stderr.split('\n').filter(Boolean),
    topics: (JSON.parse(stdout) as { topics: Outcome[] }).topics,
  };
}

/** Everything of a topic but the history of runs. */
const tableOf = ({ warehouse }: Place, topic: string) =>
  listing(warehouse, topic).filter((path) => !path.startsWith('_loader/runs/'));

/** Loads a topic that must be refused: status 1, one line on stderr (returned), the same in the outcome, nothing in the table. */
async function expectRefused(place: Place, topic: string, line: RegExp): Promise<string> {
  const before = tableOf(place, topic);
  const { status, lines, topics } = await runLoad(place, topic);
  expect(status).toBe(1);
  expect(lines).toEqual([expect.stringMatching(line)]);
  const refused = topics[0]!.partitions.find(({ partition }) => partition === 0);
  expect(refused).toMatchObject({ rows: 0, error: expect.stringMatching(line) });
  expect(tableOf(place, topic)).toEqual(before);
  return lines[0]!;
}

async function withClient<T>(place: Place, act: (client: KafkaClient) => Promise<T>): Promise<T> {
  const { client: settings } = settingsSchema.parse({ client: { brokers: addressOf(place.broker) } });
  await using client = await KafkaClient.connect(settings);
  return await act(client);
}

test('a topic deleted and created anew is refused, and the other topics go on', async () => {
  const place = await startPlace('recreated');
  await using broker = place.broker;
  const address = addressOf(broker);
  for (const topic of ['anew', 'other']) {
    await createTopic(address, topic, 1);
    await sendRecords(address, topic, webRequests(0, 50));
  }
  expect((await runLoad(place, 'anew', 'other')).status).toBe(0);
  await withClient(place, (client) => client.deleteTopic('anew'));
  await createTopic(address, 'anew', 1);
  // It has grown past what was loaded of the old one, so offsets alone tell nothing.
  await sendRecords(address, 'anew', webRequests(0, 80));
  await sendRecords(address, 'other', webRequests(50, 90));
  const before = tableOf(place, 'anew');
  const { status, lines, topics } = await runLoad(place, 'anew', 'other');
  expect(status).toBe(1);
  const line =
    /anew-0: the topic was deleted and created anew \(its id was [0-9a-f-]{36}, it is [0-9a-f-]{36}\); /;
  expect(lines).toEqual([expect.stringMatching(line)]);
  expect(topics.map(({ topic, partitions }) => [topic, partitions[0]!.rows])).toEqual([
    ['anew', 0],
    ['other', 40],
  ]);
  expect(tableOf(place, 'anew')).toEqual(before);
  expect(await visibleOffsets(place.warehouse, 'other')).toMatchObject([{ rows: 90, distinct: 90 }]);
});

describe('a log that lost its end', () => {
  const TOPIC = 'shortened';

  /** Two partitions of three batches each, all loaded: 30 and 30 records. */
  async function loadedPlace(name: string): Promise<Place> {
    const place = await startPlace(name);
    const address = addressOf(place.broker);
    await createTopic(address, TOPIC, 2);
    for (let batch = 0; batch < 3; batch++)
      await sendRecords(address, TOPIC, webRequests(batch * 20, (batch + 1) * 20, { partitions: 2 }));
    expect((await runLoad(place, TOPIC)).status).toBe(0);
    return place;
  }

  /** Loads with the broker as it is: partition 0 is refused, partition 1 goes on. */
  async function expectStopped(place: Place, line: RegExp): Promise<void> {
    await sendRecords(
      addressOf(place.broker),
      TOPIC,
      [...webRequests(900, 905)].map((r) => ({ ...r, partition: 1 })),
    );
    const { status, lines, topics } = await runLoad(place, TOPIC);
    expect(lines).toEqual([expect.stringMatching(line)]);
    expect(status).toBe(1);
    expect(topics[0]!.partitions).toMatchObject([
      { rows: 0, error: expect.stringMatching(line) },
      { rows: 5, error: null },
    ]);
    expect((await visibleOffsets(place.warehouse, TOPIC))[0]).toMatchObject({
      partition: 0,
      rows: 30,
      distinct: 30,
    });
  }

  test('is refused by what is missing, and after it was filled with other records by the leader epoch', async () => {
    let place = await loadedPlace('killed');
    await place.broker.kill();
    expect(cutLastBatch(place.dataDir, { topic: TOPIC, recoveryPoint: 0 })).toBe(20);
    place = { ...place, broker: await BrokerProcess.start(place.dataDir) };
    await using broker = place.broker;
    await expectStopped(
      place,
      /shortened-0: the log ends at offset 20, below 30, up to which it was loaded: /,
    );
    const others = [...webRequests(500, 540)].map((record) => ({ ...record, partition: 0 }));
    await sendRecords(addressOf(broker), TOPIC, others);
    await expectStopped(
      place,
      /shortened-0: leader epoch 0 ends at offset 20, below 30, .* gave their offsets to others; nothing was loaded/,
    );
  });

  test('is refused by the CRC of the last batch where no epoch tells', async () => {
    let place = await loadedPlace('quiet');
    await place.broker.stop();
    // In order, but the disk was put back to an earlier state: the broker has nothing to notice.
    expect(cutLastBatch(place.dataDir, { topic: TOPIC })).toBe(20);
    place = { ...place, broker: await BrokerProcess.start(place.dataDir) };
    await using broker = place.broker;
    const others = [...webRequests(500, 540)].map((record) => ({ ...record, partition: 0 }));
    await sendRecords(addressOf(broker), TOPIC, others);
    await expectStopped(
      place,
      /shortened-0: the batch at offset 20 is not the one that was loaded \(CRC \d+, was \d+\): /,
    );
  });
});

test('a log whose unloaded beginning was deleted by retention is refused, naming the offsets', async () => {
  const log = { segmentBytes: 64 * 1024, retentionBytes: 64 * 1024, retentionCheckIntervalMs: 100 };
  const place = await startPlace('retention', { log });
  await using broker = place.broker;
  const topic = 'forgotten';
  await createTopic(addressOf(broker), topic, 1);
  await sendRecords(addressOf(broker), topic, webRequests(0, 10));
  expect((await runLoad(place, topic)).status).toBe(0);
  for (let part = 0; part < 8; part++)
    await sendRecords(addressOf(broker), topic, webRequests(part * 300, (part + 1) * 300), {
      compression: 'none',
    });
  const logStart = () =>
    withClient(
      place,
      async (client) => (await client.listOffsets([{ topic, partition: 0 }], 'earliest'))[0]!.offset,
    );
  await expect.poll(logStart, { timeout: 120_000, interval: 100 }).toBeGreaterThan(10);
  // Retention may still be at work: the line is held to itself, and to where the log begins in the end.
  const line =
    /forgotten-0: the log begins at offset (\d+), above 10, .*: offsets 10 to (\d+) were deleted before they/;
  const found = line.exec(await expectRefused(place, topic, line));
  const start = Number(found?.[1]);
  expect(Number(found?.[2])).toBe(start - 1);
  expect(start).toBeLessThanOrEqual(await logStart());
});
