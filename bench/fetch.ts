/**
 * How fast events come out of the broker: our own client, which checks every batch, and kcat, a C client, against the
 * floor of the same number of bytes going from a file through a socket. The time of our client and of the floor is that of
 * the reading, without the start of the process; CPU and memory are those of the whole process.
 */
import { join } from 'node:path';
import { KafkaClient } from '../broker/client/client.ts';
import { fetchRange } from '../broker/client/fetch-range.ts';
import { settingsSchema } from '../config/settings.ts';
import { createTopic, produceWithKcat, startBroker } from './broker-process.ts';
import { hasKcat, run, runOwn, startOwn } from './measured.ts';
import { type Figure, printFigures, printLine } from './report.ts';
import { writeLines } from './web-events.ts';

const EVENTS = 1_000_000;
const EVENT_BYTES = 250;
const TOPIC = 'bench';

export async function benchFetch(directory: string): Promise<void> {
  if (!hasKcat) return printLine('fetch: kcat is not installed (apt install kcat); not measured');
  const file = join(directory, 'lines');
  writeLines(file, EVENTS, EVENT_BYTES + 1);
  const broker = await startBroker(directory);
  await createTopic(broker, TOPIC, 1);
  await produceWithKcat(broker, TOPIC, file, 'none');
  const figures: Figure[] = [await floor(file)];
  const ours = await runOwn('fetch-all', [broker.address, TOPIC]);
  const [events, seconds] = ours.stdout.split(' ').map(Number);
  figures.push({ ...ours, name: 'our client, one partition', events: events!, seconds: seconds! });
  const args = ['-C', '-q', '-e', '-o', 'beginning', '-b', broker.address, '-t', TOPIC];
  const kcat = await run('kcat', args, { countOutput: true });
  figures.push({
    name: 'kcat, one partition',
    ...kcat,
    events: Math.round(Number(kcat.stdout) / (EVENT_BYTES + 1)),
  });
  await broker.stop();
  printFigures(`fetch: ${EVENTS} events of ${EVENT_BYTES} bytes, uncompressed`, figures);
}

async function floor(file: string): Promise<Figure> {
  const server = startOwn('send-to-socket', [file]);
  const receiver = await runOwn('receive', [await server.firstLine]);
  await server.ended;
  return { ...receiver, name: 'floor: file to socket', events: EVENTS, seconds: Number(receiver.stdout) };
}

/** Reads a whole topic with our client; prints how many records there were and how many seconds it took. */
export async function fetchAll([address, topic]: string[]): Promise<void> {
  const { client: settings, loader } = settingsSchema.parse({ client: { brokers: address } });
  const begun = performance.now();
  await using client = await KafkaClient.connect(settings);
  const part = { topic: topic!, partition: 0 };
  const [from, until] = await Promise.all([
    client.listOffsets([part], 'earliest'),
    client.listOffsets([part], 'latest'),
  ]);
  const range = { from: from[0]!.offset, until: until[0]!.offset };
  const options = { maxBytes: loader.fetchBytes, isolation: 'read_committed' } as const;
  let next = range.from;
  for await (const { nextOffset, release } of fetchRange(client, part, range, options)) {
    next = nextOffset;
    release();
  }
  process.stdout.write(`${next - range.from} ${(performance.now() - begun) / 1_000}\n`);
}
