/**
 * One load over any topics. Many: 300 topics of 4 partitions with little data, a first load, an hourly one, and one that
 * finds nothing new, each in a process of its own. Hot: one topic with 80 % of its events in one of five partitions,
 * loaded by one worker on one core and by two on two cores; were the hot partition one task, they could not be more than
 * 1.25 times as fast.
 */
import { join } from 'node:path';
import { webRequest } from '../test/support/events.ts';
import { createTopic as createOwnTopic, sendRecords } from '../test/support/load-topic.ts';
import { type BrokerProcess, createTopic, produceWithKcat, startBroker } from './broker-process.ts';
import { type Cost, hasKcat, hasTaskset, runOwn } from './measured.ts';
import { type Figure, printFigures, printLine } from './report.ts';
import { writeWebEvents } from './web-events.ts';

const [TOPICS, PARTITIONS, PER_PARTITION] = [300, 4, 20];
const [COLD_PARTITIONS, COLD_EVENTS, HOURS] = [4, 200_000, 2];
const HOT_EVENTS = 4 * COLD_PARTITIONS * COLD_EVENTS;

export async function benchTopics(directory: string): Promise<void> {
  const broker = await startBroker(directory);
  await printMany(broker, directory);
  if (hasKcat) await printHot(broker, directory);
  else printLine('a hot partition: kcat is not installed (apt install kcat); not measured');
  await broker.stop();
}

async function printMany(broker: BrokerProcess, directory: string): Promise<void> {
  const topics = Array.from({ length: TOPICS }, (_, i) => `many-${i}`);
  for (const topic of topics) await createOwnTopic(broker.address, topic, PARTITIONS);
  const fill = async () => {
    for (const topic of topics)
      await sendRecords(
        broker.address,
        topic,
        Array.from({ length: PARTITIONS * PER_PARTITION }, (_, n) => ({
          value: webRequest(n),
          partition: n % PARTITIONS,
        })),
      );
  };
  const events = TOPICS * PARTITIONS * PER_PARTITION;
  const figures: Figure[] = [];
  const loadMany = async (name: string, expected: number) => {
    const cost = await load(broker, ['--topics', 'many-.*'], join(directory, 'many'), { expected });
    figures.push({ name, ...cost, events: expected });
  };
  await fill();
  await loadMany('first load', events);
  await fill();
  await loadMany('second load', events);
  await loadMany('nothing new', 0);
  printFigures(
    `load: ${TOPICS} raw topics of ${PARTITIONS} partitions, ${PER_PARTITION} events each`,
    figures,
  );
}

async function printHot(broker: BrokerProcess, directory: string): Promise<void> {
  const files = { hot: join(directory, 'hot.ndjson'), cold: join(directory, 'cold.ndjson') };
  writeWebEvents(files.hot, HOT_EVENTS, HOURS);
  writeWebEvents(files.cold, COLD_EVENTS, HOURS, 2);
  await createTopic(broker, 'hot', 1 + COLD_PARTITIONS);
  for (let partition = 0; partition <= COLD_PARTITIONS; partition++)
    await produceWithKcat(broker, 'hot', partition === 0 ? files.hot : files.cold, 'lz4', partition);
  const events = HOT_EVENTS + COLD_PARTITIONS * COLD_EVENTS;
  const loadHot = async (workers: number, core: string) => {
    const options = { expected: events, workers, core, schema: 'hot' };
    const cost = await load(broker, ['--topic', 'hot'], join(directory, `hot-${workers}`), options);
    return { ...cost, events, name: `${workers} worker${workers > 1 ? 's' : ''}` };
  };
  const [one, two] = [await loadHot(1, '0'), await loadHot(2, '0,1')];
  printFigures(`load: ${events} web_request events, 80 % of them in one of five partitions`, [one, two]);
  const pinned = hasTaskset ? 'on as many cores' : 'taskset is missing: not pinned';
  printLine(`two workers are ${(one.seconds / two.seconds).toFixed(2)} x one (${pinned})`);
}

interface LoadOptions {
  expected: number;
  workers?: number;
  core?: string;
  /** A topic whose events are web requests; else they are loaded raw. */
  schema?: string;
}

/** One load in a process of its own; `seconds` are those the load itself tells, without starting Node. */
async function load(
  broker: BrokerProcess,
  topics: readonly string[],
  warehouse: string,
  { expected, workers = 0, core, schema }: LoadOptions,
): Promise<Cost> {
  const args = ['load', ...topics, '--broker', broker.address, '--warehouse', `file:${warehouse}`, '--json'];
  args.push('--set', `loader.workers=${workers}`);
  if (schema !== undefined) args.push('--set', `topics.${schema}.schema=web_request`);
  const { stdout, cpuSeconds, peakMiB } = await runOwn('cli', args, { core });
  const { rows, seconds } = JSON.parse(stdout) as { rows: number; seconds: number };
  if (rows !== expected)
    throw new Error(`the load of ${topics.join(' ')} wrote ${rows} rows, not ${expected}`);
  return { seconds, cpuSeconds, peakMiB };
}
