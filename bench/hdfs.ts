/**
 * What the way to HDFS costs, on the bed of real servers: files uploaded by the store as the loader does, beside raw PUTs
 * of the same bytes by plain `node:http` that prove nothing, alternating in one run; and how often a first and an hourly
 * load ask the NameNode, by the NameNode's own count of HTTP requests.
 */
import { createReadStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tableText } from '../cli/table.ts';
import { settingsSchema } from '../config/settings.ts';
import { listRuns, newestOutcome } from '../loader/run-history.ts';
import { UPLOADS_AT_ONCE } from '../loader/stage-files.ts';
import { openStore } from '../loader/store/open-store.ts';
import type { Store } from '../loader/store/store.ts';
import { UploadQueue } from '../loader/upload-queue.ts';
import { readBean } from '../test/real/bed/hadoop.ts';
import { type Hdfs, startHdfs } from '../test/real/bed/hdfs.ts';
import { type BrokerProcess, createTopic, produceWithKcat, startBroker } from './broker-process.ts';
import { hasKcat, runOwn } from './measured.ts';
import { printLine } from './report.ts';
import { writeWebEvents } from './web-events.ts';

const MIB = 1024 * 1024;
const ROUNDS = 8;
const SIZES = [
  { name: 'one file of 128 MiB', files: 1, bytes: 128 * MIB },
  { name: '64 files of 2 MiB', files: 64, bytes: 2 * MIB },
];
const [PARTITIONS, EVENTS, HOURS, HOURLY_LOADS] = [4, 20_000, 12, 3];
/** Beside those of the aim: per run of a topic, per new hour directory, per hour marked complete. */
const [PER_PARTITION, PER_RUN, PER_DIRECTORY, PER_MARK] = [13, 22, 1, 9];
const TOPIC = 'bench_hdfs';

export async function benchHdfs(directory: string): Promise<void> {
  await using hdfs = await startHdfs();
  const { loader, webhdfs } = settingsSchema.parse({ loader: { warehouse: hdfs.url } });
  await using store = await openStore({ loader, webhdfs });
  await printUploads(hdfs, store, directory);
  if (hasKcat) await printCalls(hdfs, store, directory);
  else printLine('calls of loads: kcat is not installed (apt install kcat); not counted');
}

type Put = (local: string, path: string) => Promise<void>;

async function printUploads(hdfs: Hdfs, store: Store, directory: string): Promise<void> {
  const byStore: Put = async (local, path) => {
    await store.upload(local, path);
  };
  const rows: (string | number)[][] = [];
  for (const { name, files, bytes } of SIZES) {
    const local = join(directory, 'upload');
    await writeFile(local, Buffer.alloc(bytes, 'millrace'));
    const seconds = { store: [] as number[], raw: [] as number[] };
    const ways = { store: byStore, raw: rawPut(hdfs) };
    for (let round = 0; round <= ROUNDS; round++) {
      // Each goes first as often as the other: who comes second finds the DataNodes deleting and their disks writing.
      for (const way of round % 2 === 0 ? (['store', 'raw'] as const) : (['raw', 'store'] as const)) {
        const time = await timed(store, ways[way], local, files, bytes);
        if (round > 0) seconds[way].push(time); // in the first the DataNodes' code is compiled only
      }
    }
    const [mine, raw] = [median(seconds.store), median(seconds.raw)];
    const rate = (time: number) => ((files * bytes) / MIB / time).toFixed(0);
    rows.push([name, `${(raw / mine).toFixed(2)} x`, rate(mine), rate(raw)]);
  }
  const columns = ['', 'of raw', 'store MiB/s', 'raw PUT MiB/s'];
  printLine(
    `\nuploads: ${UPLOADS_AT_ONCE} at once, medians of ${ROUNDS} rounds, alternating; two DataNodes, every file on both`,
  );
  printLine(tableText(columns, rows));
}

/** Seconds to upload the file under so many names, as many at once as a task of the loader does. */
async function timed(store: Store, put: Put, local: string, files: number, bytes: number): Promise<number> {
  const place = `bench-${crypto.randomUUID()}`;
  const begun = performance.now();
  {
    await using queue = new UploadQueue({ files: UPLOADS_AT_ONCE, bytes: Number.POSITIVE_INFINITY });
    for (let i = 0; i < files; i++) await queue.add(bytes, () => put(local, `${place}/${i}`));
    await queue.drain();
  }
  const seconds = (performance.now() - begun) / 1_000;
  await store.remove(place);
  return seconds;
}

