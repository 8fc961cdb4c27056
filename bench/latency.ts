/**
 * How long one record takes at 1,000 records a second: from its sending to its acknowledgement, and to a consumer that
 * polls, with acks=1 and with an fsync before each acknowledgement. Beside the floor of the same bytes sent to and fro
 * through a socket, and written and fsynced in between. One record a request, our own client on both ends in one process.
 */
import { once } from 'node:events';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaClient } from '../broker/client/client.ts';
import { fetch } from '../broker/protocol/apis/fetch.ts';
import { produce } from '../broker/protocol/apis/produce.ts';
import { batchesOf, encodeBatch, recordsOf } from '../broker/protocol/record-batch.ts';
import type { TopicPartition } from '../broker/topic-partition.ts';
import { tableText } from '../cli/table.ts';
import { settingsSchema } from '../config/settings.ts';
import { createTopic, startBroker } from './broker-process.ts';
import { runOwn, startOwn } from './measured.ts';
import { printLine } from './report.ts';

const PER_SECOND = 1_000;
const WARM_UP = 2_000;
const COUNTED = 10_000;
const VALUE_BYTES = 100;
const PART: TopicPartition = { topic: 'latency', partition: 0 };
const PERCENTILES = [50, 99, 99.9, 100];
const FETCH = { maxWaitMs: 500, minBytes: 1, partitionMaxBytes: 1 << 20 };

/** Name → latencies of the counted records, in milliseconds. */
type Latencies = Record<string, number[]>;

export async function benchLatency(directory: string): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const isSynced of [false, true]) {
    const floor = isSynced ? 'floor: to a file, fdatasync, and back' : 'floor: to a socket and back';
    const server = startOwn('echo', [isSynced ? join(directory, 'echo') : '']);
    const echoed = await told(runOwn('echo-latency', [await server.firstLine]));
    await server.ended;
    const base = row(floor, echoed['echo']!);
    rows.push([...base, '1.00 x']);
    const flush = isSynced ? 'acks' : 'interval';
    const broker = await startBroker(join(directory, flush), undefined, [
      '--set',
      `broker.log.flush=${flush}`,
    ]);
    await createTopic(broker, PART.topic, 1);
    const acks = isSynced ? -1 : 1;
    const found = await told(runOwn('record-latency', [broker.address, String(acks)]));
    await broker.stop();
    for (const [name, of] of Object.entries(found)) {
      const cells = row(`${isSynced ? 'acks=all, fsynced' : 'acks=1'}: ${name}`, of);
      rows.push([...cells, `${(Number(cells[1]) / Number(base[1])).toFixed(2)} x`]);
    }
  }
  const columns = ['', ...PERCENTILES.map((percent) => `${percent} % ms`), 'median of floor'];
  printLine(`\nlatency: ${COUNTED} records of ${VALUE_BYTES} bytes at ${PER_SECOND} a second`);
  printLine(tableText(columns, rows));
}

const told = async (child: Promise<{ stdout: string }>) => JSON.parse((await child).stdout) as Latencies;

function row(name: string, latencies: readonly number[]): (string | number)[] {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN;
  return [name, ...PERCENTILES.map((percent) => at(percent).toFixed(2))];
}

/** Calls `send` at its pace, whatever becomes of those before; resolves when all are done. Tells when each was due. */
async function paced(send: (index: number) => Promise<void>): Promise<number[]> {
  const begun = performance.now();
  const dueMs: number[] = [];
  const sent: Promise<void>[] = [];
  while (sent.length < WARM_UP + COUNTED) {
    const due = Math.floor(((performance.now() - begun) * PER_SECOND) / 1_000);
    for (; sent.length < Math.min(due, WARM_UP + COUNTED); ) {
      dueMs.push(performance.now());
      sent.push(send(sent.length));
    }
    await sleep(1);
  }
  await Promise.all(sent);
  return dueMs;
}

const counted = (startMs: readonly number[], endMs: readonly number[]) =>
  endMs.map((end, i) => end - startMs[i]!).slice(WARM_UP);

/** Echoes what one connection sends, frame by frame of the one size; with a file, each is on disk first. Prints its port. */
export async function echo([file]: string[]): Promise<void> {
  const to = file ? openSync(file, 'w') : undefined;
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    let partial = 0;
    socket.on('data', (chunk: Buffer) => {
      const whole = Math.floor((partial + chunk.length) / VALUE_BYTES);
      partial = (partial + chunk.length) % VALUE_BYTES;
      if (to !== undefined) {
        writeSync(to, chunk);
        if (whole > 0) fdatasyncSync(to);
      }
      socket.write(chunk);
    });
    socket.on('end', () => socket.end(() => server.close()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  await once(server, 'close');
  if (to !== undefined) closeSync(to);
}

/** Sends frames to an echo; prints how long each took to come back. */
export async function echoLatency([port]: string[]): Promise<void> {
  const socket = connect(Number(port), '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  const waiting: (() => void)[] = [];
  const endMs: number[] = [];
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    for (bytes += chunk.length; bytes >= VALUE_BYTES; bytes -= VALUE_BYTES) {
      endMs.push(performance.now());
      waiting.shift()!();
    }
  });
  const frame = Buffer.alloc(VALUE_BYTES, 'x');
  const startMs = await paced((_) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    socket.write(frame);
    return promise;
  });
  socket.end();
  process.stdout.write(JSON.stringify({ echo: counted(startMs, endMs) }));
}

/** Sends records one by one and reads them; prints how long each took to be acknowledged and to be read. */
export async function recordLatency([address, acks]: string[]): Promise<void> {
  const { client: settings } = settingsSchema.parse({ client: { brokers: address } });
  await using client = await KafkaClient.connect(settings);
  const total = WARM_UP + COUNTED;
  const readMs: number[] = [];
  const reading = readAll(client, total, (index) => {
    readMs[index] = performance.now();
  });
  const ackMs: number[] = [];
  const startMs = await paced(async (index) => {
    const value = Buffer.alloc(VALUE_BYTES, `${index} `);
    const records = encodeBatch([{ key: null, value, timestampMs: Date.now() }], { codec: 'none' });
    const topicData = [{ name: PART.topic, partitionData: [{ index: PART.partition, records }] }];
    const body = { acks: Number(acks), timeoutMs: settings.requestTimeoutMs, topicData };
    const answer = await client.requestOnce(produce, PART, body);
    const { errorCode } = answer.responses[0]!.partitionResponses[0]!;
    if (errorCode !== 0) throw new Error(`a record was refused with error ${errorCode}`);
    ackMs[index] = performance.now();
  });
  await reading;
  const found: Latencies = { acknowledged: counted(startMs, ackMs), read: counted(startMs, readMs) };
  process.stdout.write(JSON.stringify(found));
}

/** Reads by long polls on a connection of its own until so many came; tells the number that each value begins with. */
async function readAll(client: KafkaClient, total: number, onRead: (index: number) => void): Promise<void> {
  const connection = await client.connectToLeader(PART);
  const { topic, partition } = PART;
  for (let next = 0; next < total; ) {
    const { partitionMaxBytes, ...limits } = FETCH;
    const partitions = [{ partition, fetchOffset: next, partitionMaxBytes }];
    const answer = await connection.send(fetch, { ...limits, topics: [{ topic, partitions }] });
    const { records } = answer.responses[0]?.partitions[0] ?? { records: null };
    if (records === null) continue;
    for (const { at, header } of batchesOf(records)) {
      for (const { value } of recordsOf(records, at, header)) onRead(Number.parseInt(String(value), 10));
      next = header.lastOffset + 1;
    }
  }
  connection.close();
}
