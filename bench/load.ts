/**
 * How fast the loader turns a topic into closed Parquet files: web_request events of at most 300 bytes, lz4, from the
 * broker's socket to verified and committed files, with one worker, and with two that have a core each. Beside them
 * DuckDB alone on one thread, from an NDJSON file of the same events, which checks, hides and commits nothing; and
 * parquetjs-lite on the first of them. From the CPU seconds of a load those of one that finds nothing new are taken
 * off: they are Node starting.
 */
import { join } from 'node:path';
import { type BrokerProcess, createTopic, produceWithKcat, startBroker } from './broker-process.ts';
import { type Cost, hasKcat, hasTaskset, runOwn } from './measured.ts';
import { type Figure, printFigures, printLine } from './report.ts';
import { writeWebEvents } from './web-events.ts';

const EVENTS = 2_000_000;
const HOURS = 2;
const SAMPLE = 50_000;
const TOPICS = ['bench-a', 'bench-b'];

export async function benchLoad(directory: string): Promise<void> {
  if (!hasKcat) return printLine('load: kcat is not installed (apt install kcat); not measured');
  const file = join(directory, 'events.ndjson');
  const bytes = writeWebEvents(file, EVENTS, HOURS);
  const figures: Figure[] = [await duckdb(directory, file)];
  const broker = await startBroker(directory);
  for (const topic of TOPICS) {
    await createTopic(broker, topic, 1);
    await produceWithKcat(broker, topic, file, 'lz4');
  }
  const idle = await idleCost(broker, directory);
  const loadOne = async (warehouse: string, topic: string, core: number) => {
    const cost = await load(broker, join(directory, warehouse), topic, core, EVENTS);
    return { ...cost, cpuSeconds: cost.cpuSeconds - idle.cpuSeconds };
  };
  const one = await loadOne('one', TOPICS[0]!, 0);
  figures.push({ name: 'one worker', ...one, events: EVENTS });
  const both = await Promise.all(TOPICS.map((topic, core) => loadOne(`two-${core}`, topic, core)));
  figures.push({ name: 'two workers', ...together(both), events: EVENTS * both.length });
  const { cpuSeconds } = await broker.stop();
  figures.push(await parquetjs(directory, file));
  printFigures(
    `load: ${EVENTS} web_request events of ${Math.round(bytes / EVENTS)} bytes on average, ${HOURS} hours, lz4 to Snappy Parquet`,
    figures,
  );
  const pinned = hasTaskset
    ? 'each worker a process pinned to a core of its own'
    : 'taskset is missing: not pinned';
  printLine(`two workers are ${((2 * one.seconds) / together(both).seconds).toFixed(2)} x one (${pinned});`);
  printLine(`the broker used ${cpuSeconds.toFixed(1)} CPU seconds for all of it, on the same cores`);
}

/** What a load costs that finds nothing new: Node starting, and the bookkeeping of a run. */
async function idleCost(broker: BrokerProcess, directory: string): Promise<Cost> {
  await createTopic(broker, 'bench-idle', 1);
  return await load(broker, join(directory, 'idle'), 'bench-idle', 0, 0);
}

/** One load in a process of its own; `seconds` are those the load itself tells, without starting Node. */
async function load(
  broker: BrokerProcess,
  warehouse: string,
  topic: string,
  core: number,
  expected: number,
): Promise<Cost> {
  const args = [
    'load',
    '--topic',
    topic,
    '--broker',
    broker.address,
    '--warehouse',
    `file:${warehouse}`,
    '--json',
  ];
  const settings = ['--set', 'loader.workers=1', '--set', `topics.${topic}.schema=web_request`];
  const { stdout, cpuSeconds, peakMiB } = await runOwn('cli', [...args, ...settings], { core });
  const { rows, seconds } = JSON.parse(stdout) as { rows: number; seconds: number };
  if (rows !== expected) throw new Error(`the load of ${topic} wrote ${rows} rows, not ${expected}`);
  return { seconds, cpuSeconds, peakMiB };
}

/** The cost of runs side by side. */
function together(costs: readonly Cost[]): Cost {
  return {
    seconds: Math.max(...costs.map(({ seconds }) => seconds)),
    cpuSeconds: costs.reduce((sum, cost) => sum + cost.cpuSeconds, 0),
    peakMiB: costs.reduce((sum, cost) => sum + cost.peakMiB, 0),
  };
}

async function duckdb(directory: string, file: string): Promise<Figure> {
  const cost = await runOwn('duckdb-copy', [file, join(directory, 'duckdb.parquet')], { core: 0 });
  return { name: 'DuckDB alone, NDJSON file to one file', ...cost, events: EVENTS };
}

async function parquetjs(directory: string, file: string): Promise<Figure> {
  const args = [file, join(directory, 'parquetjs.parquet'), String(SAMPLE)];
  const cost = await runOwn('parquetjs-copy', args, { core: 0 });
  return { name: 'parquetjs-lite, NDJSON file to one file', ...cost, events: SAMPLE };
}
