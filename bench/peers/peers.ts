/**
 * `npm run bench -- peers`: millrace beside Apache Kafka and Spark on one clock. What it starts comes from the test bed of
 * test/real and ends with it, also on Ctrl-C. Not among the benchmarks that run when none is named: it needs Java, Maven
 * and minutes.
 */
import { existsSync } from 'node:fs';
import { runCommand } from '../../test/real/bed/command.ts';
import { HADOOP_VERSION, KAFKA_VERSION, SPARK_VERSION } from '../../test/real/bed/jars.ts';
import { javaCommand } from '../../test/real/bed/java.ts';
import { hasKcat } from '../measured.ts';
import { printLine } from '../report.ts';
import { benchLoads } from './loads.ts';
import { PEERS_USAGE, type PeerOptions, parsePeerOptions } from './peer-options.ts';
import { benchProduceAndConsume } from './produce-and-consume.ts';

const ASK_LIMIT_MS = 10_000;
/** Exit codes. */
const EXIT = { failed: 1, usage: 2, SIGINT: 130, SIGTERM: 143 };

export async function benchPeers(args: readonly string[]): Promise<void> {
  const stop = new AbortController();
  let options: PeerOptions;
  try {
    options = parsePeerOptions(args, stop.signal);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${PEERS_USAGE}\n`);
    process.exitCode = EXIT.usage;
    return;
  }
  // A second signal ends us at once; what is left then the next bed removes.
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => {
      process.exitCode = EXIT[name];
      process.stderr.write('interrupted; ending what was started…\n');
      stop.abort(new Error('interrupted'));
    });
  try {
    await run(options);
  } catch (error) {
    if (stop.signal.aborted) return;
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = EXIT.failed;
  }
}

async function run(options: PeerOptions): Promise<void> {
  if (!existsSync('/proc/self/stat'))
    throw new Error('peers: CPU and memory are read from /proc; run it on Linux');
  if (!hasKcat) throw new Error('peers: kcat is not installed; apt install kcat');
  printLine(await versions());
  if (options.parts.some((part) => part !== 'load')) await benchProduceAndConsume(options);
  if (options.parts.includes('load')) await benchLoads(options);
}

async function versions(): Promise<string> {
  const java = await runCommand(javaCommand(), ['--version'], { limitMs: ASK_LIMIT_MS });
  const kcat = await runCommand('kcat', ['-V'], { limitMs: ASK_LIMIT_MS });
  const [, version, librdkafka] = /Version (\S+).*librdkafka ([\d.]+)/.exec(kcat) ?? [];
  return [
    `Apache Kafka ${KAFKA_VERSION}, Hadoop ${HADOOP_VERSION}, Spark ${SPARK_VERSION} on ${java.split('\n')[0]};`,
    `kcat ${version} (librdkafka ${librdkafka}) is the client of both brokers.`,
    'fsync: millrace every second, Apache Kafka never by itself (the defaults of both).',
  ].join('\n');
}
