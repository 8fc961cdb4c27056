/**
 * How fast C clients get events into the broker: lines of 250 bytes from files, by kcat, uncompressed and lz4, by one
 * client and by two, because one is bound by its own thread; against the floor of the same bytes going through a
 * socket into a file with nothing done to them. What a broker costs that only starts and stops is taken off its CPU
 * seconds.
 */
import { join } from 'node:path';
import { createTopic, produceWithKcat, startBroker } from './broker-process.ts';
import { hasKcat, runOwn, startOwn } from './measured.ts';
import { type Figure, printFigures, printLine } from './report.ts';
import { writeLines } from './web-events.ts';

/** Enough that the start of a client process weighs little. */
const EVENTS = 3_000_000;
const EVENT_BYTES = 250;
const PARTITIONS = 4;

export async function benchProduce(directory: string): Promise<void> {
  if (!hasKcat) return printLine('produce: kcat is not installed (apt install kcat); not measured');
  const file = join(directory, 'lines');
  writeLines(file, EVENTS, EVENT_BYTES + 1);
  const figures: Figure[] = [await floor(directory, file)];
  const idle = await (await startBroker(join(directory, 'idle'))).stop();
  const half = join(directory, 'half');
  writeLines(half, EVENTS / 2, EVENT_BYTES + 1);
  for (const [codec, files] of [
    ['none', [file]],
    ['lz4', [file]],
    ['none', [half, half]],
    ['lz4', [half, half]],
  ] as const) {
    const broker = await startBroker(join(directory, `${codec}-${files.length}`));
    await createTopic(broker, 'bench', PARTITIONS);
    const clients = await Promise.all(files.map((lines) => produceWithKcat(broker, 'bench', lines, codec)));
    const cost = await broker.stop();
    const cpuSeconds = cost.cpuSeconds - idle.cpuSeconds;
    const seconds = Math.max(...clients.map((client) => client.seconds));
    const name = `${files.length} × kcat to the broker, ${codec} (CPU and memory of the broker)`;
    figures.push({ name, events: EVENTS, seconds, cpuSeconds, peakMiB: cost.peakMiB });
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
