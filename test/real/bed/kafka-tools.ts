/**
 * Kafka's own command-line tools against any broker, all in one JVM (KafkaTools.java): a JVM for each would take longer
 * to start than the tool to do its work.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { Bed } from './bed.ts';
import { fetchJars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';

const LAUNCHER = join(import.meta.dirname, 'KafkaTools.java');
/** As KafkaTools.java prints it after each tool. */
const EXIT = /^== exit (\d+)$/;

/** What a tool printed, on both streams, and its exit status. */
export interface ToolRun {
  status: number;
  lines: string[];
}

/** The JVM; it ends when disposed of. */
export class KafkaTools implements AsyncDisposable {
  readonly #bed: Bed;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  #inputs = 0;

  private constructor(bed: Bed, child: ChildProcessWithoutNullStreams) {
    this.#bed = bed;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    child.stderr.resume();
    child.stdin.on('error', () => {});
  }

  static async start(): Promise<KafkaTools> {
    const classPath = [join(await fetchJars('kafka'), 'lib', '*')];
    const bed = await Bed.open('kafkatools');
    const args = javaArguments({
      classPath,
      main: LAUNCHER,
      heapMb: 256,
      properties: { 'millrace.bed': `${bed.path}/`, 'org.slf4j.simpleLogger.defaultLogLevel': 'error' },
    });
    const child = spawn(javaCommand(), args, { cwd: bed.join('tmp') });
    await once(child, 'spawn');
    await bed.remember('tools', child.pid!);
    return new KafkaTools(bed, child);
  }

  /** Runs a class as `main ARGS…`, with `input` as its standard input. One at a time. Throws if the JVM ends. */
  async run(main: string, args: readonly string[], input?: string): Promise<ToolRun> {
    const file = input === undefined ? '' : this.#bed.join('tmp', `input-${++this.#inputs}`);
    if (input !== undefined) await writeFile(file, input);
    this.#child.stdin.write(`${[file, main, ...args].join('\t')}\n`);
    const lines: string[] = [];
    return new Promise((resolve, reject) => {
      const onLine = (line: string) => {
        const status = EXIT.exec(line)?.[1];
        if (status === undefined) return void (line !== '' && lines.push(line));
        this.#lines.off('line', onLine).off('close', onClose);
        resolve({ status: Number(status), lines });
      };
      const onClose = () => reject(new Error(`Java ended while ${main} ran:\n${lines.join('\n')}`));
      this.#lines.on('line', onLine).on('close', onClose);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    await this.#bed[Symbol.asyncDispose]();
  }
}
