/**
 * Seeded random and mutated frames, in great numbers, while a well-behaved client goes on beside them: the broker keeps
 * serving, tells of no failure of its own, and holds no more memory than before; the client's records, and only they, are in
 * its topic. FUZZ_FRAMES: how many (a million for the proof), FUZZ_SEED: which.
 */
import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from 'vitest';
import { Broker } from '../../broker/broker.ts';
import { HANDLERS } from '../../broker/handlers/handlers.ts';
import { createTopics } from '../../broker/protocol/apis/create-topics.ts';
import { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import { batchOf, fetchFrom, produceBatch, valuesIn } from '../support/batches.ts';
import { nextFrame } from '../support/invented-frames.ts';
import { RawClient } from '../support/raw-client.ts';
import { brokerSettings, recordingLogger } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 8_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);
const PER_CONNECTION = 8;
const CONNECTIONS = 16;
const MEMORY_BYTES = 400 * 1024 * 1024;
/** Topics that the frames may name; what they do to them is their own affair. */
const TEXTS = [
  'fuzz-a',
  'fuzz-b',
  'group',
  '',
  'consumer',
  'range',
  'retention.ms',
  '60000',
  'x'.repeat(300),
  '../up',
];
/** The well-behaved client's, which no frame names. */
const KEPT = 'kept';

/** Sends frames over one connection after the other until there are no more to send. */
async function attack(port: number, random: SeededRandom, left: { frames: number }): Promise<void> {
  const batches = [batchOf(['a', 'b']), batchOf(['c'], { producerId: 1, producerEpoch: 0, baseSequence: 0 })];
  while (left.frames > 0) {
    left.frames -= PER_CONNECTION;
    const frames = Array.from({ length: PER_CONNECTION }, () =>
      nextFrame(HANDLERS, random, { texts: TEXTS, batches }),
    );
    const socket = net.connect({ host: '127.0.0.1', port }).on('error', () => {});
    socket.resume().end(Buffer.concat(frames));
    await once(socket, 'close');
  }
}

/** Produces until told to stop; returns the values that were acknowledged, by their offsets. */
async function behave(client: RawClient, isOver: () => boolean): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let n = 0; !isOver() || n < 10; n++) {
    const { errorCode, baseOffset } = await produceBatch(client, batchOf([`kept ${n}`]), { topic: KEPT });
    expect(errorCode).toBe(0);
    acknowledged[baseOffset] = `kept ${n}`;
  }
  return acknowledged;
}

async function readAll(client: RawClient): Promise<string[]> {
  const values: string[] = [];
  for (;;) {
    const { records, highWatermark } = await fetchFrom(client, { topic: KEPT, offset: values.length });
    for (const [offset, value] of valuesIn(records)) if (offset >= values.length) values.push(value);
    if (values.length >= highWatermark) return values;
  }
}

test(`${FRAMES} invented and mutated frames hurt nobody (seed ${SEED})`, {
  timeout: 120_000 + FRAMES * 10,
}, async () => {
  using dir = new TempDir('fuzz');
  const { log, lines } = recordingLogger();
  log.level = 'error';
  const settings = brokerSettings(dir.path, {
    numPartitions: 1,
    maxPartitions: 200,
    maxRequestBytes: 1 << 20,
  });
  await using broker = await Broker.start(settings, { log });
  using client = await RawClient.connect(broker);
  const made = { numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] };
  const topics = [KEPT, ...TEXTS.slice(0, 2)].map((name) => ({ name, ...made }));
  await client.request(createTopics, 7, { topics, timeoutMs: 10_000 });
  const left = { frames: FRAMES };
  const random = new SeededRandom(SEED);
  const attacks = Promise.all(Array.from({ length: CONNECTIONS }, () => attack(broker.port, random, left)));
  const acknowledged = await behave(client, () => left.frames <= 0);
  await attacks;
  expect(await readAll(client)).toEqual(acknowledged);
  expect(lines).toEqual([]);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  expect(heapUsed + arrayBuffers).toBeLessThan(MEMORY_BYTES);
});