/** Two requests and no more: where to, and the bytes. */
function rawPut({ nameNode }: Hdfs): Put {
  const agent = new http.Agent({ keepAlive: true });
  return async (local, path) => {
    const query = 'op=CREATE&overwrite=false&noredirect=true&user.name=loader';
    const asked = `http://${nameNode.host}:${nameNode.httpPort}/webhdfs/v1/warehouse/${path}?${query}`;
    const { Location: location } = JSON.parse(await send(asked, { agent })) as { Location: string };
    await send(location, { local, bytes: (await stat(local)).size });
  };
}

interface Sending {
  agent?: http.Agent;
  local?: string;
  bytes?: number;
}

async function send(url: string, { agent, local, bytes = 0 }: Sending): Promise<string> {
  const headers = { 'content-length': bytes, 'content-type': 'application/octet-stream' };
  const request = http.request(url, { method: 'PUT', headers, ...(agent && { agent }) });
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  if (local === undefined) request.end();
  else await pipeline(createReadStream(local, { highWaterMark: MIB / 2 }), request);
  const answer = await answered;
  const body = await text(answer);
  if (answer.statusCode !== 200 && answer.statusCode !== 201)
    throw new Error(`a raw PUT was answered by HTTP ${answer.statusCode}: ${body.slice(0, 200)}`);
  return body;
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

/** How long a NameNode answers with the count of an earlier answer: its metrics' period of 10 s (MetricsSourceAdapter). */
const COUNT_KEPT_MS = 10_500;

/** HTTP requests that the NameNode has taken so far, this one among them. */
async function requestsAt({ nameNode: { httpPort } }: Hdfs): Promise<number> {
  await sleep(COUNT_KEPT_MS);
  const bean = await readBean(httpPort, `Hadoop:service=NameNode,name=HttpServer2-${httpPort}`);
  return Number(bean['Requests']);
}

interface Loaded {
  rows: number;
  files: number;
  hours: string[];
}

/** The first load takes three quarters of the hours, every later one the next hour. */
async function printCalls(hdfs: Hdfs, store: Store, directory: string): Promise<void> {
  const file = join(directory, 'events.ndjson');
  writeWebEvents(file, EVENTS, HOURS);
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n'); // in the order of their times
  const perHour = EVENTS / HOURS;
  const broker = await startBroker(directory);
  const rows: (string | number)[][] = [];
  try {
    await createTopic(broker, TOPIC, PARTITIONS);
    for (let load = 0, from = 0; load <= HOURLY_LOADS; load++) {
      const until = (HOURS - HOURLY_LOADS + load) * perHour;
      await writeFile(file, `${lines.slice(from, until).join('\n')}\n`);
      from = until;
      await produceWithKcat(broker, TOPIC, file, 'lz4');
      const { calls, files, hours } = await countedLoad(hdfs, broker, directory);
      const marked = (await newestOutcome(store, await listRuns(store, TOPIC)))?.hoursMarked ?? 0;
      const others = PER_RUN + hours.length * PER_DIRECTORY + marked * PER_MARK;
      const perFile = ((calls - others - PARTITIONS * PER_PARTITION) / files).toFixed(1);
      const name = load === 0 ? 'first load' : `hourly load ${load}`;
      rows.push([name, perFile, calls, files, others, hours.length, marked]);
    }
  } finally {
    await broker.stop();
  }
  const columns = ['', 'per file', 'calls', 'files', 'others', 'hours', 'marked'];
  printLine(
    `\ncalls to the NameNode by its own count, ${PARTITIONS} partitions; per file: without ${PER_PARTITION} per partition and the others`,
  );
  printLine(
    `(others: ${PER_RUN} per run, ${PER_DIRECTORY} per hour directory, ${PER_MARK} per hour marked complete)`,
  );
  printLine(tableText(columns, rows));
}

async function countedLoad(
  hdfs: Hdfs,
  broker: BrokerProcess,
  directory: string,
): Promise<Loaded & { calls: number }> {
  const where = ['--topic', TOPIC, '--broker', broker.address, '--warehouse', hdfs.url, '--json'];
  const settings = { 'loader.workers': 2, [`topics.${TOPIC}.schema`]: 'web_request' };
  const set = Object.entries({ ...settings, 'loader.spoolDir': join(directory, 'spool') });
  const before = await requestsAt(hdfs);
  const { stdout } = await runOwn('cli', [
    'load',
    ...where,
    ...set.flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ]);
  const calls = (await requestsAt(hdfs)) - before - 1;
  return { ...(JSON.parse(stdout) as Loaded), calls };
}
