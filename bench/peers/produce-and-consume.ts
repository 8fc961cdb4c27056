/**
 * Events into and out of our broker and Apache Kafka, by the same kcat: acks=1, no compression, one client at a time. Both
 * brokers run all the while, and the first round with each, which warms Kafka's compiler and the disk's cache, is not
 * counted; in it is also seen that all events arrive and come out again.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeLines } from '../web-events.ts';
import {
  type Contender,
  consumeAll,
  countRecords,
  createTopic,
  deleteTopic,
  PARTITIONS,
  produceLines,
  startBoth,
} from './brokers.ts';
import { compare, type Run } from './comparison.ts';
import type { PeerOptions } from './peer-options.ts';
import { printComparison } from './peer-tables.ts';
import { type ProgramRun, runProgram, watch } from './process-usage.ts';

const SIZES = [
  { bytes: 100, events: 4_000_000 },
  { bytes: 1_000, events: 1_000_000 },
];
const RUNS = 5;
const SETTLE_MS = 500;

/** One size of event: the file with the lines, and what is in it. */
interface Work {
  file: string;
  events: number;
  bytes: number;
}

export async function benchProduceAndConsume(options: PeerOptions): Promise<void> {
  await using both = await startBoth();
  for (const { bytes, events: usual } of SIZES) {
    const work = { file: join(both.scratch, `lines-${bytes}`), events: options.events ?? usual, bytes };
    writeLines(work.file, work.events, bytes + 1);
    for (const contender of both.brokers) await warmUp(contender, work, options.signal);
    if (options.parts.includes('produce')) await compareProduce(both.brokers, work, options);
    if (options.parts.includes('consume')) await compareConsume(both.brokers, work, options);
    for (const { address } of both.brokers) await deleteTopic(address, topicOf(work));
    await rm(work.file);
  }
}

/** The topic that is produced to warm up and then consumed. */
const topicOf = ({ bytes }: Work) => `bytes-${bytes}`;

async function warmUp({ name, address }: Contender, work: Work, signal: AbortSignal): Promise<void> {
  const topic = topicOf(work);
  await createTopic(address, topic);
  await produceLines(address, topic, work.file, signal);
  const records = await countRecords(address, topic);
  const { stdout } = await consumeAll(address, topic, signal, 'count');
  if (records === work.events && stdout === String(work.events * (work.bytes + 1))) return;
  throw new Error(`${name} took ${records} of ${work.events} events and gave ${stdout} bytes of them`);
}

async function compareProduce(
  brokers: readonly Contender[],
  work: Work,
  options: PeerOptions,
): Promise<void> {
  const produce = async (contender: Contender) => {
    const topic = 'produced';
    await createTopic(contender.address, topic);
    await settle(options.signal);
    const run = await timed(contender, () =>
      produceLines(contender.address, topic, work.file, options.signal),
    );
    const records = await countRecords(contender.address, topic);
    if (records !== work.events)
      throw new Error(`${contender.name} took ${records} of ${work.events} events`);
    await deleteTopic(contender.address, topic);
    return run;
  };
  await print('produce', brokers, work, options, produce);
}

async function compareConsume(
  brokers: readonly Contender[],
  work: Work,
  options: PeerOptions,
): Promise<void> {
  const consume = async (contender: Contender) => {
    await settle(options.signal);
    return await timed(contender, () => consumeAll(contender.address, topicOf(work), options.signal));
  };
  await print('consume', brokers, work, options, consume);
}

async function print(
  what: string,
  brokers: readonly Contender[],
  { events, bytes }: Work,
  { runs = RUNS, signal, say, markdown }: PeerOptions,
  run: (contender: Contender) => Promise<Run>,
): Promise<void> {
  const sides = brokers.map((broker) => ({ name: broker.name, run: () => run(broker) }));
  const title = `${what}: ${events} events of ${bytes} bytes, ${PARTITIONS} partitions, ${runs} runs each`;
  printComparison({ title, events, bytesEach: bytes }, await compare(sides, { runs, signal, say }), markdown);
}

async function timed({ pid }: Contender, run: () => Promise<ProgramRun>): Promise<Run> {
  const told = watch({ broker: pid });
  const client = await run();
  return { seconds: client.seconds, processes: { ...told(), client } };
}

/** What earlier runs left to be written or deleted must not be done in the time of the next one. */
export async function settle(signal: AbortSignal): Promise<void> {
  await sleep(SETTLE_MS);
  await runProgram('sync', [], { signal });
}
