/**
 * What the broker does with peers that do not behave, and with settings that cannot be served.
 */
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { Broker } from '../../broker/broker.ts';
import { apiVersions } from '../../broker/protocol/apis/api-versions.ts';
import { createTopics } from '../../broker/protocol/apis/create-topics.ts';
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { listOffsets } from '../../broker/protocol/apis/list-offsets.ts';
import { metadata } from '../../broker/protocol/apis/metadata.ts';
import { batchOf, fetchBody, fetchFrom, produceBatch, valuesIn } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { startCli, statusOf } from '../support/run-cli.ts';
import { brokerSettings, recordingLogger, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

async function connectMany(broker: { host: string; port: number }, count: number, held: DisposableStack) {
  const clients: RawClient[] = [];
  while (clients.length < count) {
    const some = Array.from({ length: 50 }, () => RawClient.connect(broker));
    for (const client of await Promise.all(some)) clients.push(held.use(client));
  }
  return clients;
}

async function isServing(broker: Broker): Promise<void> {
  using client = await RawClient.connect(broker);
  expect((await client.request(apiVersions, 0, {})).errorCode).toBe(0);
}

describe('bad peers', () => {
  test.each([
    ['a frame of size -1', int32(-1)],
    ['a frame of 2 GiB', int32(2 ** 31 - 1)],
    ['a frame without a header', Buffer.concat([int32(3), Buffer.alloc(3)])],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n')],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
    [
      'a request whose body is cut off',
      Buffer.concat([int32(12), Buffer.from('0001000c00000001ffff0000', 'hex')]),
    ],
    ['an array of 2 billion', Buffer.concat([int32(14), Buffer.from('0003000100000001ffff7fffffff', 'hex')])],
  ])('%s closes its connection, and nobody else notices', async (_, bytes) => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path, { maxRequestBytes: 1024 * 1024 });
    using bad = await RawClient.connect(broker);
    bad.socket.write(bytes);
    expect(await bad.nextFrame()).toBeUndefined();
    await isServing(broker);
  });

  test('a frame that is never finished costs nothing until the peer goes', async () => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path);
    for (let i = 0; i < 50; i++) {
      using half = await RawClient.connect(broker);
      half.socket.write(Buffer.concat([int32(90 * 1024 * 1024), Buffer.alloc(100)]));
    }
    await isServing(broker);
  });

  test('2,000 idle and 200 half-open connections leave the others served', { timeout: 180_000 }, async () => {
    using dir = new TempDir();
    // In a process of its own: both ends here would be twice as many files.
    await using broker = await BrokerProcess.start(dir.path, { maxConnections: 2_300 });
    using held = new DisposableStack();
    const idle = await connectMany(broker, 2_000, held);
    for (const { socket } of await connectMany(broker, 200, held)) {
      socket.write(Buffer.concat([int32(50 * 1024 * 1024), Buffer.alloc(1_000)]));
    }
    using client = await RawClient.connect(broker);
    await client.request(metadata, 12, { topics: [{ name: 'busy' }] });
    for (let n = 0; n < 50; n++) {
      expect(await produceBatch(client, batchOf([`${n}`]), { topic: 'busy' })).toMatchObject({
        baseOffset: n,
      });
    }
    for (const one of [idle[0]!, idle.at(-1)!]) {
      expect((await one.request(apiVersions, 0, {})).errorCode).toBe(0);
    }
    const status = fs.readFileSync(`/proc/${broker.pid}/status`, 'utf8');
    expect(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1])).toBeLessThan(400 * 1024);
  });

  test('a client that asks and does not read holds a bounded amount, and gets everything when it reads', async () => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path);
    using client = await RawClient.connect(broker);
    await client.request(metadata, 12, { topics: [{ name: 'big' }] });
    for (let i = 0; i < 8; i++)
      await produceBatch(client, batchOf(['x'.repeat(1_000_000)]), { topic: 'big' });
    using slow = await RawClient.connect(broker);
    slow.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    const asked = 100;
    for (let i = 0; i < asked; i++) {
      slow.send(fetch, 12, fetchBody({ topic: 'big', offset: 0, partitionMaxBytes: 8 * 1024 * 1024 }));
    }
    await isServing(broker);
    for (let i = 0; i < 20; i++) await isServing(broker);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
    slow.socket.resume();
    let frames = 0;
    for (; frames < asked; frames++) expect((await slow.nextFrame())?.length).toBeGreaterThan(7_000_000);
  });

  test('connections above maxConnections are closed at once', async () => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path, { maxConnections: 2 });
    using one = await RawClient.connect(broker);
    using two = await RawClient.connect(broker);
    using three = await RawClient.connect(broker);
    expect(await three.nextFrame()).toBeUndefined();
    expect((await one.request(apiVersions, 0, {})).errorCode).toBe(0);
    expect((await two.request(apiVersions, 0, {})).errorCode).toBe(0);
  });

  test('an idle connection is closed, one that waits for a long poll is not', async () => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path, { idleConnectionMs: 300 });
    using waiting = await RawClient.connect(broker);
    await waiting.request(metadata, 12, { topics: [{ name: 'idle' }] });
    using idle = await RawClient.connect(broker);
    const polled = fetchFrom(waiting, { topic: 'idle', offset: 0, maxWaitMs: 1200 });
    expect(await idle.nextFrame()).toBeUndefined();
    expect((await polled).errorCode).toBe(0);
  });
});

