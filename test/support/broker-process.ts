/**
 * A broker in a process of its own, for tests that kill it. Run as a script, this file is that process: its one argument
 * is the settings as JSON; it prints its port and stops in order on SIGTERM.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { Broker } from '../../broker/broker.ts';
import { type BrokerOverrides, brokerSettings } from './start-broker.ts';

const FILE = fileURLToPath(import.meta.url);

/** A running broker process. Disposing of it kills it if it still runs. */
export class BrokerProcess implements AsyncDisposable {
  readonly port: number;
  readonly host = '127.0.0.1';
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, exited: Promise<unknown>, port: number) {
    this.#child = child;
    this.#exited = exited;
    this.port = port;
  }

  static async start(dataDir: string, overrides: BrokerOverrides = {}): Promise<BrokerProcess> {
    const settings = JSON.stringify(brokerSettings(dataDir, overrides));
    const child = spawn(process.execPath, [FILE, settings], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
    if (first === undefined) throw new Error('the broker process ended before it listened');
    return new BrokerProcess(child, exited, Number(first[0]));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** `kill -9`, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Stops it in order. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

if (process.argv[1] === FILE) {
  const log = pino({ level: 'error' }, pino.destination(2));
  const broker = await Broker.start(JSON.parse(process.argv[2] ?? '{}'), { log }).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  process.on('SIGTERM', () => void broker.stop().then(() => process.exit(0)));
  process.stdout.write(`${broker.port}\n`);
}
