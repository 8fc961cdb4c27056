/**
 * The broker uses the memory of requests and of socket input again. Nothing that still needs it may ever see the next
 * use: not a request that lies in a buffer, and not a batch that waits for its write.
 */
import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createTopics } from '../../broker/protocol/apis/create-topics.ts';
import { produce } from '../../broker/protocol/apis/produce.ts';
import { readInto } from '../../broker/server/socket-input.ts';
import { batchOf, fetchFrom, produceBatch, valuesIn } from '../support/batches.ts';
import { RawClient } from '../support/raw-client.ts';
import { startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = { name: 't', numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] };
const REQUESTS = 60;

/** Of every size class: some bytes, some dozen KiB, hundreds of KiB. */
function textOf(client: number, request: number): string {
  return `${client}/${request} `.repeat([1, 2_000, 40_000][request % 3] as number);
}

describe('memory that is used again', () => {
  test.each([0, 1, -1])('acks=%i: pipelined requests of many connections keep their bytes', async (acks) => {
    using dir = new TempDir();
    await using broker = await startBroker(dir.path);
    using first = await RawClient.connect(broker);
    await first.request(createTopics, 2, { topics: [TOPIC], timeoutMs: 1_000 });
    const clients = await Promise.all([0, 1, 2].map(() => RawClient.connect(broker)));
    for (let request = 0; request < REQUESTS; request++) {
      for (const [index, client] of clients.entries()) {
        const records = batchOf([textOf(index, request)]);
        const topicData = [{ name: 't', partitionData: [{ index, records }] }];
        client.send(produce, 7, { acks, timeoutMs: 1_000, topicData });
      }
    }
    for (const [index, client] of clients.entries()) {
      for (let answers = acks === 0 ? REQUESTS : 0; answers < REQUESTS; answers++) await client.nextFrame();
      // In order behind the others on its connection, so that all are written when it is answered.
      await produceBatch(client, batchOf(['end']), { topic: 't', partition: index });
      for (let offset = 0; offset < REQUESTS; ) {
        const { records } = await fetchFrom(client, { topic: 't', partition: index, offset });
        const values = valuesIn(records);
        expect(values.length).toBeGreaterThan(0);
        for (const [at, value] of values) {
          expect(at).toBe(offset);
          expect(value === (offset < REQUESTS ? textOf(index, offset) : 'end')).toBe(true);
          offset += 1;
        }
      }
      client[Symbol.dispose]();
    }
  });
});

/** Sends texts by one connection each, in turns, and returns what the other side read by one shared buffer of 64 bytes. */
async function readTexts(texts: readonly string[], onSocket: (socket: net.Socket) => void = () => {}) {
  const shared = Buffer.alloc(64);
  const read = texts.map(() => '');
  const used: boolean[] = [];
  let events = 0;
  const ended: Array<Promise<unknown>> = [];
  const server = net.createServer((socket) => {
    const number = used.length;
    onSocket(socket);
    ended.push(once(socket, 'end'));
    used.push(
      readInto(socket, shared, (bytes) => {
        read[number] += bytes.toString('latin1');
        if (++events % 3 === 0) {
          socket.pause();
          setImmediate(() => socket.resume());
        }
      }),
    );
    socket.resume();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as net.AddressInfo;
  const sockets: net.Socket[] = [];
  for (const _ of texts) {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    while (used.length === sockets.length) await nextTurn();
    sockets.push(socket.resume());
  }
  for (const [number, socket] of sockets.entries()) socket.end(texts[number] ?? '');
  await Promise.all(ended);
  server.close();
  await once(server, 'close');
  return { read, used };
}

describe('socket input', () => {
  const texts = ['a', 'b', 'c'].map((letter) => `${letter}-${'0123456789'.repeat(500)}`);

  test('sockets that share one buffer read what was sent to each, to the end', async () => {
    // False here means that this Node has lost the way in: the broker works on, at about half the speed.
    expect(await readTexts(texts)).toEqual({ read: texts, used: [true, true, true] });
  });

  test('a Node without the way in reads the same by events', async () => {
    const hide = (socket: net.Socket) => {
      // Node's own, in no type: the object that the system reads into.
      const { _handle: handle } = socket as unknown as { _handle: object };
      Object.defineProperty(handle, 'useUserBuffer', { value: undefined });
    };
    expect(await readTexts(texts, hide)).toEqual({ read: texts, used: [false, false, false] });
  });
});
