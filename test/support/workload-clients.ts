/**
 * Foreign clients at work, for the log checker: each writes down what it sends and what it gets.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka';
import { type Kafka, Partitioners } from 'kafkajs';
import type { Poll, Send } from './log-checker.ts';

export const TOPIC = 'workload';
export const PARTITIONS = 4;
const PAUSE_MS = 10;
/** Of the transactions: a producer that was given up holds committed readers back this long. */
const TRANSACTION_TIMEOUT_MS = 2_000;
const PER_TRANSACTION = 5;

/** Where and until when one sends. */
export interface Work {
  address: string;
  sends: Send[];
  isOver: () => boolean;
}

const openProducer = (address: string, clientId: string) =>
  new Producer({
    clientId,
    bootstrapBrokers: [address],
    serializers: stringSerializers,
    idempotent: true,
    acks: ProduceAcks.ALL,
    retries: 0,
    timeout: 3_000,
    connectTimeout: 2_000,
  });

/** Sends until it is over. A producer that was told of an error is given up: of its last send nothing is known. */
export async function produce(name: string, { address, sends, isOver }: Work): Promise<void> {
  for (let life = 0; !isOver(); life++) {
    const producer = openProducer(address, `${name}.${life}`);
    try {
      for (let n = 0; !isOver(); n++) {
        const partition = n % PARTITIONS;
        const send: Send = { producer: `${name}.${life}`, partition, value: `${name}.${life}/${n}` };
        sends.push(send);
        const { offsets } = await producer.send({
          messages: [{ topic: TOPIC, partition, value: send.value }],
        });
        send.offset = Number(offsets?.[0]?.offset);
        await sleep(PAUSE_MS);
      }
    } catch {
      await sleep(PAUSE_MS);
    }
    await producer.close(true).catch(() => {});
  }
}

/** The same in transactions, of which every other one is aborted. */
export async function produceInTransactions(
  kafka: Kafka,
  name: string,
  { sends, isOver }: Omit<Work, 'address'>,
): Promise<void> {
  for (let life = 0; !isOver(); life++) {
    const id = `${name}.${life}`;
    const producer = kafka.producer({
      transactionalId: id,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 1, initialRetryTime: 100 },
    });
    try {
      await producer.connect();
      for (let n = 0; !isOver(); n++) {
        const transaction = await producer.transaction();
        const sent: [Send, number][] = [];
        for (let i = 0; i < PER_TRANSACTION; i++) {
          const partition = i % PARTITIONS;
          const send: Send = { producer: id, partition, value: `${id}/${n}.${i}` };
          sends.push(send);
          const messages = [{ partition, value: send.value }];
          const [answer] = await transaction.send({ topic: TOPIC, messages, acks: -1 });
          sent.push([send, Number(answer!.baseOffset)]);
        }
        if (n % 2 === 0) {
          await transaction.commit();
          for (const [send, offset] of sent) send.offset = offset;
        } else {
          await transaction.abort();
          for (const [send] of sent) send.isAborted = true;
        }
        await sleep(PAUSE_MS);
      }
    } catch {
      await sleep(PAUSE_MS);
    }
    await producer.disconnect().catch(() => {});
  }
}

/** One more record for each partition, behind all others; returns the end of each. */
export async function sendLast({
  address,
  sends,
}: Pick<Work, 'address' | 'sends'>): Promise<Map<number, number>> {
  const producer = openProducer(address, 'last');
  const ends = new Map<number, number>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const value = `last/${partition}`;
    const { offsets } = await producer.send({ messages: [{ topic: TOPIC, partition, value }] });
    const offset = Number(offsets?.[0]?.offset);
    sends.push({ producer: 'last', partition, value, offset });
    ends.set(partition, offset + 1);
  }
  await producer.close();
  return ends;
}

/** A member of the group that notes what it gets, until it is stopped. */
export async function consume(kafka: Kafka, name: string, polls: Poll[]) {
  const consumer = kafka.consumer({
    groupId: 'workers',
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    retry: { retries: 100, maxRetryTime: 1_000 },
  });
  let session = 0;
  consumer.on('consumer.group_join', () => session++);
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message: { offset, value } }) => {
      polls.push({ consumer: name, session, partition, offset: Number(offset), value: String(value) });
    },
  });
  return consumer;
}

/** What `consumeByKcat` runs; its two streams become one, so that a rebalance stands among the records where it was. */
const KCAT =
  'exec kcat -b "$1" -G kcat -u -o beginning -X session.timeout.ms=10000 -f "took %p %o %s\\n" "$2" 2>&1';

/** A member of another group, by kcat, which is begun anew where it gives up; ends it when told to. */
export async function consumeByKcat(
  address: string,
  name: string,
  polls: Poll[],
  end: AbortSignal,
): Promise<void> {
  let session = 0;
  while (!end.aborted) {
    const child = spawn('sh', ['-c', KCAT, 'kcat', address, TOPIC], { stdio: ['ignore', 'pipe', 'inherit'] });
    const kill = () => child.kill('SIGTERM');
    end.addEventListener('abort', kill);
    session++;
    for await (const line of createInterface({ input: child.stdout })) {
      const [word, partition, offset, value] = line.split(' ');
      if (word === 'took')
        polls.push({
          consumer: name,
          session,
          partition: Number(partition),
          offset: Number(offset),
          value: value!,
        });
      else if (/^% Group .* rebalanced/.test(line)) session++;
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    end.removeEventListener('abort', kill);
    await sleep(PAUSE_MS);
  }
}
