/** A broker of ours in a process of its own, and topics on it, for the benchmarks. */
import { join } from 'node:path';
import { type Cost, run, runOwn, startOwn } from './measured.ts';

export interface BrokerProcess {
  /** HOST:PORT. */
  address: string;
  pid: number;
  dataDir: string;
  /** Ends the broker and tells what it cost from its start on. */
  stop(): Promise<Cost>;
}

/** Starts a broker that keeps its logs below `directory`, with default settings but for `options`, on a free port. */
export async function startBroker(
  directory: string,
  core?: number,
  options: readonly string[] = [],
): Promise<BrokerProcess> {
  const dataDir = join(directory, 'broker');
  const args = ['broker', '--port', '0', '--data', dataDir, '--json', ...options];
  const running = startOwn('cli', args, { core });
  const lost = running.ended.then(() => {
    throw new Error('the broker of the benchmark ended by itself');
  });
  lost.catch(() => {});
  const { host, port } = JSON.parse(await Promise.race([running.firstLine, lost])) as {
    host: string;
    port: number;
  };
  return { address: `${host}:${port}`, pid: running.child.pid!, dataDir, stop: () => running.stop() };
}

export async function createTopic(broker: BrokerProcess, topic: string, partitions: number): Promise<void> {
  await runOwn('cli', [
    ...['topics', 'create', topic, '--partitions', String(partitions)],
    ...['--broker', broker.address],
  ]);
}

/** Sends each line of a file as a record with kcat, a C client (librdkafka), to one partition, or spread over all. */
export function produceWithKcat(
  broker: BrokerProcess,
  topic: string,
  file: string,
  codec: string,
  partition = -1,
) {
  return run('kcat', [
    '-P',
    '-q',
    '-b',
    broker.address,
    '-t',
    topic,
    '-p',
    String(partition),
    '-z',
    codec,
    '-X',
    'linger.ms=5',
    '-l',
    file,
  ]);
}
