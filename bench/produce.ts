/**
 * How fast a C client gets events into the broker: one million lines of 250 bytes from a file, by kcat, uncompressed and
 * lz4, against the floor of the same bytes going through a socket into a file with nothing done to them. What a
 * broker costs that only starts and stops is taken off its CPU seconds.
 */
import { join } from 'node:path';
import { createTopic, produceWithKcat, startBroker } from './broker-process.ts';
import { hasKcat, runOwn, startOwn } from './measured.ts';
import { type Figure, printFigures, printLine } from './report.ts';
import { writeLines } from './web-events.ts';

const EVENTS = 1_000_000;
const EVENT_BYTES = 250;
const PARTITIONS = 4;

export async function benchProduce(directory: string): Promise<void> {
  if (!hasKcat) return printLine('produce: kcat is not installed (apt install kcat); not measured');
  const file = join(directory, 'lines');
  writeLines(file, EVENTS, EVENT_BYTES + 1);
  const figures: Figure[] = [await floor(directory, file)];
  const idle = await (await startBroker(join(directory, 'idle'))).stop();
  for (const codec of ['none', 'lz4']) {
    const broker = await startBroker(join(directory, codec));
    await createTopic(broker, 'bench', PARTITIONS);
    const client = await produceWithKcat(broker, 'bench', file, codec);
    const cost = await broker.stop();
    const cpuSeconds = cost.cpuSeconds - idle.cpuSeconds;
    const name = `kcat to the broker, ${codec} (CPU and memory of the broker)`;
    figures.push({ name, events: EVENTS, seconds: client.seconds, cpuSeconds, peakMiB: cost.peakMiB });
  }
  printFigures(`produce: ${EVENTS} events of ${EVENT_BYTES} bytes, ${PARTITIONS} partitions`, figures);
}

async function floor(directory: string, file: string): Promise<Figure> {
  const server = startOwn('append-from-socket', [join(directory, 'appended')]);
  const sender = await runOwn('send-file', [await server.firstLine, file]);
  const { cpuSeconds, peakMiB } = await server.ended;
  const name = 'floor: socket to file (CPU and memory of the receiver)';
  return { name, events: EVENTS, seconds: sender.seconds, cpuSeconds, peakMiB };
}