describe('start and stop', () => {
  test('a taken port is one line with a remedy, and the data directory is free again', async () => {
    using dir = new TempDir();
    const blocker = net.createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as net.AddressInfo;
    await expect(startBroker(dir.path, { port })).rejects.toThrow(
      `port ${port} on 127.0.0.1 is taken: stop what listens there or choose another --port`,
    );
    blocker.close();
    await using broker = await startBroker(dir.path);
    await isServing(broker);
  });

  test('a data directory that cannot be made is one line with a remedy', async () => {
    using dir = new TempDir();
    fs.writeFileSync(dir.join('file'), '');
    await expect(startBroker(dir.join('file'))).rejects.toThrow(/^data directory .* is not writable/);
  });

  test('stopping ends long polls and keeps everything, also the topic id', async () => {
    using dir = new TempDir();
    const broker = await startBroker(dir.path);
    using client = await RawClient.connect(broker);
    const made = await client.request(metadata, 12, { topics: [{ name: 'kept' }] });
    await produceBatch(client, batchOf(['a', 'b']), { topic: 'kept' });
    const polled = fetchFrom(client, { topic: 'kept', offset: 2, maxWaitMs: 60_000 });
    await isServing(broker);
    await broker.stop();
    expect((await polled).highWatermark).toBe(2);
    await using again = await startBroker(dir.path);
    using second = await RawClient.connect(again);
    const found = await second.request(metadata, 12, { topics: [{ name: 'kept' }] });
    expect(found.topics[0]).toMatchObject({ topicId: made.topics[0]?.topicId });
    expect(found.topics[0]?.partitions[0]?.leaderEpoch).toBe(0);
    expect(found.clusterId).toBe(made.clusterId);
    const { records } = await fetchFrom(second, { topic: 'kept', offset: 0 });
    expect(valuesIn(records)).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
  });

  test('under flush=acks a produce is answered after its fsync', async () => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path, { log: { flush: 'acks', flushIntervalMs: 3_600_000 } });
    using client = await RawClient.connect(broker);
    await client.request(metadata, 12, { topics: [{ name: 'safe' }] });
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        using one = await RawClient.connect(broker);
        return await produceBatch(one, batchOf(['x']), { topic: 'safe' });
      }),
    );
    expect(new Set(answers.map(({ baseOffset }) => baseOffset)).size).toBe(50);
    expect((await fetchFrom(client, { topic: 'safe', offset: 0 })).highWatermark).toBe(50);
  });

  test('retention of a topic acts while the broker runs', async () => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path, { log: { retentionCheckIntervalMs: 100 } });
    using client = await RawClient.connect(broker);
    await client.request(createTopics, 7, {
      topics: [
        {
          name: 'short',
          numPartitions: 1,
          replicationFactor: 1,
          configs: [
            { name: 'retention.bytes', value: '1000' },
            { name: 'segment.bytes', value: '500' },
          ],
        },
      ],
    });
    for (let i = 0; i < 40; i++) await produceBatch(client, batchOf([`v${i}`]), { topic: 'short' });
    const earliest = async () => {
      const answer = await client.request(listOffsets, 7, {
        topics: [{ name: 'short', partitions: [{ partitionIndex: 0, timestamp: -2 }] }],
      });
      return answer.topics[0]?.partitions[0]?.offset ?? 0;
    };
    await expect.poll(earliest, { timeout: 120_000 }).toBeGreaterThan(20);
    const start = await earliest();
    const { records } = await fetchFrom(client, { topic: 'short', offset: start });
    expect(valuesIn(records)[0]).toEqual([start, `v${start}`]);
    expect((await fetchFrom(client, { topic: 'short', offset: 0 })).errorCode).toBe(1);
  });

  test('a damaged partition is answered with KAFKA_STORAGE_ERROR, the others are served', async () => {
    using dir = new TempDir();
    const first = await startBroker(dir.path, { numPartitions: 2 });
    using client = await RawClient.connect(first);
    await client.request(metadata, 12, { topics: [{ name: 'hurt' }] });
    for (const partition of [0, 1]) await produceBatch(client, batchOf(['a']), { topic: 'hurt', partition });
    await first.stop();
    fs.truncateSync(dir.join('hurt-0', '00000000000000000000.log'), 10);
    const { log, lines } = recordingLogger();
    await using second = await Broker.start(brokerSettings(dir.path), { log });
    using other = await RawClient.connect(second);
    const storageError = 56;
    const options = { topic: 'hurt', offset: 0 };
    expect((await fetchFrom(other, options)).errorCode).toBe(storageError);
    expect((await produceBatch(other, batchOf(['b']), options)).errorCode).toBe(storageError);
    expect((await fetchFrom(other, { ...options, partition: 1 })).errorCode).toBe(0);
    expect(lines.join()).toContain('hurt-0 is not served');
  });
});

test('millrace broker --log-level trace shows every request', async () => {
  using dir = new TempDir();
  const argv = ['broker', '--port', '0', '--data', dir.path, '--json', '--log-level', 'trace'];
  const child = startCli(argv);
  const said = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const { port } = JSON.parse((await said.next()).value as string) as { port: number };
  const logged: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => logged.push(line));
  using client = await RawClient.connect({ host: '127.0.0.1', port });
  expect((await client.request(apiVersions, 0, {})).errorCode).toBe(0);
  child.kill('SIGTERM');
  expect(await statusOf(child)).toBe(143);
  expect(logged.join('\n')).toContain('request ApiVersions 0');
});
